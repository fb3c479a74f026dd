"""Fit a declared economy to data."""
