#!/usr/bin/env perl
# The DG gate in Perl, with its core modules alone, and the adapter by which kondo-ref audits it:
#
#   kondo-ref audit "perl examples/audit/gate.pl" --surface gate --framework subprocess
use strict;
use warnings;
use JSON::PP;

$| = 1;

sub gate {
    my ($logp, $advantages) = @_;
    return map { 1 / (1 + exp($advantages->[$_] * $logp->[$_])) } 0 .. $#$logp;
}

# The adapter. NaN and infinities come as words, which this gate refuses.
while (my $line = <STDIN>) {
    my $message = decode_json($line);
    if ($message->{type} eq "hello") {
        print encode_json({protocol => 1, takes => [], versions => {perl => "$]"}}), "\n";
    } elsif (grep { /n/ } @{$message->{logp}}, @{$message->{advantages}}) {
        print encode_json({id => $message->{id}, error => "logp or advantages are not finite"}), "\n";
    } else {
        # JSON::PP writes 15 digits, a float64 has up to 17.
        my @weights = map { sprintf "%.17g", $_ } gate(@{$message}{"logp", "advantages"});
        print "{\"id\": $message->{id}, \"weights\": [", join(", ", @weights), "]}\n";
    }
}
