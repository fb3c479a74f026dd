"""Solve the one-asset HANK example of the package sequence-jacobian and write hank_*.csv beside this file.

Run in an environment of its own, which the library and its tests do not need: some fifteen seconds on one core.

    pip install sequence-jacobian==1.0.0 numba numpy scipy
    python make_one_asset_hank.py

The numbers kept here come from sequence-jacobian 1.0.0 with numba 0.68.1, numpy 2.4.6 and scipy 1.17.1 on Python 3.11.

Households, income state e, assets a (a_{t-1} at the start of period t), hours n, a period of one quarter:

    max E sum_t (prod_{s<t} beta_s) [c_t^(1 - 1/eis) / (1 - 1/eis) - vphi n_t^(1 + 1/frisch) / (1 + 1/frisch)]
    c_t + a_t = (1 + r_t) a_{t-1} + w_t e_t n_t + T_t(e_t),   a_t >= 0,   T_t(e) = (Div_t - Tax_t) e / E[e]
    log e: Rouwenhorst chain of 7 states, autocorrelation .966, sd of log e .5, states scaled to mean 1 (income.csv)

Firms, monetary and fiscal policy, Phillips curve with price adjustment cost P_t, and market clearing:

    L_t = Y_t / Z_t,   P_t = mu / (mu - 1) / (2 kappa) log(1 + pi_t)^2 Y_t,   Div_t = Y_t - w_t L_t - P_t
    1 + r_t = (1 + rstar_{t-1} + phi pi_{t-1}) / (1 + pi_t),   Tax_t = r_t B
    log(1 + pi_t) = kappa (w_t / Z_t - 1 / mu) + Y_{t+1} / Y_t log(1 + pi_{t+1}) / (1 + r_{t+1})
    A_t = B,   NE_t = L_t,   where A_t sums a_t and NE_t sums e_t n_t over households;   then Y_t = C_t + P_t

Before t = 0, rstar and pi are stationary. beta_t discounts from t to t + 1: the household's step of period t takes
beta_t E[V_a,t+1] as the value of assets, so beta_t moves the policies of periods up to t and none later, as is checked.

Stationary state: Y = Z = L = 1, pi = 0, r = rstar = .005 and w = 1 / mu; beta and vphi solve A = B and NE = L.

Calibration: eis .5, frisch .5, mu 1.2, kappa .1, phi 1.5, rstar .005, B 5.6, rho_e .966, sd_e .5, 7 income states,
500 asset points from 0 to 150. Firms, policy and clearing are the package's blocks, numbers those of its notebook.

The package's defaults are tightened: policies to 1e-13 (default 1e-8), distribution to 1e-16 (default 1e-10),
derivatives by central differences of step 1e-6 (default: forward differences of step 1e-4), nonlinear path to 1e-12.
Of steps 1e-4 to 1e-7, 1e-6 and its neighbor 3e-6 agree best: 1.4e-7 of a response's peak; 1e-7 is 6e-7 off, 1e-5 1e-6.

Source: Auclert, Bardoczy, Rognlie and Straub (2021, Econometrica 89(5), 2375-2408), and the package they publish.
"""

import numpy as np
from package_numbers import HERE, HOUSEHOLD_OPTIONS, PATH_OPTIONS, write
from sequence_jacobian import create_model, grids
from sequence_jacobian.examples.hank import firm, fiscal, labor_supply, mkt_clearing, monetary, nkpc, nkpc_ss
from sequence_jacobian.hetblocks.hh_labor import hh

CALIBRATION = {"eis": 0.5, "frisch": 0.5, "mu": 1.2, "kappa": 0.1, "phi": 1.5, "rstar": 0.005, "r": 0.005, "B": 5.6}
CALIBRATION |= {"Y": 1.0, "Z": 1.0, "pi": 0.0}
CALIBRATION |= {"rho_e": 0.966, "sd_e": 0.5, "nS": 7, "amin": 0.0, "amax": 150.0, "nA": 500}
GUESS = {"beta": 0.982, "vphi": 0.786}
MARKET_TOLERANCE = 1e-12

PERIODS, ROWS = 300, 60  # horizon of the solution, and how much of it is written
UNKNOWNS, TARGETS = ["Y", "w", "pi"], ["asset_mkt", "labor_mkt", "nkpc_res"]
REPORTED = ("Y", "pi", "r", "w", "C", "Tax")
REPORTED_NONLINEAR = ("Y", "pi", "r", "w", "C")

RATE_SHOCK, LARGE_RATE_SHOCK, RATE_PERSISTENCE = -0.0025, -0.01, 0.61
PRODUCTIVITY_SHOCK, PATIENCE_SHOCK, PERSISTENCE = 0.01, 0.001, 0.8  # patience: as a share of beta
NEWS_PERIOD = 7  # of the shock to beta that shows its timing

OPTIONS = {"hh": HOUSEHOLD_OPTIONS, "one_asset_hank": PATH_OPTIONS}


def make_grids(rho_e, sd_e, nS, amin, amax, nA):
    e_grid, pi_e, Pi = grids.markov_rouwenhorst(rho=rho_e, sigma=sd_e, N=nS)
    a_grid = grids.agrid(amin=amin, amax=amax, n=int(nA))
    return e_grid, pi_e, Pi, a_grid


def wages(w, e_grid):
    we = w * e_grid
    return we


def transfers(Div, Tax, pi_e, e_grid):
    T = (Div - Tax) * e_grid / (pi_e @ e_grid)
    return T


def models():
    """Return the household block, the model of the stationary state (w given Z and mu) and that of transitions."""
    household = hh.add_hetinputs([make_grids, wages, transfers]).add_hetoutputs([labor_supply])
    blocks = [household, firm, monetary, fiscal, mkt_clearing]
    stationary = create_model([*blocks, nkpc_ss], name="one_asset_hank_stationary")
    return household, stationary, create_model([*blocks, nkpc], name="one_asset_hank")


def stationary_state(stationary, model):
    """Return the stationary state with beta and vphi by Broyden's method, evaluated by the model of transitions."""
    targets = {"asset_mkt": 0.0, "labor_mkt": 0.0}
    solver = {"solver": "broyden_custom", "ttol": MARKET_TOLERANCE}
    solved = stationary.solve_steady_state(CALIBRATION, GUESS, targets, options=OPTIONS, **solver)
    steady = model.steady_state(solved, options=OPTIONS)
    assert max(abs(steady[name]) for name in TARGETS) < MARKET_TOLERANCE
    return steady


def geometric(size, persistence):
    return size * persistence ** np.arange(PERIODS)


def linear(model, steady, shock):
    """Return deviations of what is reported, linear in the deviations of the shock, that meet the targets."""
    arguments = {"outputs": [*REPORTED, "goods_mkt"], "options": OPTIONS}
    return model.solve_impulse_linear(steady, UNKNOWNS, TARGETS, shock, **arguments)


def nonlinear(model, steady, shock):
    """Return the same deviations on the path with perfect foresight, which starts at the stationary distribution."""
    arguments = {"outputs": [*REPORTED, "goods_mkt"], "options": OPTIONS}
    return model.solve_impulse_nonlinear(steady, UNKNOWNS, TARGETS, shock, **arguments)


def check_income(steady):
    """Raise unless states, weights and transition are those of income.csv, digit by digit."""
    kept, household = np.genfromtxt(HERE / "income.csv", delimiter=",", names=True), steady.internals["hh"]
    assert np.array_equal(kept["state"], household["e_grid"]) and np.array_equal(kept["weight"], household["pi_e"])
    for state, to in enumerate(household["Pi"].T):
        assert np.array_equal(kept[f"to_{state}"], to)


def check_timing_of_beta(household, steady):
    """Raise unless beta of one period alone moves consumption policies of that period and of none later."""
    shock = np.zeros(2 * NEWS_PERIOD)
    shock[NEWS_PERIOD] = PATIENCE_SHOCK
    path = household.impulse_nonlinear(steady, {"beta": shock}, outputs=["C"], internals={"hh": ["c"]})
    moved = np.abs(path.internals["hh"]["c"]).max(axis=(1, 2))
    assert moved[NEWS_PERIOD] > PATIENCE_SHOCK and moved[NEWS_PERIOD + 1 :].max() < 1e-10


def write_stationary(steady):
    """Write hank_steady_state.csv and hank_grid.csv."""
    names = ["beta", "vphi", "r", "w", "Y", "C", "Tax", "Div", "L", "N", "NE", "A", "B", "Z", "pi", "rstar"]
    names += ["eis", "frisch", "mu", "kappa", "phi", "asset_mkt", "labor_mkt", "goods_mkt", "nkpc_res"]
    write("hank_steady_state.csv", {"name": names, "value": [float(steady[name]) for name in names]})
    write("hank_grid.csv", {"asset": steady.internals["hh"]["a_grid"]})


def write_responses(model, steady):
    """Write hank_responses.csv: deviations from the stationary values, row t for period t; return max |goods_mkt|."""
    shocks = {"rstar": geometric(RATE_SHOCK, RATE_PERSISTENCE), "Z": geometric(PRODUCTIVITY_SHOCK, PERSISTENCE)}
    shocks["beta"] = geometric(PATIENCE_SHOCK * steady["beta"], PERSISTENCE)
    responses = {name: linear(model, steady, {name: shock}) for name, shock in shocks.items()}
    columns = {}
    for name, shock in shocks.items():
        columns |= {name: shock[:ROWS]} | {f"{name}_{output}": responses[name][output][:ROWS] for output in REPORTED}
    write("hank_responses.csv", columns)
    return max(np.abs(response["goods_mkt"]).max() for response in responses.values())


def write_nonlinear(model, steady):
    """Write hank_nonlinear.csv in the same way, for the large shock to rstar; return max |goods_mkt|."""
    shock = geometric(LARGE_RATE_SHOCK, RATE_PERSISTENCE)
    exact = nonlinear(model, steady, {"rstar": shock})
    write("hank_nonlinear.csv", {"rstar": shock[:ROWS]} | {name: exact[name][:ROWS] for name in REPORTED_NONLINEAR})
    return np.abs(exact["goods_mkt"]).max()


def main():
    household, stationary, model = models()
    steady = stationary_state(stationary, model)
    check_income(steady)
    check_timing_of_beta(household, steady)
    write_stationary(steady)
    goods = [abs(steady["goods_mkt"]), write_responses(model, steady), write_nonlinear(model, steady)]
    assert max(goods) < 1e-10
    print(f"beta {steady['beta']:.15f}, vphi {steady['vphi']:.15f}")
    print(f"A - B {steady['asset_mkt']:.1e}, NE - L {steady['labor_mkt']:.1e}")
    print("Y - C - P: stationary {:.1e}, linear {:.1e}, nonlinear {:.1e}".format(*goods))


if __name__ == "__main__":
    main()
