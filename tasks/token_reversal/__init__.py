"""Token reversal: read a prompt of tokens and answer with its reverse, one reward a sequence."""
