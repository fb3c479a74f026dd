"""The household's problem at given prices: endogenous grid method, search, fixed points, lifetime values."""
