"""Solve Krusell and Smith (1998) by the classical algorithm, independently of the library: NumPy and loops only.

Household, at assets a, employment e (0 unemployed, 1 employed), aggregate capital K and productivity z (0 bad, 1 good):

    max E sum_t beta^t u(c_t),   c + a' = (1 + r(K, z)) a + y(e, K, z),   a' >= 0
    r = alpha z (K / L_z)^(alpha-1) - delta,   w = (1-alpha) z (K / L_z)^alpha,   L_z = lbar (1 - u_z)
    y = mu w if unemployed, (1 - tau_z) lbar w if employed,   tau_z = mu u_z / L_z

Perceived law of motion: log K' = intercept_z + slope_z log K.

Algorithm
1. Given the law, policies by the endogenous grid method (Carroll 2006) on assets x employment x K x z. Savings are
   linear in assets between nodes and a four-point (cubic) Lagrange polynomial in K: errors come from the asset grid.
   Where the borrowing limit binds the tables hold the straight continuation of savings below the limit ("desired
   savings"), and the limit is imposed after interpolation: this keeps the kink exact although it moves with K and lies
   between nodes.
2. Given policies, a non-stochastic simulation (Young 2010, JEDC 34(1)) of a histogram over assets x employment.
3. Regress log K' on log K state by state; move the law part of the way; repeat until it stops moving.

Timing: `mass` in period t is over (assets chosen in t-1, employment in t); K_t is its mean of assets.
Layout: policy arrays are (productivity, capital, employment, assets), masses (employment, assets). `load_solution`
reads a file in the order (assets, employment, capital, productivity).

Source: Den Haan, Judd and Juillard (2010, JEDC 34(1), 1-3) for the calibration; Den Haan (2010, JEDC 34(1), 4-27
and 79-99) for the tests.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from reference_compile import compiled

# Goods: the marginal propensity to save at the kink is measured between the borrowing limit and this much above it.
KINK_WIDTH = 0.02
SAVED_SOLUTION = Path(__file__).with_name("krusell_smith_jedc.npz")

JOINT_TRANSITION = (
    (0.525, 0.35, 0.03125, 0.09375),
    (0.038889, 0.836111, 0.002083, 0.122917),
    (0.09375, 0.03125, 0.291667, 0.583333),
    (0.009115, 0.115885, 0.024306, 0.850694),
)


@dataclass(frozen=True)
class Parameters:
    """Calibration of the JEDC 2010 comparison suite; one period is a quarter.

    Rows and columns of `joint_transition`: (bad, unemployed), (bad, employed), (good, unemployed), (good, employed).
    """

    discount_factor: float = 0.99
    risk_aversion: float = 1.0
    capital_share: float = 0.36
    depreciation: float = 0.025
    time_endowment: float = 1 / 0.9
    unemployment_benefit: float = 0.15
    productivity: tuple = (0.99, 1.01)
    unemployment: tuple = (0.10, 0.04)
    joint_transition: tuple = JOINT_TRANSITION

    def labor(self):
        """Return effective labor L_z = lbar (1 - u_z), shape (productivity,)."""
        return self.time_endowment * (1 - np.array(self.unemployment))

    def earnings(self):
        """Return income per unit of the wage, shape (productivity, employment)."""
        tax = self.unemployment_benefit * np.array(self.unemployment) / self.labor()
        return np.stack([np.full(2, self.unemployment_benefit), (1 - tax) * self.time_endowment], axis=1)

    def joint(self):
        """Return P[z, e, z', e'], shape (2, 2, 2, 2)."""
        return np.array(self.joint_transition).reshape(2, 2, 2, 2)

    def productivity_transition(self):
        """Return P[z, z'], the sum of the joint chain over e' (the same for both e up to rounding), shape (2, 2)."""
        return self.joint()[:, 1].sum(axis=-1)

    def employment_transition(self):
        """Return P[z, z', e, e'] = P[z, e, z', e'] / P[z, e, z'], shape (2, 2, 2, 2)."""
        joint = np.moveaxis(self.joint(), 1, 2)
        return joint / joint.sum(axis=-1, keepdims=True)

    def prices(self, capital, productivity):
        """Return (gross return 1 + r, wage) at aggregate capital and productivity index (arrays broadcast)."""
        ratio = np.asarray(capital) / self.labor()[productivity]
        level = np.array(self.productivity)[productivity]
        gross_return = 1 - self.depreciation + self.capital_share * level * ratio ** (self.capital_share - 1)
        return gross_return, (1 - self.capital_share) * level * ratio**self.capital_share

    def packed(self):
        """Return the numbers the compiled loops read: scalars, (level, labor), earnings, joint chain."""
        scalars = np.array([self.discount_factor, self.risk_aversion, self.capital_share, self.depreciation])
        return scalars, np.stack([np.array(self.productivity), self.labor()]), self.earnings(), self.joint()


def parameters_1998():
    """Return Krusell and Smith's (1998) own calibration: no benefit, time endowment .3271, mean capital about 11.6."""
    return Parameters(time_endowment=0.3271, unemployment_benefit=0.0)


@dataclass(frozen=True)
class Solution:
    """Hold one classical solution.

    law: (productivity, 2) intercept and slope of log K' on log K.  r_squared: (productivity,).
    savings: (productivity, capital, employment, assets), goods; below the first asset node where the limit binds.
    average_mass: (productivity, employment, histogram): mean of the simulated mass over the periods spent in each
    state.
    """

    parameters: Parameters
    asset_grid: np.ndarray
    capital_grid: np.ndarray
    histogram_grid: np.ndarray
    savings: np.ndarray
    law: np.ndarray
    average_mass: np.ndarray
    r_squared: np.ndarray = field(default_factory=lambda: np.full(2, np.nan))
    iterations: int = 0

    def cash_on_hand(self):
        """Return (1 + r) a + y on the nodes, same shape as `savings`."""
        gross_return, wage = self.parameters.prices(self.capital_grid[None, :], np.arange(2)[:, None])
        income = wage[:, :, None] * self.parameters.earnings()[:, None, :]
        return gross_return[:, :, None, None] * self.asset_grid + income[..., None]

    def consumption(self):
        """Return consumption on the nodes, same shape as `savings`."""
        return self.cash_on_hand() - np.maximum(self.savings, self.asset_grid[0])


@dataclass(frozen=True)
class Simulation:
    """Hold one simulated path.

    shocks, capital, constrained_share: (time,).  The mass used at date `snapshot_dates[i]` is `snapshots[i]`,
    shape (employment, histogram).  average_mass: (productivity, employment, histogram).
    """

    shocks: np.ndarray
    capital: np.ndarray
    constrained_share: np.ndarray
    average_mass: np.ndarray
    snapshot_dates: np.ndarray
    snapshots: np.ndarray


# ---------------------------------------------------------------------------------------------------------------- loops


@compiled
def _prices(capital, level, labor, capital_share, depreciation):
    ratio = capital / labor
    gross_return = 1 - depreciation + capital_share * level * ratio ** (capital_share - 1)
    return gross_return, (1 - capital_share) * level * ratio**capital_share


@compiled
def _lagrange(capital_grid, capital, weights):
    """Fill the four weights of the local cubic on an evenly spaced grid; return the index of its first node."""
    step = capital_grid[1] - capital_grid[0]
    first = int(np.floor((capital - capital_grid[0]) / step)) - 1
    first = min(max(first, 0), len(capital_grid) - 4)
    for i in range(4):
        weights[i] = 1.0
        for j in range(4):
            if j != i:
                weights[i] *= (capital - capital_grid[first + j]) / (capital_grid[first + i] - capital_grid[first + j])
    return first


@compiled
def _bracket(grid, value):
    """Return i with grid[i] <= value < grid[i+1], kept inside the grid."""
    return min(max(np.searchsorted(grid, value, side="right") - 1, 0), len(grid) - 2)


@compiled
def _savings_at(savings, asset_grid, capital_grid, assets, employment, capital, productivity, weights):
    """Interpolate savings: cubic in capital, linear in assets, never below the first node (the borrowing limit)."""
    first = _lagrange(capital_grid, capital, weights)
    i = _bracket(asset_grid, assets)
    share = (assets - asset_grid[i]) / (asset_grid[i + 1] - asset_grid[i])
    total = 0.0
    for k in range(4):
        row = savings[productivity, first + k, employment]
        total += weights[k] * ((1 - share) * row[i] + share * row[i + 1])
    return max(total, asset_grid[0])


@compiled
def _euler_consumption(
    savings, asset_grid, capital_grid, scalars, firms, earnings, joint, next_assets, e, z, next_capital, weights
):
    """Return (beta E[(1 + r') u'(c')])^(-1/gamma) with the exact expectation over the four (z', e')."""
    expected = 0.0
    for zn in range(2):
        gross_return, wage = _prices(next_capital, firms[0, zn], firms[1, zn], scalars[2], scalars[3])
        for en in range(2):
            chosen = _savings_at(savings, asset_grid, capital_grid, next_assets, en, next_capital, zn, weights)
            consumption = gross_return * next_assets + earnings[zn, en] * wage - chosen
            expected += joint[z, e, zn, en] * gross_return * consumption ** (-scalars[1])
    return (scalars[0] * expected) ** (-1 / scalars[1])


@compiled
def _endogenous_grid_sweep(savings, updated, asset_grid, capital_grid, law, scalars, firms, earnings, joint):
    """Fill `updated` with one endogenous grid step from `savings`; return the largest change."""
    points = len(asset_grid)
    weights = np.empty(4)
    expected = np.empty((2, points))
    cash_nodes = np.empty(points)
    largest = 0.0
    for z in range(2):
        for k in range(len(capital_grid)):
            next_capital = np.exp(law[z, 0] + law[z, 1] * np.log(capital_grid[k]))
            first = _lagrange(capital_grid, next_capital, weights)
            for e in range(2):
                for a in range(points):
                    expected[e, a] = 0.0
            for zn in range(2):
                gross_return, wage = _prices(next_capital, firms[0, zn], firms[1, zn], scalars[2], scalars[3])
                for en in range(2):
                    for a in range(points):
                        chosen = 0.0
                        for j in range(4):
                            chosen += weights[j] * savings[zn, first + j, en, a]
                        consumption = (
                            gross_return * asset_grid[a] + earnings[zn, en] * wage - max(chosen, asset_grid[0])
                        )
                        marginal = 1 / consumption if scalars[1] == 1.0 else consumption ** (-scalars[1])
                        for e in range(2):
                            expected[e, a] += joint[z, e, zn, en] * gross_return * marginal
            gross_return, wage = _prices(capital_grid[k], firms[0, z], firms[1, z], scalars[2], scalars[3])
            for e in range(2):
                for a in range(points):
                    cash_nodes[a] = (scalars[0] * expected[e, a]) ** (-1 / scalars[1]) + asset_grid[a]
                near = np.searchsorted(asset_grid, asset_grid[0] + KINK_WIDTH)
                slope = (asset_grid[near] - asset_grid[0]) / (cash_nodes[near] - cash_nodes[0])
                i = 0
                for a in range(points):
                    cash = gross_return * asset_grid[a] + earnings[z, e] * wage
                    if cash <= cash_nodes[0]:
                        chosen = asset_grid[0] + slope * (cash - cash_nodes[0])
                    else:
                        while i < points - 2 and cash_nodes[i + 1] <= cash:
                            i += 1
                        share = (cash - cash_nodes[i]) / (cash_nodes[i + 1] - cash_nodes[i])
                        chosen = asset_grid[i] + share * (asset_grid[i + 1] - asset_grid[i])
                    largest = max(largest, abs(chosen - savings[z, k, e, a]))
                    updated[z, k, e, a] = chosen
    return largest


@compiled
def _solve_policies(savings, asset_grid, capital_grid, law, scalars, firms, earnings, joint, tolerance, limit):
    """Iterate the endogenous grid step until savings move by less than `tolerance`; return the last savings."""
    updated = np.empty_like(savings)
    largest = np.inf
    sweep = 0
    while largest > tolerance and sweep < limit:
        largest = _endogenous_grid_sweep(
            savings, updated, asset_grid, capital_grid, law, scalars, firms, earnings, joint
        )
        savings, updated = updated, savings
        sweep += 1
    if largest > tolerance:
        raise RuntimeError("the endogenous grid method did not converge")
    return savings


@compiled
def _simulate(savings, capital_grid, histogram, employment_transition, mass, shocks, skip, every, snapshots):
    """Move the histogram along `shocks`, in place; `savings` is (productivity, capital, employment, histogram)."""
    periods = len(shocks)
    points = len(histogram)
    capital = np.empty(periods)
    constrained = np.empty(periods)
    average = np.zeros((2, 2, points))
    count = np.zeros(2)
    weights = np.empty(4)
    moved = np.empty((2, points))
    taken = 0
    for t in range(periods):
        z = shocks[t]
        capital[t] = 0.0
        for e in range(2):
            for h in range(points):
                capital[t] += histogram[h] * mass[e, h]
        keep = every > 0 and t % every == 0 and taken < len(snapshots)
        count[z] += t >= skip
        for e in range(2):
            for h in range(points):
                moved[e, h] = 0.0
                if t >= skip:
                    average[z, e, h] += mass[e, h]
                if keep:
                    snapshots[taken, e, h] = mass[e, h]
        taken += keep
        first = _lagrange(capital_grid, capital[t], weights)
        constrained[t] = 0.0
        for e in range(2):
            i = 0
            for h in range(points):
                if mass[e, h] == 0.0:
                    continue
                chosen = 0.0
                for j in range(4):
                    chosen += weights[j] * savings[z, first + j, e, h]
                if chosen <= histogram[0] + 1e-9:
                    chosen = histogram[0]
                    constrained[t] += mass[e, h]
                chosen = min(chosen, histogram[points - 1])
                while i < points - 2 and histogram[i + 1] <= chosen:
                    i += 1
                while i > 0 and histogram[i] > chosen:
                    i -= 1
                share = (chosen - histogram[i]) / (histogram[i + 1] - histogram[i])
                moved[e, i] += (1 - share) * mass[e, h]
                moved[e, i + 1] += share * mass[e, h]
        if t + 1 < periods:
            step = employment_transition[z, shocks[t + 1]]
            for h in range(points):
                mass[0, h] = step[0, 0] * moved[0, h] + step[1, 0] * moved[1, h]
                mass[1, h] = step[0, 1] * moved[0, h] + step[1, 1] * moved[1, h]
    return capital, constrained, average, count


@compiled
def _dynamic_euler(
    savings,
    asset_grid,
    capital_grid,
    scalars,
    firms,
    earnings,
    joint,
    shocks,
    capital,
    expected_capital,
    employed,
    start,
):
    """Run two individuals side by side; return consumption and assets of both, shape (4, time)."""
    periods = len(shocks) - 1
    weights = np.empty(4)
    paths = np.empty((4, periods))
    assets, assets_implied = start, start
    for t in range(periods):
        z, e = shocks[t], employed[t]
        gross_return, wage = _prices(capital[t], firms[0, z], firms[1, z], scalars[2], scalars[3])
        income = earnings[z, e] * wage
        chosen = _savings_at(savings, asset_grid, capital_grid, assets, e, capital[t], z, weights)
        trial = _savings_at(savings, asset_grid, capital_grid, assets_implied, e, capital[t], z, weights)
        implied = _euler_consumption(
            savings,
            asset_grid,
            capital_grid,
            scalars,
            firms,
            earnings,
            joint,
            trial,
            e,
            z,
            expected_capital[t],
            weights,
        )
        cash_implied = gross_return * assets_implied + income
        implied = min(implied, cash_implied - asset_grid[0])
        paths[0, t] = gross_return * assets + income - chosen
        paths[1, t] = implied
        assets, assets_implied = chosen, cash_implied - implied
        paths[2, t] = assets
        paths[3, t] = assets_implied
    return paths


@compiled
def _one_step_errors(
    savings,
    asset_grid,
    capital_grid,
    scalars,
    firms,
    earnings,
    joint,
    points,
    mass,
    z,
    capital,
    expected_capital,
    floor,
):
    """Return weighted error, weight, largest error, constrained weight, total weight, weight of errors above 1e-4."""
    weights = np.empty(4)
    result = np.zeros(6)
    gross_return, wage = _prices(capital, firms[0, z], firms[1, z], scalars[2], scalars[3])
    for e in range(2):
        for h in range(len(points)):
            if mass[e, h] <= floor:
                continue
            result[4] += mass[e, h]
            cash = gross_return * points[h] + earnings[z, e] * wage
            chosen = _savings_at(savings, asset_grid, capital_grid, points[h], e, capital, z, weights)
            if chosen <= asset_grid[0] + 1e-9:
                result[3] += mass[e, h]
                continue
            implied = _euler_consumption(
                savings,
                asset_grid,
                capital_grid,
                scalars,
                firms,
                earnings,
                joint,
                chosen,
                e,
                z,
                expected_capital,
                weights,
            )
            error = abs((cash - chosen) / min(implied, cash - asset_grid[0]) - 1)
            result[0] += mass[e, h] * error
            result[1] += mass[e, h]
            result[2] = max(result[2], error)
            if error > 1e-4:
                result[5] += mass[e, h]
    return result


@compiled
def _savings_at_many(savings, asset_grid, capital_grid, assets, employment, capital, productivity):
    weights = np.empty(4)
    result = np.empty(len(assets))
    for i in range(len(assets)):
        result[i] = _savings_at(
            savings, asset_grid, capital_grid, assets[i], employment[i], capital[i], productivity[i], weights
        )
    return result


# --------------------------------------------------------------------------------------------------- functions


def power_grid(upper, points, power):
    """Return `upper` (i / (points-1))^power: nodes on [0, upper], denser near zero for power > 1."""
    return upper * np.linspace(0, 1, points) ** power


def productivity_path(periods, seed, parameters=None, start=0):
    """Draw productivity indices (0 bad, 1 good) from the marginal chain of z, shape (periods,)."""
    transition = (parameters or Parameters()).productivity_transition()
    uniform = np.random.default_rng(seed).random(periods)
    path = np.empty(periods, dtype=np.int64)
    path[0] = start
    for t in range(1, periods):
        path[t] = int(uniform[t] < transition[path[t - 1], 1])
    return path


def employment_path(shocks, seed, parameters=None, start=1):
    """Draw one individual's employment (0 unemployed, 1 employed) given the productivity path, shape (time,)."""
    transition = (parameters or Parameters()).employment_transition()
    uniform = np.random.default_rng(seed).random(len(shocks))
    path = np.empty(len(shocks), dtype=np.int64)
    path[0] = start
    for t in range(1, len(shocks)):
        path[t] = int(uniform[t] < transition[shocks[t - 1], shocks[t], path[t - 1], 1])
    return path


def fit_law(shocks, capital):
    """Regress log K_{t+1} on log K_t for each z_t by least squares; return (law (2, 2), r_squared (2,))."""
    log_capital = np.log(capital)
    law, r_squared = np.empty((2, 2)), np.empty(2)
    for z in range(2):
        dates = np.flatnonzero(shocks[:-1] == z)
        regressors = np.stack([np.ones(len(dates)), log_capital[dates]], axis=1)
        target = log_capital[dates + 1]
        law[z] = np.linalg.lstsq(regressors, target, rcond=None)[0]
        residual = target - regressors @ law[z]
        r_squared[z] = 1 - residual @ residual / ((target - target.mean()) @ (target - target.mean()))
    return law, r_squared


def concentrated_mass(histogram_grid, assets, unemployment):
    """Put everybody at the same assets: a starting mass for the first simulation, (employment, histogram)."""
    mass = np.zeros((2, len(histogram_grid)))
    i = np.searchsorted(histogram_grid, assets) - 1
    share = (assets - histogram_grid[i]) / (histogram_grid[i + 1] - histogram_grid[i])
    for e, size in enumerate((unemployment, 1 - unemployment)):
        mass[e, i], mass[e, i + 1] = size * (1 - share), size * share
    return mass


def simulate(solution, shocks, *, initial_mass=None, skip=0, snapshot_every=0):
    """Simulate the histogram along an arbitrary productivity path.

    shocks: (time,) of 0 (bad) and 1 (good).  initial_mass: (employment, histogram) over `solution.histogram_grid`,
    with the unemployment of shocks[0]; by default the average mass of the state shocks[0].  The first `skip` periods
    are left out of `average_mass` only.  Savings above the last histogram node are put on it; the mass there says how
    few. To start from another grid's mass: `simulate(dataclasses.replace(solution, histogram_grid=grid), shocks,
    initial_mass=...)`.
    Return a Simulation; capital[t] is predetermined in t.  Raises ValueError for other shock values.
    """
    shocks = np.ascontiguousarray(shocks, dtype=np.int64)
    if not np.isin(shocks, (0, 1)).all():
        raise ValueError("shocks must be indices 0 (bad) or 1 (good), not productivity levels")
    mass = np.ascontiguousarray(solution.average_mass[shocks[0]] if initial_mass is None else initial_mass, dtype=float)
    histogram = solution.histogram_grid
    savings = _on_histogram(solution.savings, solution.asset_grid, histogram)
    dates = np.arange(0, len(shocks), snapshot_every) if snapshot_every else np.arange(0)
    snapshots = np.zeros((len(dates), 2, len(histogram)))
    transition = solution.parameters.employment_transition()
    capital, constrained, total, count = _simulate(
        savings, solution.capital_grid, histogram, transition, mass.copy(), shocks, skip, snapshot_every, snapshots
    )
    average = total / np.maximum(count, 1)[:, None, None]
    return Simulation(shocks, capital, constrained, average, dates, snapshots)


def _on_histogram(savings, asset_grid, histogram):
    """Interpolate savings linearly from the asset nodes to the histogram nodes."""
    rows = savings.reshape(-1, len(asset_grid))
    on_nodes = np.stack([np.interp(histogram, asset_grid, row) for row in rows])
    return on_nodes.reshape(*savings.shape[:-1], len(histogram))


def capital_path(solution, shocks, *, initial_mass=None):
    """Return the capital path of the classical solution along any path of 0/1 productivity indices, (time,)."""
    return simulate(solution, shocks, initial_mass=initial_mass).capital


def savings_at(solution, assets, employment, capital, productivity):
    """Return savings at arbitrary states; arguments broadcast, employment and productivity are indices 0/1."""
    assets, employment, capital, productivity = np.broadcast_arrays(assets, employment, capital, productivity)
    flat = _savings_at_many(
        solution.savings,
        solution.asset_grid,
        solution.capital_grid,
        assets.astype(float).ravel(),
        employment.astype(np.int64).ravel(),
        capital.astype(float).ravel(),
        productivity.astype(np.int64).ravel(),
    )
    return flat.reshape(assets.shape)


def consumption_at(solution, assets, employment, capital, productivity):
    """Return consumption at arbitrary states: exact cash on hand minus interpolated savings; arguments broadcast."""
    gross_return, wage = solution.parameters.prices(capital, productivity)
    cash = gross_return * assets + wage * solution.parameters.earnings()[productivity, employment]
    return cash - savings_at(solution, assets, employment, capital, productivity)


def _next_law(tried, gaps, damping):
    """Return the damped step, corrected by the steps already tried (Anderson 1965, "Iterative procedures").

    With D_x, D_g the differences of past laws and of past gaps g = fitted - law: w = argmin |g - D_g w|,
    law_next = law + damping g - (D_x + damping D_g) w. The first two steps are damped only.
    """
    if len(tried) < 3:
        return tried[-1] + damping * gaps[-1]
    law_steps, gap_steps = np.diff(np.stack(tried), axis=0).T, np.diff(np.stack(gaps), axis=0).T
    weights = np.linalg.lstsq(gap_steps, gaps[-1], rcond=1e-8)[0]
    return tried[-1] + damping * gaps[-1] - (law_steps + damping * gap_steps) @ weights


def solve_krusell_smith(
    parameters=None,
    *,
    asset_points=600,
    capital_points=15,
    histogram_points=1001,
    maximum_assets=250.0,
    capital_bounds=(30.0, 50.0),
    law=((0.125, 0.965), (0.137, 0.963)),
    periods=11_000,
    burn_in=1_000,
    seed=2010,
    damping=0.5,
    tolerance=1e-6,
    maximum_iterations=200,
):
    """Solve the economy; return a Solution.

    The law moves `damping` of the way to the regression (then accelerated, `_next_law`) and has converged when its
    coefficients move by less than `tolerance`; savings have converged when they move by less than a hundredth of that.
    The simulation uses one fixed path of `periods` shocks from `seed`; the first `burn_in` are left out of the
    regression.
    Raises RuntimeError when `maximum_iterations` do not suffice.
    """
    parameters = parameters or Parameters()
    asset_grid = power_grid(maximum_assets, asset_points, 4.0)
    capital_grid = np.linspace(*capital_bounds, capital_points)
    histogram_grid = power_grid(maximum_assets, histogram_points, 2.0)
    packed = parameters.packed()
    law = np.array(law, dtype=float)
    savings = np.empty((2, capital_points, 2, asset_points))
    savings[:] = 0.9 * asset_grid
    shocks = productivity_path(periods, seed, parameters)
    start = concentrated_mass(histogram_grid, np.mean(capital_bounds), parameters.unemployment[shocks[0]])
    average = np.stack([start, start])
    change, tried, gaps = 1.0, [], []
    for iteration in range(1, maximum_iterations + 1):
        inner = max(1e-2 * tolerance, min(1e-5, 1e-2 * change))
        savings = _solve_policies(savings, asset_grid, capital_grid, law, *packed, inner, 20_000)
        solution = Solution(parameters, asset_grid, capital_grid, histogram_grid, savings, law, average)
        path = simulate(solution, shocks, skip=burn_in)
        average = path.average_mass
        fitted, r_squared = fit_law(shocks[burn_in:], path.capital[burn_in:])
        change = np.abs(fitted - law).max()
        if change < tolerance:
            return Solution(
                parameters, asset_grid, capital_grid, histogram_grid, savings, fitted, average, r_squared, iteration
            )
        tried.append(law.ravel())
        gaps.append((fitted - law).ravel())
        law = _next_law(tried[-6:], gaps[-6:], damping).reshape(2, 2)
    raise RuntimeError(f"the law of motion still moves by {change:.1e} after {maximum_iterations} iterations")


# ---------------------------------------------------------------------------------------------------- accuracy


def den_haan_errors(law, shocks, capital):
    """Iterate the law on its own output from capital[0] along `shocks`; compare with `capital`.

    Return (mean, maximum, forecast) of |K - K_hat| / K in percent. Use shocks the law was not fitted on.
    Source: Den Haan (2010), "Assessing the accuracy of the aggregate law of motion", JEDC 34(1), 79-99.
    """
    forecast = np.empty(len(capital))
    forecast[0] = capital[0]
    for t in range(len(capital) - 1):
        forecast[t + 1] = np.exp(law[shocks[t], 0] + law[shocks[t], 1] * np.log(forecast[t]))
    error = 100 * np.abs(capital - forecast) / capital
    return error.mean(), error.max(), forecast


def _expected_capital(solution, simulation, belief):
    """Return K_{t+1} as the household expects it, (time - 1,): what happens, or what the law says."""
    if belief == "simulated":
        return simulation.capital[1:]
    if belief == "law":
        chosen = solution.law[simulation.shocks[:-1]]
        return np.exp(chosen[:, 0] + chosen[:, 1] * np.log(simulation.capital[:-1]))
    raise ValueError(f"belief must be 'simulated' or 'law', not {belief!r}")


def dynamic_euler_errors(solution, simulation, *, individuals=1, seed=0, start=None, belief="simulated"):
    """Compare an individual who follows the policy with one whose consumption is the conditional expectation, fed back.

    The second one, with assets b_t, consumes min((beta E[(1 + r') u'(c')])^(-1/gamma), cash), where c' follows the
    policy from savings a'(b_t), and carries cash - consumption into t+1. K_{t+1} in the expectation is the simulated
    one (belief="simulated") or the law's (belief="law"). `start` assets: by default the initial capital.
    Return a dict of percent errors: mean and maximum for consumption, and for assets scaled by mean assets.
    Source: Den Haan (2010), "Comparison of solutions to the incomplete markets model", JEDC 34(1), 4-27.
    """
    packed = solution.parameters.packed()
    expected_capital = _expected_capital(solution, simulation, belief)
    consumption_errors, asset_errors = [], []
    for individual in range(individuals):
        employed = employment_path(simulation.shocks, (seed, individual), solution.parameters)
        paths = _dynamic_euler(
            solution.savings,
            solution.asset_grid,
            solution.capital_grid,
            *packed,
            simulation.shocks,
            simulation.capital,
            expected_capital,
            employed,
            float(simulation.capital[0] if start is None else start),
        )
        consumption_errors.append(100 * np.abs(paths[0] / paths[1] - 1))
        asset_errors.append(100 * np.abs(paths[2] - paths[3]) / paths[2].mean())
    consumption_errors, asset_errors = np.stack(consumption_errors), np.stack(asset_errors)
    return {
        "consumption_mean_percent": consumption_errors.mean(),
        "consumption_maximum_percent": consumption_errors.max(),
        "assets_mean_percent": asset_errors.mean(),
        "assets_maximum_percent": asset_errors.max(),
    }


def one_step_euler_errors(solution, simulation, *, mass_floor=1e-6, belief="simulated"):
    """Return Euler errors in consumption, percent, weighted by mass, at the simulated dates with a snapshot.

    Evaluated at the midpoints of the histogram's cells (off the nodes of the policy), with the exact expectation over
    the four (z', e'). A midpoint weighs the mean mass of its two ends; those below `mass_floor` are left out, and so
    are those where the borrowing limit binds, whose share of the mass is reported.
    The largest errors sit in the one cell where tomorrow's constraint starts to bind: `share_above_hundredth_percent`
    is the share of the mass with an error above .01 percent.
    Return a dict: mean_percent, maximum_percent, share_above_hundredth_percent, constrained_share, covered_mass.
    """
    packed = solution.parameters.packed()
    expected_capital = _expected_capital(solution, simulation, belief)
    midpoints = 0.5 * (solution.histogram_grid[1:] + solution.histogram_grid[:-1])
    total, largest, dates = np.zeros(6), 0.0, 0
    for t, mass in zip(simulation.snapshot_dates, simulation.snapshots, strict=True):
        if t + 1 >= len(simulation.capital):
            continue
        result = _one_step_errors(
            solution.savings,
            solution.asset_grid,
            solution.capital_grid,
            *packed,
            midpoints,
            0.5 * (mass[:, 1:] + mass[:, :-1]),
            simulation.shocks[t],
            simulation.capital[t],
            expected_capital[t],
            mass_floor,
        )
        total += result
        largest = max(largest, result[2])
        dates += 1
    return {
        "mean_percent": 100 * total[0] / total[1],
        "maximum_percent": 100 * largest,
        "share_above_hundredth_percent": total[5] / total[1],
        "constrained_share": total[3] / total[4],
        "covered_mass": total[4] / dates,
    }


# -------------------------------------------------------------------------------------------------------- files


def save_solution(solution, path=SAVED_SOLUTION):
    """Write the solution; `consumption` and desired `savings` are (assets, employment, capital, productivity)."""
    np.savez_compressed(
        path,
        asset_grid=solution.asset_grid,
        capital_grid=solution.capital_grid,
        histogram_grid=solution.histogram_grid,
        consumption=solution.consumption().transpose(3, 2, 1, 0),
        savings=solution.savings.transpose(3, 2, 1, 0),
        law=solution.law,
        r_squared=solution.r_squared,
        average_mass=solution.average_mass,
        iterations=solution.iterations,
    )


def load_solution(path=SAVED_SOLUTION, parameters=None):
    """Read a saved solution (JEDC calibration unless `parameters` says otherwise): no solve is needed."""
    with np.load(path) as stored:
        return Solution(
            parameters or Parameters(),
            stored["asset_grid"],
            stored["capital_grid"],
            stored["histogram_grid"],
            np.ascontiguousarray(stored["savings"].transpose(3, 2, 1, 0)),
            stored["law"],
            stored["average_mass"],
            stored["r_squared"],
            int(stored["iterations"]),
        )
