"""Discretize: grids, lotteries, chains, and the compiled economy."""
