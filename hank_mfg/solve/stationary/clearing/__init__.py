"""Excess demand at candidate prices: the stationary mass, its derivatives, and searches for the root."""
