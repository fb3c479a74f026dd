"""Measure: simulations, Euler errors, forecasts, exploitability, gathered in one accuracy report."""
