"""Tests of the programs in benchmarks that are more than a measurement."""
