"""Matching of impulse responses and of simulated moments."""
