"""Measuring hops beside their raw limits; run by `make bench`."""
