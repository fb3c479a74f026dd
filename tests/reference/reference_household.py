"""Solve small household problems by brute force: loops over nodes, nothing vectorized, nothing shared with the library.

Household, at assets a on `grid` and income state y, facing a deterministic path of cash on hand:

    max E sum_{t<T} beta^t u(c_t) + beta^T V_T(a_T, y_T),   c_t + a_{t+1} = cash_t(a_t, y_t),   grid[0] <= a_{t+1} <=
    grid[-1]

Shapes: grid (assets,), cash (time, assets, income), transition (income, income) or (time, income, income) with rows
y_t and columns y_{t+1}; `transition[t]` is used between t and t+1. Tables of savings and values are (time, assets,
income) or, without aggregate time, (assets, income); so are masses. Savings may lie between nodes: the lottery (Young
2010) then moves the household to the two neighbors with the probabilities that keep the mean, and the value is linear
between nodes. The two are the same statement, so forward and backward calculations agree to rounding.
"""

from typing import NamedTuple

import numpy as np
from reference_compile import compiled

# ----------------------------------------------------------------------------------------------------- formulas


@compiled
def utility(consumption, risk_aversion):
    """Return c^(1-gamma) / (1-gamma), log c at gamma = 1, minus infinity at or below zero consumption."""
    if consumption <= 0:
        return -np.inf
    if risk_aversion == 1.0:
        return np.log(consumption)
    return consumption ** (1 - risk_aversion) / (1 - risk_aversion)


@compiled
def marginal_utility(consumption, risk_aversion):
    """Return c^(-gamma)."""
    return consumption ** (-risk_aversion)


def cash_on_hand(grid, interest_rate, income):
    """Return (1 + r_t) a + income_t(y); interest_rate (time,), income (time, income) -> (time, assets, income)."""
    interest_rate, income = np.asarray(interest_rate, dtype=float), np.asarray(income, dtype=float)
    return (1 + interest_rate)[:, None, None] * np.asarray(grid, dtype=float)[None, :, None] + income[:, None, :]


def transition_path(transition, periods):
    """Repeat one income chain over time; leave a path of chains as it is. Return (time, income, income)."""
    transition = np.asarray(transition, dtype=float)
    if transition.ndim == 2:
        transition = np.repeat(transition[None], periods, axis=0)
    return np.ascontiguousarray(transition)


@compiled
def lottery(grid, savings):
    """Return (i, share): savings = (1 - share) grid[i] + share grid[i+1]. Raises ValueError outside the grid."""
    if savings < grid[0] - 1e-12 or savings > grid[-1] + 1e-12:
        raise ValueError("savings lie outside the asset grid")
    i = 0
    while i < len(grid) - 2 and grid[i + 1] <= savings:
        i += 1
    share = (savings - grid[i]) / (grid[i + 1] - grid[i])
    return i, min(max(share, 0.0), 1.0)


def consumption_equivalent(gain, discount_factor, risk_aversion, value=None):
    """Return the permanent fraction of consumption worth `gain` in lifetime utility over an infinite horizon.

    Log utility: exp((1 - beta) gain) - 1. Otherwise ((V + gain) / V)^(1/(1-gamma)) - 1 with V = `value` < 0 or > 0 as
    u is.
    Source: Lucas (1987), "Models of Business Cycles", chapter 3.
    """
    if risk_aversion == 1.0:
        return np.exp((1 - discount_factor) * gain) - 1
    return ((value + gain) / value) ** (1 / (1 - risk_aversion)) - 1


# ----------------------------------------------------------------------------------------------------- best responses


@compiled
def _best_choice(grid, cash, continuation, discount_factor, risk_aversion, nodes_only):
    """Maximize u(cash - a') + beta continuation(a') exactly; return (value, a').

    Between two nodes the continuation is a straight line of slope b, so the interior optimum solves u'(cash - a') =
    beta b. Every interval is tried: no concavity is assumed.
    """
    best, chosen = -np.inf, grid[0]
    for i in range(len(grid)):
        if grid[i] < cash:
            value = utility(cash - grid[i], risk_aversion) + discount_factor * continuation[i]
            if value > best:
                best, chosen = value, grid[i]
    if nodes_only:
        return best, chosen
    for i in range(len(grid) - 1):
        if grid[i] >= cash:
            break
        slope = (continuation[i + 1] - continuation[i]) / (grid[i + 1] - grid[i])
        if not (np.isfinite(slope) and slope > 0):
            continue
        interior = cash - (discount_factor * slope) ** (-1 / risk_aversion)
        if grid[i] < interior < grid[i + 1]:
            value = utility(cash - interior, risk_aversion)
            value += discount_factor * (continuation[i] + slope * (interior - grid[i]))
            if value > best:
                best, chosen = value, interior
    return best, chosen


@compiled
def _backward_induction(grid, cash, transition, discount_factor, risk_aversion, terminal_value, nodes_only):
    periods, assets, incomes = cash.shape
    value = np.empty((periods + 1, assets, incomes))
    savings = np.empty((periods, assets, incomes))
    for y in range(incomes):
        for a in range(assets):
            value[periods, a, y] = terminal_value[a, y]
    continuation = np.empty(assets)
    for t in range(periods - 1, -1, -1):
        for y in range(incomes):
            for a in range(assets):
                continuation[a] = 0.0
                for y_next in range(incomes):
                    if transition[t, y, y_next] > 0:
                        continuation[a] += transition[t, y, y_next] * value[t + 1, a, y_next]
            for a in range(assets):
                value[t, a, y], savings[t, a, y] = _best_choice(
                    grid, cash[t, a, y], continuation, discount_factor, risk_aversion, nodes_only
                )
    return value, savings


def backward_induction(
    grid, cash, transition, discount_factor, risk_aversion, terminal_value, *, action_set="continuous"
):
    """Return (value (time + 1, assets, income), savings (time, assets, income)) of the best plan along a known path.

    `action_set` is "continuous" (any savings on the grid's range, linear value between nodes) or "nodes" (only grid
    nodes).
    Raises ValueError where no positive consumption is feasible.
    """
    if action_set not in ("continuous", "nodes"):
        raise ValueError(f"action_set must be 'continuous' or 'nodes', not {action_set!r}")
    grid, cash = np.asarray(grid, dtype=float), np.ascontiguousarray(cash, dtype=float)
    if cash.min() <= grid[0]:
        raise ValueError("cash on hand does not cover the borrowing limit: no positive consumption is feasible")
    chains = transition_path(transition, len(cash))
    terminal = np.ascontiguousarray(terminal_value, dtype=float)
    return _backward_induction(
        grid, cash, chains, discount_factor, float(risk_aversion), terminal, action_set == "nodes"
    )


def backward_induction_search(grid, cash, transition, discount_factor, reward, terminal_value, *, search_points=401):
    """Return (value, savings) as `backward_induction` does, for any reward(consumption), by search.

    No first-order conditions. Savings are tried on `search_points` evenly spaced values of the feasible range, and
    then by golden section between the neighbors of the best one; the value is linear between nodes. Slow on purpose:
    plain Python.
    """
    grid, cash = np.asarray(grid, dtype=float), np.asarray(cash, dtype=float)
    periods, assets, incomes = cash.shape
    chains = transition_path(transition, periods)
    value, savings = np.empty((periods + 1, assets, incomes)), np.empty((periods, assets, incomes))
    value[periods] = terminal_value
    golden = (np.sqrt(5) - 1) / 2
    for t in reversed(range(periods)):
        for y in range(incomes):
            continuation = value[t + 1] @ chains[t, y]
            for a in range(assets):

                def objective(choice, available=cash[t, a, y], continuation=continuation):
                    return reward(available - choice) + discount_factor * np.interp(choice, grid, continuation)

                tried = np.linspace(grid[0], min(grid[-1], cash[t, a, y] - 1e-9), search_points)
                results = [objective(choice) for choice in tried]
                top = int(np.argmax(results))
                low, high = tried[max(top - 1, 0)], tried[min(top + 1, search_points - 1)]
                while high - low > 1e-12:
                    left, right = high - golden * (high - low), low + golden * (high - low)
                    if objective(left) >= objective(right):
                        high = right
                    else:
                        low = left
                candidates = [(results[top], tried[top])]
                candidates += [(objective(choice), choice) for choice in (low, 0.5 * (low + high), high)]
                value[t, a, y], savings[t, a, y] = max(candidates)
    return value, savings


def value_function_iteration(
    grid, cash, transition, discount_factor, risk_aversion, *, action_set="continuous", tolerance=1e-11, limit=100_000
):
    """Return (value, savings), each (assets, income), of the stationary problem with cash (assets, income).

    Stops when the value moves by less than `tolerance` (the distance to the fixed point is at most tolerance / (1 -
    beta)).
    Raises RuntimeError after `limit` iterations.
    """
    value = np.zeros(np.shape(cash))
    for _ in range(limit):
        updated, savings = backward_induction(
            grid, np.asarray(cash)[None], transition, discount_factor, risk_aversion, value, action_set=action_set
        )
        change = np.abs(updated[0] - value).max()
        value = updated[0]
        if change < tolerance:
            return value, savings[0]
    raise RuntimeError(f"the value still moves by {change:.1e} after {limit} iterations")


class BestResponse(NamedTuple):
    """Hold a clairvoyant best response: values weighted by the initial mass, the gain, and the tables."""

    best_value: float
    policy_value: float
    gain: float
    value: np.ndarray
    savings: np.ndarray


def clairvoyant_best_response(
    grid,
    cash,
    transition,
    discount_factor,
    risk_aversion,
    policy_savings,
    initial_mass,
    terminal_value,
    *,
    action_set="continuous",
):
    """Return what one household gains by knowing the whole path, over `policy_savings` (time, assets, income).

    gain = <mass_0, V_best> - <mass_0, V_policy> >= 0 along this one path; average over paths for the published
    definition (MFAX), with action_set="nodes" for its discrete action grid. An upper bound: it includes the gain from
    foresight.
    """
    value, savings = backward_induction(
        grid, cash, transition, discount_factor, risk_aversion, terminal_value, action_set=action_set
    )
    own = policy_value_backward(grid, cash, transition, discount_factor, risk_aversion, policy_savings, terminal_value)
    best, followed = float((initial_mass * value[0]).sum()), float((initial_mass * own[0]).sum())
    return BestResponse(best, followed, best - followed, value, savings)


def discrete_best_response(rewards, transitions, discount_factor, terminal_value):
    """Return (value (time + 1, states), action (time, states)) of a finite game along a known path.

    rewards: (time, states, actions).  transitions: (states, actions, states) or (time, states, actions, states).
    """
    rewards, transitions = np.asarray(rewards, dtype=float), np.asarray(transitions, dtype=float)
    periods, states, actions = rewards.shape
    value, action = np.empty((periods + 1, states)), np.empty((periods, states), dtype=int)
    value[periods] = terminal_value
    for t in reversed(range(periods)):
        step = transitions if transitions.ndim == 3 else transitions[t]
        for s in range(states):
            results = [rewards[t, s, x] + discount_factor * float(step[s, x] @ value[t + 1]) for x in range(actions)]
            action[t, s] = int(np.argmax(results))
            value[t, s] = results[action[t, s]]
    return value, action


# --------------------------------------------------------------------------------------- endogenous grid method


@compiled
def _endogenous_grid_step(
    grid,
    interest_rate,
    income,
    interest_next,
    income_next,
    chain,
    discount_factor,
    risk_aversion,
    next_savings,
    savings,
):
    """Fill `savings` today from `next_savings`; return the largest difference between the two."""
    assets, incomes = savings.shape
    cash_nodes = np.empty(assets)
    largest = 0.0
    for y in range(incomes):
        for a in range(assets):
            expected = 0.0
            for y_next in range(incomes):
                consumption = (1 + interest_next) * grid[a] + income_next[y_next] - next_savings[a, y_next]
                expected += chain[y, y_next] * marginal_utility(consumption, risk_aversion)
            consumption = (discount_factor * (1 + interest_next) * expected) ** (-1 / risk_aversion)
            cash_nodes[a] = consumption + grid[a]
        for a in range(assets):
            cash = (1 + interest_rate) * grid[a] + income[y]
            if cash <= cash_nodes[0]:
                chosen = grid[0]
            else:
                i = 0
                while i < assets - 2 and cash_nodes[i + 1] <= cash:
                    i += 1
                share = (cash - cash_nodes[i]) / (cash_nodes[i + 1] - cash_nodes[i])
                chosen = grid[i] + share * (grid[i + 1] - grid[i])
            largest = max(largest, abs(chosen - next_savings[a, y]))
            savings[a, y] = chosen
    return largest


@compiled
def _stationary_savings(grid, interest_rate, income, chain, discount_factor, risk_aversion, tolerance, limit):
    savings = np.empty((len(grid), len(income)))
    for y in range(len(income)):
        for a in range(len(grid)):
            savings[a, y] = max(grid[0], min(grid[a], (1 + interest_rate) * grid[a] + 0.5 * income[y]))
    updated = np.empty_like(savings)
    change = np.inf
    for _ in range(limit):
        change = _endogenous_grid_step(
            grid, interest_rate, income, interest_rate, income, chain, discount_factor, risk_aversion, savings, updated
        )
        savings, updated = updated, savings
        if change < tolerance:
            break
    return savings, change


def stationary_savings(
    grid, interest_rate, income, transition, discount_factor, risk_aversion, *, tolerance=1e-13, limit=100_000
):
    """Return savings (assets, income) at constant prices by the endogenous grid method (Carroll 2006).

    Savings are linear in cash on hand between the endogenous nodes, equal grid[0] below the first and continue the
    last segment above the last (savings may then exceed grid[-1]: choose the grid so that they do not).
    Raises RuntimeError when savings still move by more than `tolerance`.
    """
    grid, income = np.asarray(grid, dtype=float), np.asarray(income, dtype=float)
    chain = np.ascontiguousarray(transition, dtype=float)
    savings, change = _stationary_savings(
        grid, float(interest_rate), income, chain, discount_factor, float(risk_aversion), tolerance, limit
    )
    if not change < tolerance:
        raise RuntimeError(f"savings still move by {change:.1e} after {limit} iterations")
    return savings


def savings_path(grid, interest_rate, income, transition, discount_factor, risk_aversion, last_savings):
    """Return savings (time, assets, income) along known prices by the endogenous grid method, going backward.

    interest_rate: (time,).  income: (time, income).  last_savings: the table used in the last period, for instance the
    stationary one, or grid[0] everywhere if life ends.
    """
    grid = np.asarray(grid, dtype=float)
    interest_rate, income = np.asarray(interest_rate, dtype=float), np.ascontiguousarray(income, dtype=float)
    periods = len(interest_rate)
    chains = transition_path(transition, periods)
    savings = np.empty((periods, len(grid), income.shape[1]))
    savings[-1] = last_savings
    for t in reversed(range(periods - 1)):
        _endogenous_grid_step(
            grid,
            interest_rate[t],
            income[t],
            interest_rate[t + 1],
            income[t + 1],
            chains[t],
            discount_factor,
            float(risk_aversion),
            savings[t + 1],
            savings[t],
        )
    return savings


# --------------------------------------------------------------------------------------------------------- mass


@compiled
def _push_forward(mass, savings, grid, chain):
    moved = np.zeros(mass.shape)
    for a in range(mass.shape[0]):
        for y in range(mass.shape[1]):
            i, share = lottery(grid, savings[a, y])
            for y_next in range(mass.shape[1]):
                moved[i, y_next] += mass[a, y] * (1 - share) * chain[y, y_next]
                moved[i + 1, y_next] += mass[a, y] * share * chain[y, y_next]
    return moved


def push_forward(mass, savings, grid, transition):
    """Move the mass (assets, income) one period ahead: lottery over assets, then the income chain. Same shape."""
    arguments = (np.ascontiguousarray(array, dtype=float) for array in (mass, savings, grid, transition))
    return _push_forward(*arguments)


def expect(values, savings, grid, transition):
    """Return E[values(a', y') | a, y], (assets, income): the adjoint of `push_forward`, written separately."""
    values, savings, transition = np.asarray(values), np.asarray(savings), np.asarray(transition)
    result = np.zeros(values.shape)
    for a in range(values.shape[0]):
        for y in range(values.shape[1]):
            i, share = lottery(np.asarray(grid, dtype=float), float(savings[a, y]))
            for y_next in range(values.shape[1]):
                between = (1 - share) * values[i, y_next] + share * values[i + 1, y_next]
                result[a, y] += transition[y, y_next] * between
    return result


def transition_matrix(savings, grid, transition):
    """Return the dense chain over (assets, income) in C order: rows today, columns tomorrow, (assets income, same)."""
    shape = np.shape(savings)
    matrix = np.empty((shape[0] * shape[1],) * 2)
    for state in range(len(matrix)):
        mass = np.zeros(len(matrix))
        mass[state] = 1.0
        matrix[state] = push_forward(mass.reshape(shape), savings, grid, transition).ravel()
    return matrix


def stationary_mass(savings, grid, transition, *, method="eigenvector"):
    """Return the stationary mass (assets, income) of a savings table.

    "eigenvector": the left eigenvector of the dense chain at its eigenvalue one. "solve": the same from (I - P')m = 0
    with one row replaced by sum(m) = 1, much faster. Raises ValueError when the eigenvalue one is not simple.
    """
    matrix = transition_matrix(savings, grid, transition)
    if method == "solve":
        system = np.eye(len(matrix)) - matrix.T
        system[0] = 1.0
        return np.linalg.solve(system, np.eye(len(matrix))[0]).reshape(np.shape(savings))
    if method != "eigenvector":
        raise ValueError(f"method must be 'eigenvector' or 'solve', not {method!r}")
    eigenvalues, eigenvectors = np.linalg.eig(matrix.T)
    distance = np.sort(np.abs(eigenvalues - 1))
    if len(distance) > 1 and distance[1] < 1e-9:
        raise ValueError("the chain has more than one stationary mass")
    mass = np.real(eigenvectors[:, np.argmin(np.abs(eigenvalues - 1))])
    return (mass / mass.sum()).reshape(np.shape(savings))


def mass_path(initial_mass, savings, grid, transition):
    """Return masses (time + 1, assets, income) along a path of savings tables (time, assets, income)."""
    chains = transition_path(transition, len(savings))
    masses = [np.asarray(initial_mass, dtype=float)]
    for t in range(len(savings)):
        masses.append(push_forward(masses[-1], savings[t], grid, chains[t]))
    return np.stack(masses)


# --------------------------------------------------------------------------------------- value of a given policy


def policy_value_forward(grid, cash, transition, discount_factor, risk_aversion, savings, initial_mass, terminal_value):
    """Return J = sum_{t<T} beta^t <m_t, u(cash_t - savings_t)> + beta^T <m_T, V_T> by pushing the mass forward."""
    masses = mass_path(initial_mass, savings, grid, transition)
    total = 0.0
    for t in range(len(savings)):
        for a in range(len(grid)):
            for y in range(masses.shape[2]):
                if masses[t, a, y] > 0:
                    flow = utility(cash[t, a, y] - savings[t, a, y], float(risk_aversion))
                    total += discount_factor**t * masses[t, a, y] * flow
    return total + discount_factor ** len(savings) * float((masses[-1] * terminal_value).sum())


def policy_value_backward(grid, cash, transition, discount_factor, risk_aversion, savings, terminal_value):
    """Return values (time + 1, assets, income) of a given savings table by backward recursion; J = <m_0, V_0>."""
    periods, assets, incomes = np.shape(savings)
    chains = transition_path(transition, periods)
    value = np.empty((periods + 1, assets, incomes))
    value[periods] = terminal_value
    for t in reversed(range(periods)):
        continuation = expect(value[t + 1], savings[t], grid, chains[t])
        for a in range(assets):
            for y in range(incomes):
                flow = utility(cash[t, a, y] - savings[t, a, y], float(risk_aversion))
                value[t, a, y] = flow + discount_factor * continuation[a, y]
    return value


def price_taking_gradient(
    grid, cash, transition, discount_factor, risk_aversion, savings, initial_mass, terminal_value
):
    """Return dJ / d savings_t(a, y), (time, assets, income), at given prices: the structural gradient in closed form.

    dJ/dx_t(a, y) = beta^t m_t(a, y) [ -u'(c_t) + beta E_t slope of V_{t+1} on the bracket of x_t ], V of the same
    policy.
    """
    periods, assets, incomes = np.shape(savings)
    chains = transition_path(transition, periods)
    masses = mass_path(initial_mass, savings, grid, transition)
    value = policy_value_backward(grid, cash, transition, discount_factor, risk_aversion, savings, terminal_value)
    gradient = np.empty((periods, assets, incomes))
    for t in range(periods):
        for a in range(assets):
            for y in range(incomes):
                i, _ = lottery(np.asarray(grid, dtype=float), float(savings[t, a, y]))
                slope = chains[t, y] @ (value[t + 1, i + 1] - value[t + 1, i]) / (grid[i + 1] - grid[i])
                marginal = marginal_utility(cash[t, a, y] - savings[t, a, y], float(risk_aversion))
                gradient[t, a, y] = discount_factor**t * masses[t, a, y] * (discount_factor * slope - marginal)
    return gradient
