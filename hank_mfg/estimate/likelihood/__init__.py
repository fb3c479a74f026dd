"""Likelihoods of time series: of the linear solution, and of a global one."""
