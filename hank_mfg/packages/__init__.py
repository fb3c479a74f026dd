"""Replication packages: runs with their models, reference numbers and a check that makes the numbers again."""
