"""Lives that end, by independent code: backward induction over ages, and death at a constant rate. NumPy alone.

A household is born without assets, lives `ages` periods with income risk, and consumes everything in the last; or it
dies with a probability every period, its assets are lost, and a newborn without any takes its place. Households save on
their own grid of `points` assets, by the endogenous grid method; the mass moves by linear lotteries on the same grid.
One Cobb-Douglas firm; the equilibrium is found by bisection in the interest rate.
"""

import numpy as np

CHAIN = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])
LABOR = np.array([0.5, 1.0, 1.6])
SHARE, DEPRECIATION = 0.36, 0.08


def stationary(chain):
    """The stationary distribution of a chain: (states,)."""
    values, vectors = np.linalg.eig(chain.T)
    vector = np.real(vectors[:, np.argmax(np.real(values))])
    return vector / vector.sum()


def grid(points: int, top: float) -> np.ndarray:
    """Assets, dense at zero."""
    return top * np.linspace(0.0, 1.0, points) ** 2.5


def back(assets, marginal_next, patience, gross, wage, aversion):
    """One step of the endogenous grid method: savings (assets, income) today, from u'(c) R tomorrow."""
    expected = patience * marginal_next @ CHAIN.T
    cash = gross * assets[:, None] + wage * LABOR
    saved = np.zeros_like(cash)
    if patience > 0:
        consumption = expected ** (-1.0 / aversion)
        for each in range(len(LABOR)):
            need = assets + consumption[:, each]
            saved[:, each] = np.interp(cash[:, each], need, assets)
            over = cash[:, each] > need[-1]
            saved[over, each] = assets[-1]
    return saved, cash - saved


def move(mass, saved, assets):
    """The mass (assets, income) a period later, by lotteries on neighbors, before income moves."""
    place = np.clip(np.searchsorted(assets, saved, side="right") - 1, 0, len(assets) - 2)
    weight = np.clip((saved - assets[place]) / (assets[place + 1] - assets[place]), 0.0, 1.0)
    moved = np.zeros_like(mass)
    for each in range(mass.shape[1]):
        np.add.at(moved[:, each], place[:, each], mass[:, each] * (1.0 - weight[:, each]))
        np.add.at(moved[:, each], place[:, each] + 1, mass[:, each] * weight[:, each])
    return moved


def wealth_of_ages(rate, wage, ages, patience, aversion, points=1500, top=60.0):
    """Mean assets of a population of `ages` cohorts of equal size, patience zero in the last period of life."""
    assets = grid(points, top)
    marginal, plans = np.zeros((points, len(LABOR))), []
    for age in reversed(range(ages)):
        beta = patience if age < ages - 1 else 0.0
        saved, consumed = back(assets, marginal, beta, 1.0 + rate, wage, aversion)
        marginal = (1.0 + rate) * consumed**-aversion
        plans.append(saved)
    mass = np.zeros((points, len(LABOR)))
    mass[0] = stationary(CHAIN)
    total = 0.0
    for saved in reversed(plans):
        total += assets @ mass.sum(axis=1)
        mass = move(mass, saved, assets) @ CHAIN
    return total / ages


def wealth_of_mortals(rate, wage, death, patience, aversion, points=1500, top=400.0):
    """Mean assets where a share `death` dies every period and leaves nothing to a newborn."""
    assets = grid(points, top)
    marginal = np.ones((points, len(LABOR)))
    for _ in range(20_000):
        saved, consumed = back(assets, marginal, patience * (1.0 - death), 1.0 + rate, wage, aversion)
        new = (1.0 + rate) * consumed**-aversion
        done = np.max(np.abs(new / marginal - 1.0)) < 1e-10
        marginal = new
        if done:
            break
    mass = np.zeros((points, len(LABOR)))
    mass[0] = stationary(CHAIN)
    newborn = death * mass
    for _ in range(20_000):
        new = (1.0 - death) * move(mass, saved, assets) @ CHAIN + newborn
        done = np.abs(new - mass).sum() < 1e-12
        mass = new
        if done:
            break
    return assets @ mass.sum(axis=1)


def equilibrium(wealth, low, high):
    """The interest rate and capital at which `wealth(rate, wage)` is the capital that a firm with labor one employs."""
    labor = stationary(CHAIN) @ LABOR
    for _ in range(40):
        rate = 0.5 * (low + high)
        capital = labor * (SHARE / (rate + DEPRECIATION)) ** (1.0 / (1.0 - SHARE))
        wage = (1.0 - SHARE) * (capital / labor) ** SHARE
        low, high = (low, rate) if wealth(rate, wage) > capital else (rate, high)
    return rate, capital
