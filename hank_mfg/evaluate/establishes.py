"""What a small value of a measure of accuracy establishes, and what it does not: the words of docs and of reports."""

from collections.abc import Collection
from typing import NamedTuple


class Limit(NamedTuple):
    """A measure in words, the names that it has in evaluation.json, and what a small value of it says."""

    measure: str
    names: tuple[str, ...]
    establishes: str
    does_not: str


CAVEAT = (
    "No measure certifies a solution alone. All of them share the discretization: the same chain of shocks and the same"
    " kind of histogram. Comparisons with independent code do not share it."
)
LIMITS = (
    Limit(
        "one-step Euler error, mean", ("euler_error_mean_percent",),
        "consumption is close to optimal in the states where households are, given the policy of the next period",
        "that errors do not accumulate; anything about states that the simulation did not visit",
    ),
    Limit(
        "one-step Euler error, largest", ("euler_error_max_percent",),
        "no state with positive mass is far from optimal; the largest error is usually at the kink of the borrowing "
        "limit",
        "accuracy of aggregates: few households are there",
    ),
    Limit(
        "dynamic Euler error", ("dynamic_euler_mean_percent", "dynamic_euler_max_percent"),
        "one-step errors do not accumulate over the life of the individuals that are followed",
        "the error on another path or for another individual: report several",
    ),
    Limit(
        "Phillips-curve error and errors of other expectations", ("price_error_mean_percent", "expectations"),
        "what prices anticipate is close to the mean of what follows, in the states that the simulation visited",
        "that errors do not accumulate",
    ),
    Limit(
        "constrained share", ("constrained_share",),
        "how much of the population is left out of the Euler errors because the limit binds", "",
    ),
    Limit(
        "law of motion, slopes and R2", ("law_of_motion",), "next period's capital is close to log-linear in capital",
        "that households behave optimally: a wrong policy can follow a precise law",
    ),
    Limit(
        "Den Haan error", ("den_haan_mean_percent", "den_haan_max_percent"),
        "the fitted law, iterated on its own predictions, stays close to the simulated economy",
        "an error of the solution: RSPG households do not use the law",
    ),
    Limit(
        "goods market", ("goods_market_residual_max", "goods_market_residual"),
        "prices, budgets and the moving distribution are consistent with each other",
        "accuracy: it holds for any policy",
    ),
    Limit(
        "excess demand left in the period", ("market_clearing_residual_max",),
        "prices clear the markets of every simulated period, given the policies", "accuracy: it holds for any policy",
    ),
    Limit(
        "mass at the top of the grid", ("top_of_grid_mass",), "the upper end of the grid does not restrict savings", "",
    ),
    Limit(
        "exploitability, clairvoyant", ("clairvoyant",),
        "an upper bound on what one household, in a game one individual, gains by another policy",
        "how much of the gain is foresight, which nobody has",
    ),
    Limit(
        "exploitability, non-anticipative", ("nonanticipative",),
        "a lower bound: the gain of a trained deviator on fresh paths", "that a better deviator would not gain more",
    ),
    Limit(
        "search gain", ("search", "search_gain_percent"),
        "no other savings, found by a search without first-order conditions, gain much",
        "errors of the asset grid, which the search shares",
    ),
    Limit(
        "excess supply of markets", ("residual",), "markets clear, relative to what is supplied, on this grid",
        "that the grid is fine enough",
    ),
    Limit(
        "last step of the household's iteration", ("euler_change",), "that step moved consumption by no more than this",
        "the distance to the fixed point, which is larger by about 1/(1 - beta)",
    ),
    Limit(
        "error of the grid", ("grid_error",), "how far outcomes move when the asset grid is refined",
        "the error of the income chain",
    ),
)  # fmt: skip


def limits_of(names: Collection[str]) -> list[Limit]:
    """The limits of the measures among `names`, as evaluation.json has them, in the order of `LIMITS`."""
    return [limit for limit in LIMITS if set(limit.names) & set(names)]
