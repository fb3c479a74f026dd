"""A household with two assets by plain loops: the best of many choices, no first-order condition.

Values ahead are given at pairs of grid points and are linear between them in both assets; for every state all choices
on a fine lattice are tried.
"""

import itertools

import numpy as np


def best(cash, held, cost, flow, ahead, grids, lattice):
    """The best choice (b', a') and its value in one state, by trying every pair of the `lattice` (two arrays).

    `cash` on hand, a number; `held` of the second asset; `cost(next, held)`; `flow(consumption)`; `ahead` (b, a) the
    expected value of next assets, discounted; `grids` the points of both.
    """
    top, choice = -np.inf, None
    for b, a in itertools.product(*lattice):
        consumption = cash - b - a - cost(a, held)
        if consumption <= 0:
            continue
        value = flow(consumption) + bilinear(ahead, grids, b, a)
        if value > top:
            top, choice = value, (b, a)
    return choice, top


def bilinear(values, grids, b, a):
    """Values at pairs of grid points, read at (b, a)."""
    i = min(max(int(np.searchsorted(grids[0], b, side="right")) - 1, 0), len(grids[0]) - 2)
    j = min(max(int(np.searchsorted(grids[1], a, side="right")) - 1, 0), len(grids[1]) - 2)
    s = (b - grids[0][i]) / (grids[0][i + 1] - grids[0][i])
    t = (a - grids[1][j]) / (grids[1][j + 1] - grids[1][j])
    low = values[i, j] + t * (values[i, j + 1] - values[i, j])
    high = values[i + 1, j] + t * (values[i + 1, j + 1] - values[i + 1, j])
    return low + s * (high - low)


def mass_after(mass, savings, grids, chain):
    """The mass (b, a, income) one period on, household by household, savings (2, b, a, income)."""
    moved = np.zeros_like(mass)
    for i, j, e in np.ndindex(mass.shape):
        places = []
        for kind, grid in enumerate(grids):
            choice = savings[kind, i, j, e]
            low = min(max(int(np.searchsorted(grid, choice, side="right")) - 1, 0), len(grid) - 2)
            weight = (choice - grid[low]) / (grid[low + 1] - grid[low])
            places.append(((low, 1 - weight), (low + 1, weight)))
        for (b, p), (a, q) in itertools.product(*places):
            for after in range(mass.shape[2]):
                moved[b, a, after] += mass[i, j, e] * p * q * chain[e, after]
    return moved
