"""Solve the two-asset HANK example of the package sequence-jacobian and write two_asset_*.csv beside this file.

Run in an environment of its own, which the library and its tests do not need: some thirty seconds on one core.

    pip install sequence-jacobian==1.0.0 numba numpy scipy
    python make_two_asset_hank.py

The numbers kept here come from sequence-jacobian 1.0.0 with numba 0.68.1, numpy 2.4.6 and scipy 1.17.1 on Python 3.11.

Households, income state e, liquid assets b and illiquid assets a (b_{t-1}, a_{t-1} at the start of period t), a period
of one quarter; all work the hours N_t that the union sets:

    max E sum_t beta^t c_t^(1 - 1/eis) / (1 - 1/eis)
    c_t + a_t + b_t + X_t = (1 - tax_t) w_t N_t e_t + (1 + ra_t) a_{t-1} + (1 + rb_t) b_{t-1},   a_t >= 0,   b_t >= 0
    X_t = chi1 / chi2 |a_t - (1 + ra_t) a_{t-1}|^chi2 / ((1 + ra_t) a_{t-1} + chi0)^(chi2 - 1)   (cost of adjusting)
    log e: Rouwenhorst chain of 3 states, autocorrelation .966, sd of log e .92, states scaled to mean 1

Va and Vb are derivatives of the value after the income draw: (1 + ra - dX/da_{t-1} at given a_t) c^(-1/eis) with
respect to a_{t-1}, (1 + rb) c^(-1/eis) with respect to b_{t-1}. Capitals are sums over households: A and B of a_t and
b_t (end of period), C of c, CHI of X, UCE of e c^(-1/eis).

Firms, with capital K_{t-1} chosen one period before and J(x) = (x - 1)^2 / (2 delta epsI) for a growth factor x:

    N_t = (Y_t / (Z_t K_{t-1}^alpha))^(1 / (1 - alpha)),   mc_t = w_t N_t / ((1 - alpha) Y_t)
    Q_t = 1 + (x_t - 1) / (delta epsI),   x_t = K_t / K_{t-1},   I_t = K_t - (1 - delta) K_{t-1} + K_{t-1} J(x_t)
    (1 + r_{t+1}) Q_t = alpha Z_{t+1} (N_{t+1} / K_t)^(1 - alpha) mc_{t+1} - (x_{t+1} - 1 + delta + J(x_{t+1}))
                        + x_{t+1} Q_{t+1}
    psip_t = mup / (mup - 1) / (2 kappap) log(1 + pi_t)^2 Y_t,   div_t = Y_t - w_t N_t - I_t - psip_t
    log(1 + pi_t) = kappap (mc_t - 1 / mup) + Y_{t+1} / Y_t log(1 + pi_{t+1}) / (1 + r_{t+1})
    (1 + r_{t+1}) p_t = div_{t+1} + p_{t+1}

Policy, union (wage inflation 1 + piw_t = (1 + pi_t) w_t / w_{t-1}), returns and clearing:

    i_t = rstar_t + phi pi_t,   1 + i_{t-1} = (1 + r_t) (1 + pi_t),   tax_t = (r_t Bg + G_t) / (w_t N_t)
    log(1 + piw_t) = kappaw (vphi N_t^(1 + 1/frisch) - (1 - tax_t) w_t N_t UCE_t / muw) + beta log(1 + piw_{t+1})
    rb_t = r_t - omega,   1 + ra_t = s_{t-1} (div_t + p_t) / p_{t-1} + (1 - s_{t-1}) (1 + r_t),   s_t = pshare_t
    A_t + B_t = p_t + Bg   (asset_mkt is the right minus the left)

Before t = 0 all is stationary: 1 + r_0 = (1 + rstar) / (1 + pi_0) with the stationary rstar.

pshare_t = p_t / (tot_wealth - Bh), whose denominator is the stationary A, a number: off the stationary state it follows
p_t and not p_t / A_t. That moves nothing: shares and bonds return the same from t = 1 on, hence ra_t = r_t whatever the
share, and ra_0, which holds the surprise, has the stationary share, p / A = .864. Both are checked.

Intermediation costs omega B_{t-1} in period t, so C + I + G + CHI + psip + omega B_{t-1} = Y. The package's goods_mkt,
C + I + G + CHI + psip + omega B - Y, takes the B of the period's end. Along a path it is omega (B_t - B_{t-1}), to
1e-11, as is checked: at most 1.7e-5 in the linear responses kept here and 8.6e-5 in the nonlinear path. asset_mkt is
1e-16 or less in the linear ones and 3e-13 in the nonlinear one. In the stationary state goods_mkt is -3.7e-11: the
package scales income states by weights that it iterates to 1e-11 only, so E[e] is 1 - 8.6e-11.

Stationary state: Y = N = 1, K = 10, Q = 1, pi = 0 and r = rstar = .0125 are given; p = tot_wealth - Bg,
mc = 1 / mup = 1 - r (p - K) / Y, alpha = (r + delta) K / (Y mc), Z = Y K^(-alpha) N^(alpha - 1) and
w = mc (1 - alpha) Y / N; vphi keeps wages constant; beta and chi1 solve A + B = p + Bg and B = Bh.

Calibration: eis .5, frisch 1, chi0 .25, chi2 2, delta .02, epsI 4, kappap .1, kappaw .1, muw 1.1, phi 1.5, omega .005,
G .2, Bg 2.8, Bh 1.04, tot_wealth 14. Blocks are the package's and the grid is that of its notebook: 3 income states, 50
liquid assets from 0 to 50, 70 illiquid ones from 0 to 4000, each geomspace(.25, .25 + end, points) - .25, the first set
to 0, and 50 multipliers kappa likewise from 0 to 1, in descending order: 1 + kappa is u'(c) / Wb where b_t >= 0 binds.

Household step, with Wa and Wb the discounted expected Va and Vb at (b_t, a_t) on the grid. At each (b_t, a_{t-1}), a_t
is the zero of Wa / Wb - (1 + dX/da_t), linear between points of a_t, or 0 if negative at 0; Wb is linear between these
points, c = Wb^(-eis), and the budget gives b_{t-1}. At each b_{t-1} of the grid, b_t and a_t are linear between
those found, and go on linearly beyond. Where b_t comes out at 0 or below, it is 0, and a_t is found likewise at each
kappa, from Wa / Wb / (1 + kappa) at b_t = 0 and c = ((1 + kappa) Wb)^(-eis), and is linear in b_{t-1} between those.
The budget leaves c. The lottery is the product of one in each asset. Policies stay on the grid: a to 3998.8, b to 49.8.
Of households, .497 choose b_t = 0. Plain NumPy written from this page agrees: a step moves policies by 2e-12, and a
sparse direct solve of the mass differs by 1e-14.

The package's defaults are tightened: policies to 2e-12 (default 1e-8; 1e-12 is not always met, as doubles near 4000
are 4.5e-13 apart), distribution to 1e-16 (default 1e-10), markets to 1e-12, nonlinear path to 1e-12 (default 1e-8),
derivatives by central differences of step 1e-6 (default: forward differences of step 1e-4). Of steps 1e-4 to 1e-7, 1e-6
and its neighbors 2e-6 and 3e-6 agree best: 2e-8 of a response's peak; 3e-7 is 5e-8 off, 1e-7 1e-7. From 5e-6 on a step
reaches kinks of the policies: 5e-6 is 2e-5 off, 1e-5 8e-5, 1e-4 1.6e-2, and the defaults 4.6e-2. Doubling the horizon
moves the responses kept here by at most 1.9e-4 of their peaks (K to rstar; Y by at most 6e-5).

Source: Auclert, Bardoczy, Rognlie and Straub (2021, Econometrica 89(5), 2375-2408), and the package they publish.
"""

import numpy as np
from package_numbers import HOUSEHOLD_OPTIONS, PATH_OPTIONS, write
from sequence_jacobian import combine, create_model, grids
from sequence_jacobian.examples import two_asset
from sequence_jacobian.utilities.function import DifferentiableCombinedExtendedFunction

CALIBRATION = {"eis": 0.5, "frisch": 1.0, "chi0": 0.25, "chi2": 2.0, "delta": 0.02, "epsI": 4.0, "kappap": 0.1}
CALIBRATION |= {"kappaw": 0.1, "muw": 1.1, "phi": 1.5, "omega": 0.005, "G": 0.2, "Bg": 2.8, "Bh": 1.04}
CALIBRATION |= {"tot_wealth": 14.0, "Y": 1.0, "N": 1.0, "K": 10.0, "Q": 1.0, "pi": 0.0, "r": 0.0125, "rstar": 0.0125}
CALIBRATION |= {"nZ": 3, "nB": 50, "nA": 70, "nK": 50, "bmax": 50.0, "amax": 4000.0, "kmax": 1.0}
CALIBRATION |= {"rho_z": 0.966, "sigma_z": 0.92}
GUESS = {"beta": 0.976, "chi1": 6.5}
MARKET_TOLERANCE = 1e-12

PERIODS, ROWS = 300, 60  # horizon of the solution, and how much of it is written
STATES = 200  # of the household, written
UNKNOWNS, TARGETS = ["r", "w", "Y"], ["asset_mkt", "fisher", "wnkpc"]
HOUSEHOLD_INPUTS, HOUSEHOLD_OUTPUTS = ["ra", "rb", "tax", "w", "N"], ["A", "B", "C", "CHI", "UCE"]
REPORTED = ("Y", "C", "I", "K", "N", "w", "p", "Q", "pi", "r", "ra", "rb", "tax", "A", "B", "CHI", "UCE", "div", "i")

RATE_SHOCK, LARGE_RATE_SHOCK, RATE_PERSISTENCE = -0.0025, -0.01, 0.61
PRODUCTIVITY_SHOCK, SPENDING_SHOCK, PERSISTENCE = 0.01, 0.01, 0.8  # productivity: as a share of Z

SOLVED = ("pricing_solved", "arbitrage_solved", "production_solved")  # blocks that solve an equation of their own
HOUSEHOLD = {**HOUSEHOLD_OPTIONS, "backward_tol": 2e-12}
OPTIONS = {"hh": HOUSEHOLD} | {name: PATH_OPTIONS for name in ("two_asset_hank", *SOLVED)}

# The package takes forward differences of the adjustment cost and of its derivative in a_t, whatever it is asked for:
# at step 1e-6, responses would be up to 3e-5 of their peaks off.
DifferentiableCombinedExtendedFunction.diff = DifferentiableCombinedExtendedFunction.diff2


def models():
    """Return the household block, the model of the stationary state and that of transitions.

    Options of the stationary household go to the block itself: solved blocks take them for names of blocks and fail.
    """
    household = two_asset.hh.add_hetinputs([two_asset.income, two_asset.make_grids])
    household.steady_state_options = {name: HOUSEHOLD[name] for name in household.steady_state_options}
    shared = [household, two_asset.dividend, two_asset.taylor, two_asset.fiscal, two_asset.share_value]
    shared += [two_asset.finance, two_asset.mkt_clearing]
    stationary = [*shared, two_asset.partial_ss, two_asset.union_ss]
    capital, start = combine([two_asset.labor, two_asset.investment]), {"Q": CALIBRATION["Q"], "K": CALIBRATION["K"]}
    production = capital.solved(start, ["inv", "val"], name="production_solved", solver="broyden_custom")
    transition = [*shared, two_asset.pricing_solved, two_asset.arbitrage_solved, production]
    transition += [two_asset.wage, two_asset.union]
    stationary_model = create_model(stationary, name="two_asset_hank_stationary")
    return household, stationary_model, create_model(transition, name="two_asset_hank")


def stationary_state(stationary, model):
    """Return the stationary state with beta and chi1 by Broyden's method, evaluated by the model of transitions."""
    targets = {"asset_mkt": 0.0, "B": "Bh"}
    solver = {"solver": "broyden_custom", "ttol": MARKET_TOLERANCE}
    solved = stationary.solve_steady_state(CALIBRATION, GUESS, targets, **solver)
    steady = model.steady_state(solved, dissolve=SOLVED)
    steady_targets = [*TARGETS, "nkpc", "equity", "inv", "val"]
    assert max(abs(steady[name]) for name in steady_targets) < MARKET_TOLERANCE
    assert abs(steady["B"] - steady["Bh"]) < MARKET_TOLERANCE
    return steady


def geometric(size, persistence):
    return size * persistence ** np.arange(PERIODS)


def arguments(jacobian):
    outputs = [*REPORTED, "asset_mkt", "goods_mkt"]
    return {"outputs": outputs, "options": OPTIONS, "Js": {"hh": jacobian}}


def linear(model, steady, jacobian, shocks):
    """Return, by shock, deviations of what is reported, linear in the deviations of the shock, that meet the targets.

    The package's solve_impulse_linear would do the same, but differentiates the household anew, twice at every call.
    """
    responses = model.solve_jacobian(steady, UNKNOWNS, TARGETS, list(shocks), T=PERIODS, **arguments(jacobian))
    return {name: responses @ {name: shock} for name, shock in shocks.items()}


def nonlinear(model, steady, jacobian, shock):
    """Return the same deviations on the path with perfect foresight, which starts at the stationary distribution."""
    return model.solve_impulse_nonlinear(steady, UNKNOWNS, TARGETS, shock, **arguments(jacobian))


def check_path(steady, path):
    """Return max |asset_mkt|, max |goods_mkt| and its distance from omega (B_t - B_{t-1}); raise if ra is another."""
    intermediation = steady["omega"] * np.diff(path["B"], prepend=0.0)
    error = np.abs(path["goods_mkt"] - intermediation).max()
    assert error < 1e-10
    assert np.abs(path["ra"] - path["r"])[1:].max() < 1e-10
    surprise = (path["div"] + path["p"])[0] / steady["A"] + (1 - steady["p"] / steady["A"]) * path["r"][0]
    assert abs(path["ra"][0] - surprise) < 1e-10
    return np.abs(path["asset_mkt"]).max(), np.abs(path["goods_mkt"]).max(), error


def write_stationary(steady):
    """Write two_asset_steady_state.csv, two_asset_grid.csv and two_asset_income.csv."""
    scalars = {name: float(value) for name, value in steady.toplevel.items() if np.ndim(value) == 0}
    write("two_asset_steady_state.csv", {"name": list(scalars), "value": list(scalars.values())})
    household = steady.internals["hh"]
    points = {name: household[f"{name}_grid"] for name in ("b", "a", "k")}
    longest = max(len(grid) for grid in points.values())
    write("two_asset_grid.csv", {name: [*grid, *[""] * (longest - len(grid))] for name, grid in points.items()})
    states, weights, transition = grids.markov_rouwenhorst(*(CALIBRATION[name] for name in ("rho_z", "sigma_z", "nZ")))
    assert np.array_equal(states, household["e_grid"]) and np.array_equal(transition, household["Pi"])
    to = {f"to_{state}": transition[:, state] for state in range(len(states))}
    write("two_asset_income.csv", {"state": states, "weight": weights, "weight_exact": [0.25, 0.5, 0.25], **to})


def write_household(steady):
    """Write two_asset_household.csv: half of the states evenly spaced over the grid, the others those of most mass."""
    household = steady.internals["hh"]
    mass = household["D"].ravel()
    even = np.linspace(0, mass.size - 1, STATES // 2).round().astype(int)
    heavy = np.argsort(-mass, kind="stable")
    states = np.sort([*even, *heavy[~np.isin(heavy, even)][: STATES - len(even)]])
    indexes = np.unravel_index(states, household["D"].shape)
    columns = {name: [str(index) for index in axis] for name, axis in zip(("z", "b", "a"), indexes, strict=True)}
    values = {"mass": "D", "next_a": "a", "next_b": "b", "c": "c", "cost": "chi", "Va": "Va", "Vb": "Vb"}
    columns |= {name: household[ours].ravel()[states] for name, ours in values.items()}
    write("two_asset_household.csv", columns)


def write_responses(model, steady, jacobian):
    """Write two_asset_responses.csv: deviations from stationary values, row t for period t; return check_path's."""
    shocks = {"rstar": geometric(RATE_SHOCK, RATE_PERSISTENCE)}
    shocks["Z"] = geometric(PRODUCTIVITY_SHOCK * steady["Z"], PERSISTENCE)
    shocks["G"] = geometric(SPENDING_SHOCK, PERSISTENCE)
    responses = linear(model, steady, jacobian, shocks)
    columns = {}
    for name, shock in shocks.items():
        columns |= {name: shock[:ROWS]} | {f"{name}_{output}": responses[name][output][:ROWS] for output in REPORTED}
    write("two_asset_responses.csv", columns)
    return {name: check_path(steady, response) for name, response in responses.items()}


def write_nonlinear(model, steady, jacobian):
    """Write two_asset_nonlinear.csv in the same way, for the large shock to rstar; return check_path's."""
    shock = geometric(LARGE_RATE_SHOCK, RATE_PERSISTENCE)
    exact = nonlinear(model, steady, jacobian, {"rstar": shock})
    write("two_asset_nonlinear.csv", {"rstar": shock[:ROWS]} | {name: exact[name][:ROWS] for name in REPORTED})
    return {"nonlinear rstar": check_path(steady, exact)}


def main():
    household, stationary, model = models()
    steady = stationary_state(stationary, model)
    write_stationary(steady)
    write_household(steady)
    jacobian = household.jacobian(steady, HOUSEHOLD_INPUTS, HOUSEHOLD_OUTPUTS, PERIODS, **HOUSEHOLD)
    checks = write_responses(model, steady, jacobian) | write_nonlinear(model, steady, jacobian)
    assert abs(steady["goods_mkt"]) < 1e-10
    print(f"beta {steady['beta']:.15f}, chi1 {steady['chi1']:.15f}, vphi {steady['vphi']:.15f}")
    print(f"stationary: asset_mkt {steady['asset_mkt']:.1e}, goods_mkt {steady['goods_mkt']:.1e}")
    for name, numbers in checks.items():
        print("{}: asset_mkt {:.1e}, goods_mkt {:.2e}, less omega (B_t - B_t-1) {:.1e}".format(name, *numbers))


if __name__ == "__main__":
    main()
