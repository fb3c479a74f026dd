"""Paths that households foresee: linear responses in the sequence space and nonlinear transitions."""
