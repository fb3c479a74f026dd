"""Fit: parameters from data."""
