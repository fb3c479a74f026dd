"""Structural policy gradient: the Euler-equation gradient of economies and the action values of games."""
