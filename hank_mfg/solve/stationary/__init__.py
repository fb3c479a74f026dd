"""Stationary equilibria: one, many at once, as functions of parameters, and households at given prices."""
