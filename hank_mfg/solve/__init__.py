"""Solve: the stationary equilibrium, and the economy with aggregate risk by structural policy gradient."""
