"""State the closed forms that numerical solutions are tested against. Nothing here iterates.

Brock-Mirman: log utility, full depreciation, Y = z K^alpha (L = 1). Permanent income: CRRA, constant return, no risk.
Two-point income: facts of a two-state chain, and the rate of return in an economy without assets.
"""

import numpy as np

# -------------------------------------------------------------------------------------------------- Brock-Mirman


def brock_mirman_savings(capital, productivity, capital_share, discount_factor):
    """Return K' = alpha beta z K^alpha, whatever the process of z. Source: Brock and Mirman (1972), JET 4(3)."""
    return capital_share * discount_factor * productivity * capital**capital_share


def brock_mirman_consumption(capital, productivity, capital_share, discount_factor):
    """Return C = (1 - alpha beta) z K^alpha."""
    return (1 - capital_share * discount_factor) * productivity * capital**capital_share


def brock_mirman_prices(capital, productivity, capital_share):
    """Return (gross return R = alpha z K^(alpha-1), wage w = (1-alpha) z K^alpha) with full depreciation and L = 1."""
    gross_return = capital_share * productivity * capital ** (capital_share - 1)
    return gross_return, (1 - capital_share) * productivity * capital**capital_share


def brock_mirman_household(assets, capital, productivity, capital_share, discount_factor):
    """Return (savings, consumption) of one price-taking household with any assets: a' = beta R a, c = (1-beta) R a + w.

    Its wage is spanned by the return on capital (R' is proportional to Y'/Y, and so is w'/w), so human wealth
    including today's wage is w / (1-beta), and log utility consumes 1-beta of total wealth: (1-beta) (R a + w /
    (1-beta)). Wealth shares never move, the borrowing limit never binds, and the mean of a' is beta R K = alpha beta
    Y: aggregation is exact for any distribution. With every household's labor equal and constant.
    """
    gross_return, wage = brock_mirman_prices(capital, productivity, capital_share)
    savings = discount_factor * gross_return * assets
    return savings, gross_return * assets + wage - savings


def brock_mirman_value(capital, levels, transition, capital_share, discount_factor):
    """Return V(K, z_i) = A_i + alpha / (1 - alpha beta) log K, shape of K plus (productivity,), for a chain of z.

    A = (I - beta P)^-1 [log(1 - alpha beta) + b beta log(alpha beta) + (1 + beta b) log z],  b = alpha / (1 - alpha
    beta).
    """
    levels, transition = np.asarray(levels, dtype=float), np.asarray(transition, dtype=float)
    product = capital_share * discount_factor
    slope = capital_share / (1 - product)
    constant = np.log(1 - product) + discount_factor * slope * np.log(product)
    flow = constant + (1 + discount_factor * slope) * np.log(levels)
    intercepts = np.linalg.solve(np.eye(len(levels)) - discount_factor * transition, flow)
    return intercepts + slope * np.log(np.asarray(capital, dtype=float))[..., None]


def brock_mirman_moments(levels, stay, capital_share, discount_factor):
    """Return (mean, standard deviation) of log K for a symmetric two-state z that stays with probability `stay`.

    log K' = log(alpha beta) + log z + alpha log K. With s^2 the variance of log z and q = 2 stay - 1 its
    autocorrelation, var log K = s^2 (1 + alpha q) / ((1 - alpha^2) (1 - alpha q)).
    """
    logs = np.log(np.asarray(levels, dtype=float))
    correlation = 2 * stay - 1
    mean = (np.log(capital_share * discount_factor) + logs.mean()) / (1 - capital_share)
    spread = (1 + capital_share * correlation) / ((1 - capital_share**2) * (1 - capital_share * correlation))
    return mean, np.sqrt(logs.var() * spread)


def stationary_capital(discount_factor, capital_share, depreciation, labor=1.0):
    """Return K = L (alpha / (1/beta - 1 + delta))^(1/(1-alpha)): 1 + r = 1 / beta, a representative household."""
    return labor * (capital_share / (1 / discount_factor - 1 + depreciation)) ** (1 / (1 - capital_share))


# ---------------------------------------------------------------------------------------------- permanent income


def consumption_share(gross_return, discount_factor, risk_aversion, periods=None):
    """Return the share of total wealth consumed: 1 - theta with theta = (beta R)^(1/gamma) / R; infinite horizon.

    With `periods` left, this one included, and nothing left behind: (1 - theta) / (1 - theta^periods).
    Raises ValueError when theta >= 1 and the horizon is infinite: the problem then has no solution.
    Source: Merton (1969) in discrete time; Samuelson (1969), REStat 51(3).
    """
    theta = (discount_factor * gross_return) ** (1 / risk_aversion) / gross_return
    if periods is None:
        if theta >= 1:
            raise ValueError(f"(beta R)^(1/gamma) / R = {theta:.6f} must be below one for a solution to exist")
        return 1 - theta
    if theta == 1:
        return 1 / periods
    return (1 - theta) / (1 - theta**periods)


def human_wealth(income, gross_return, periods=None):
    """Return the present value of constant income, today's included: y R / (R - 1), or of `periods` payments."""
    if periods is None:
        return income * gross_return / (gross_return - 1)
    return income * sum(gross_return**-t for t in range(periods))


def permanent_income_consumption(assets, income, gross_return, discount_factor, risk_aversion, periods=None):
    """Return c = share (R a + human wealth) for certain, constant income and return, without a borrowing limit.

    It is the answer with a limit too wherever the limit never binds, for instance a >= 0 when beta R >= 1.
    """
    wealth = gross_return * assets + human_wealth(income, gross_return, periods)
    return consumption_share(gross_return, discount_factor, risk_aversion, periods) * wealth


def permanent_income_value(assets, income, gross_return, discount_factor, risk_aversion):
    """Return lifetime utility of the infinite plan: share^(-gamma) W^(1-gamma) / (1-gamma), W total wealth.

    Log: V = log((1-beta) W) / (1-beta) + beta log(beta R) / (1-beta)^2.
    """
    wealth = gross_return * assets + human_wealth(income, gross_return)
    if risk_aversion == 1:
        drift = discount_factor * np.log(discount_factor * gross_return) / (1 - discount_factor) ** 2
        return np.log((1 - discount_factor) * wealth) / (1 - discount_factor) + drift
    share = consumption_share(gross_return, discount_factor, risk_aversion)
    return share**-risk_aversion * wealth ** (1 - risk_aversion) / (1 - risk_aversion)


# ---------------------------------------------------------------------------------------------- two-point income


def two_state_mass(leave_first, leave_second):
    """Return the stationary probabilities of a two-state chain, (leave_second, leave_first) / (their sum)."""
    return np.array([leave_second, leave_first]) / (leave_first + leave_second)


def two_state_moments(values, leave_first, leave_second):
    """Return (mean, standard deviation, autocorrelation = 1 - leave_first - leave_second) of a two-state chain."""
    values = np.asarray(values, dtype=float)
    mass = two_state_mass(leave_first, leave_second)
    mean = mass @ values
    return mean, np.sqrt(mass @ (values - mean) ** 2), 1 - leave_first - leave_second


def autarky_gross_return(income, transition, discount_factor, risk_aversion):
    """Return the highest gross return at which nobody saves without assets to hold: the zero-liquidity equilibrium.

    With borrowing limit zero and bonds in zero supply everybody consumes income y_i and
    R = min_i u'(y_i) / (beta sum_j P_ij u'(y_j)).  Source: Krusell, Mukoyama and Smith (2011), JET 146(3).
    """
    marginal = np.asarray(income, dtype=float) ** -risk_aversion
    return np.min(marginal / (discount_factor * np.asarray(transition, dtype=float) @ marginal))


def two_period_savings(cash, income_next, gross_return, discount_factor):
    """Return savings in the first of two periods, log utility, two-point income tomorrow with equal odds, no limit.

    1 / (x - a) = beta R (1/2) [1 / (R a + y_1) + 1 / (R a + y_2)] is a quadratic in a; the root with positive
    consumption in every state is the plus root of (1 + beta) R^2 a^2 + R [(1 + beta/2) (y_1 + y_2) - beta R x] a + y_1
    y_2 - (beta/2) R x (y_1 + y_2) = 0.
    """
    low, high = income_next
    total, product = low + high, low * high
    quadratic = (1 + discount_factor) * gross_return**2
    linear = gross_return * ((1 + discount_factor / 2) * total - discount_factor * gross_return * cash)
    constant = product - 0.5 * discount_factor * gross_return * cash * total
    return (-linear + np.sqrt(linear**2 - 4 * quadratic * constant)) / (2 * quadratic)
