"""Declare: parameters, shocks, assets, preferences, production, and the equations of an economy."""
