"""Solve the Krusell-Smith example of the package sequence-jacobian and write its numbers as CSV files beside this file.

Run in an environment of its own, which the library and its tests do not need: some ten seconds on one core.

    pip install sequence-jacobian==1.0.0 numba numpy scipy
    python make_krusell_smith.py

The numbers kept here come from sequence-jacobian 1.0.0 with numba 0.68.1, numpy 2.4.6 and scipy 1.17.1 on Python 3.11.

Households, income state e, assets a (a_{t-1} at the start of period t):

    max E sum_t beta^t log(c_t)   (eis = 1),   c_t + a_t = (1 + r_t) a_{t-1} + w_t e_t,   a_t >= 0
    log e: Rouwenhorst chain of 7 states, autocorrelation .966, sd of log e .5, states scaled to mean 1

Firms, with capital K_{t-1} chosen one period before, and market clearing:

    r_t = alpha Z_t (K_{t-1} / L)^(alpha - 1) - delta
    w_t = (1 - alpha) Z_t (K_{t-1} / L)^alpha
    Y_t = Z_t K_{t-1}^alpha L^(1 - alpha)
    A_t = K_t,   A_t = sum of a_t over households (end of period t)

Stationary state: r = .01 and Y = 1 are given, so K = alpha Y / (r + delta) and Z = Y / K^alpha; beta solves A = K.

Calibration: eis 1, delta .025, alpha .11, L 1, r .01, Y 1, rho_e .966, sd_e .5, 7 income states,
500 asset points from 0 to 200. Blocks and numbers are those of the package's notebook on Krusell and Smith.

The package's defaults are tightened: policies to 1e-13 (default 1e-8), distribution to 1e-16 (default 1e-10),
derivatives by central differences of step 1e-6 (default: forward differences of step 1e-4), nonlinear path to 1e-12.

Source: Auclert, Bardoczy, Rognlie and Straub (2021, Econometrica 89(5), 2375-2408), and the package they publish.
"""

from math import comb

import numpy as np
from package_numbers import HOUSEHOLD_OPTIONS, PATH_OPTIONS, write
from sequence_jacobian import create_model, grids
from sequence_jacobian.examples.krusell_smith import firm, firm_ss, income, mkt_clearing
from sequence_jacobian.hetblocks.hh_sim import hh

CALIBRATION = {"eis": 1.0, "delta": 0.025, "alpha": 0.11, "L": 1.0, "r": 0.01, "Y": 1.0}
CALIBRATION |= {"rho_e": 0.966, "sd_e": 0.5, "nS": 7, "amin": 0.0, "amax": 200.0, "nA": 500}
BETA_BRACKET = (0.98 / 1.01, 0.999 / 1.01)  # the package's own
BETA_TOLERANCE = 1e-15

PERIODS = 300
COLUMNS = (0, 1, 10, 100)  # periods of the shock, of which the Jacobian's columns are kept
PRICES, AGGREGATES = ("r", "w"), ("A", "C")
REPORTED = ("K", "r", "w", "Y", "C")

SMALL_SHOCK, LARGE_SHOCK, PERSISTENCE = 0.01, 0.1, 0.8  # in units of Z, not of its stationary value
NEWS_PERIOD = 10

OPTIONS = {"hh": HOUSEHOLD_OPTIONS, "krusell_smith": PATH_OPTIONS}


def make_grids(rho_e, sd_e, nS, amin, amax, nA):
    e_grid, _, Pi = grids.markov_rouwenhorst(rho=rho_e, sigma=sd_e, N=nS)
    a_grid = grids.agrid(amin=amin, amax=amax, n=int(nA))
    return e_grid, Pi, a_grid


def models():
    """Return the household block, the model of the stationary state (K and Z given r and Y) and that of transitions."""
    household = hh.add_hetinputs([income, make_grids])
    stationary = create_model([household, firm_ss, mkt_clearing], name="krusell_smith_stationary")
    return household, stationary, create_model([household, firm, mkt_clearing], name="krusell_smith")


def stationary_state(model):
    """Return the stationary state with beta solved by Brent's method, at the last point where it evaluated A - K."""
    unknowns, targets = {"beta": BETA_BRACKET}, {"asset_mkt": 0.0}
    solver = {"solver": "brentq", "ttol": BETA_TOLERANCE}
    steady = model.solve_steady_state(CALIBRATION, unknowns, targets, options=OPTIONS, **solver)
    assert abs(steady["asset_mkt"]) < 1e-12
    return steady


def geometric(size):
    return size * PERSISTENCE ** np.arange(PERIODS)


def linear(model, steady, productivity):
    """Return deviations of K, r, w, Y and C, linear in the deviations of Z, that clear the market for assets."""
    arguments = {"outputs": list(REPORTED), "options": OPTIONS}
    return model.solve_impulse_linear(steady, ["K"], ["asset_mkt"], {"Z": productivity}, **arguments)


def nonlinear(model, steady, productivity):
    """Return the same deviations on the path with perfect foresight, which starts at the stationary distribution."""
    arguments = {"outputs": list(REPORTED), "options": OPTIONS}
    return model.solve_impulse_nonlinear(steady, ["K"], ["asset_mkt"], {"Z": productivity}, **arguments)


def write_stationary(steady):
    """Write steady_state.csv, grid.csv, income.csv and stationary_household.csv."""
    names = ["beta", "r", "w", "K", "Y", "C", "Z", "A", "L", "alpha", "delta", "eis", "asset_mkt", "goods_mkt"]
    write("steady_state.csv", {"name": names, "value": [float(steady[name]) for name in names]})
    household = steady.internals["hh"]
    states, weights, transition = grids.markov_rouwenhorst(CALIBRATION["rho_e"], CALIBRATION["sd_e"], CALIBRATION["nS"])
    assert np.array_equal(states, household["e_grid"]) and np.array_equal(transition, household["Pi"])
    last = len(states) - 1
    binomial = [comb(last, state) / 2**last for state in range(last + 1)]
    to = {f"to_{state}": transition[:, state] for state in range(last + 1)}
    write("income.csv", {"state": states, "weight": weights, "weight_exact": binomial, **to})
    write("grid.csv", {"asset": household["a_grid"]})
    policies = {"consumption": household["c"], "savings": household["a"], "mass": household["D"]}
    income_states, assets = np.meshgrid(states, household["a_grid"], indexing="ij")
    columns = {"income": income_states, "asset": assets, **policies}
    write("stationary_household.csv", {name: values.ravel() for name, values in columns.items()})


def write_jacobian(household, steady):
    """Write household_jacobian.csv: column A_r_10, row t, is the derivative of A_t with respect to r_10."""
    inputs, outputs = list(PRICES), list(AGGREGATES)
    jacobian = household.jacobian(steady, inputs, outputs, T=PERIODS, **OPTIONS["hh"])
    pairs = [(output, price, period) for output in outputs for price in inputs for period in COLUMNS]
    columns = {f"{o}_{i}_{s}": jacobian[o][i][:, s] for o, i, s in pairs}
    write("household_jacobian.csv", columns)


def write_responses(model, steady):
    """Write responses.csv (linear) and nonlinear.csv: deviations from the stationary values, row t for period t."""
    small, news = geometric(SMALL_SHOCK), np.zeros(PERIODS)
    news[NEWS_PERIOD] = SMALL_SHOCK
    at_once, announced = linear(model, steady, small), linear(model, steady, news)
    columns = {"Z": small} | {name: at_once[name] for name in REPORTED}
    write("responses.csv", columns | {f"news_{name}": announced[name] for name in REPORTED})
    large = geometric(LARGE_SHOCK)
    exact, approximate = nonlinear(model, steady, large), linear(model, steady, large)
    columns = {"Z": large} | {name: exact[name] for name in REPORTED}
    write("nonlinear.csv", columns | {f"linear_{name}": approximate[name] for name in REPORTED})


def main():
    household, stationary, model = models()
    steady = stationary_state(stationary)
    write_stationary(steady)
    write_jacobian(household, steady)
    write_responses(model, steady)
    print(f"beta {steady['beta']:.15f}, A - K {steady['asset_mkt']:.1e}")


if __name__ == "__main__":
    main()
