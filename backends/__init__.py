"""Backends: other arithmetic for the same semantics, each behind the same protocol."""
