"""The model's accounting identity, goods_market(), evaluated wherever an error would otherwise pass unnoticed.

Household budgets add up to

    consumption + q savings = resources + earnings,

so where the markets of a period clear and the state variables agree with what households hold, supply of goods equals
demand at any prices and any distribution, in equilibrium or not. `check_accounts` uses that before anything is solved:
it evaluates the identity at arbitrary savings and prices. `goods_left` evaluates it at solved states.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.probe import Case, ask, in_numpy, numbers_in_jax
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.today import today, with_expected
from hank_mfg.wording import in_words

OFF = 1e-6  # of output: what may be left over of the goods market
PRICES = (0.5, 0.35, 0.65)  # where in their brackets clearing prices are tried
STEPS = 6  # of the search for choices that clear markets
GIVEN = 1.0  # earnings and hours that the search starts from


def goods_left(economy: Economy, public: Public, choices: Named, tomorrow: Named) -> Any:
    """Excess supply of goods relative to output, as the model states it; None where it does not.

    `choices` are summed over the mass, `tomorrow` holds next period's aggregates and state variables.
    """
    return economy.model.goods_market(economy.series(public), choices, tomorrow)


def steady_goods(economy: Economy, public: Public, mass: Any, savings: Any) -> Any:
    """`goods_left` in a stationary equilibrium, where next period is like this one: a number, or None."""
    return goods_left(economy, public, economy.choices(mass, public, savings), public.aggregates)


class Accounts(NamedTuple):
    """The `verdict` on a model's accounting identity, "holds", "fails", "undeclared" or "untried" (no choices were
    found that clear its markets at made-up prices), and one sentence where it fails."""

    verdict: str
    problem: str = ""


def check_accounts(model: Model, case: Case, levels: list[float]) -> Accounts:
    """Ask a model's accounting identity before anything is solved.

    Every household holds the same assets, one of `levels`. Where prices are a closed form, what is chosen is free: the
    identity must hold for any savings (for those that keep assets constant where there is no aggregate shock, since the
    identity may then be stated for a stationary economy). Where prices clear inside the period, choices are found that
    clear markets, and assets at which the identity holds at one candidate price; it must hold there at others.
    """
    books = _Books(model, case, _function(model, case))
    if books.goods(levels[0], books.start(levels[0]), 0, PRICES[0]) is None:
        return Accounts("undeclared")
    for left, at in _clearing(books, levels) if model.clearing_prices() else _closed_form(books, levels):
        if left is None or not np.isfinite(left):
            return Accounts("untried")
        if abs(left) > OFF:
            return Accounts("fails", _sentence(books, left, at))
    return Accounts("holds")


class _Books(NamedTuple):
    """A model whose identity is evaluated, with the function that computes it."""

    model: Model
    case: Case
    function: Callable

    def start(self, level: float) -> np.ndarray:
        """Choices to begin with: savings, and earnings and hours where they are chosen."""
        hours = (GIVEN, GIVEN) if "hours" in self.model.chosen() else ()
        return np.array([level, *hours])

    def both(self, level: float, choices: np.ndarray, state: int, part: float) -> tuple[np.ndarray, float | None, dict]:
        """Excess demand of every market, what is left of goods, and the values that say where."""
        found = self.function(self.model, self.case, self.case.state(state), level, choices, part)
        excess = np.array([float(value) for value in found["excess"].values()])
        left = found["goods"]
        return excess, None if left is None else float(left), found["at"]

    def goods(self, level: float, choices: np.ndarray, state: int, part: float) -> float | None:
        """Excess supply of goods."""
        return self.both(level, choices, state, part)[1]

    def cleared(self, level: float, state: int, part: float) -> np.ndarray | None:
        """Choices that clear every market at a candidate price; None where none were found."""
        choices = self.start(level)
        for _ in range(STEPS):
            excess = self.both(level, choices, state, part)[0]
            if not np.isfinite(excess).all():
                return None
            if np.abs(excess).max(initial=0.0) <= 1e-11:
                return choices
            steps = 1e-4 * np.maximum(np.abs(choices), 1.0)
            moved = [self.both(level, choices + step, state, part)[0] for step in np.diag(steps)]
            slopes = np.stack([(each - excess) / step for each, step in zip(moved, steps, strict=True)], axis=1)
            if not np.isfinite(slopes).all():
                return None
            choices = choices - np.linalg.lstsq(slopes, excess, rcond=None)[0]
        return None


Tried = Iterator[tuple[float | None, dict]]


def _closed_form(books: _Books, levels: list[float]) -> Tried:
    """What is left of goods at any assets and savings, in every aggregate state, and the values that say where."""
    several = len(books.case.shocks) > 0
    for level, savings in itertools.product(levels, levels):
        if several or level == savings:
            for state in books.case.states:
                yield books.both(level, np.array([savings]), state, PRICES[0])[1:]


def _clearing(books: _Books, levels: list[float]) -> Tried:
    """The same at several prices, at the assets that the identity asks for at the first of them."""
    states = books.case.states
    for state in sorted({states[0], states[len(states) // 2], states[-1]}):
        found = _assets(books, levels, state)
        for part in PRICES[1:]:
            choices = None if found is None else books.cleared(found, state, part)
            yield (None, {}) if found is None or choices is None else books.both(found, choices, state, part)[1:]


def _assets(books: _Books, levels: list[float], state: int) -> float | None:
    """Assets per household at which goods clear at the first candidate price, by secants; None where none are found."""

    def left(level: float) -> float:
        choices = books.cleared(level, state, PRICES[0])
        goods = None if choices is None else books.goods(level, choices, state, PRICES[0])
        return np.nan if goods is None else goods

    last, here = levels[0], levels[-1]
    before, now = left(last), left(here)
    for _ in range(2 * STEPS):
        if not np.isfinite([before, now]).all():
            return None
        if abs(now) <= 1e-11:
            return here
        if now == before:
            return None
        last, here, before = here, here - now * (here - last) / (now - before), now
        now = left(here)
    return None


def explain_goods(model: Model, left: Any, where: str, *, allowed: float = OFF) -> str | None:
    """The sentence for the goods market of a solved state, `left` over relative to output; None where it closes."""
    if left is None or abs(float(left)) <= allowed:
        return None
    size = float(left)
    return (
        f"{type(model).__name__}.goods_market(): {abs(100 * size):.3g} % of output "
        f"{'is left over' if size > 0 else 'is missing'} {where}"
    )


def _sentence(books: _Books, left: float, at: dict) -> str:
    return (
        f"{explain_goods(books.model, left, f'at {in_words(at)}')}, though household budgets and markets are met "
        "there: an equation is wrong; compare what prices() and resources() pay to households with the output and "
        "expenses in goods_market()."
    )


def _function(model: Model, case: Case) -> Callable:
    """`_identity` in NumPy where the equations allow it, otherwise compiled by JAX."""
    numbers = in_numpy(model)
    try:
        level = float(case.points[-1, 0])
        found = _identity(numbers, case, case.state(0), level, np.array([level, GIVEN, GIVEN]), PRICES[0])
        plain = not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found))
    except (ValueError, TypeError):
        plain = False
    if plain:
        return lambda _, *given: _identity(numbers, *given)
    return lambda model, *given: jax.tree.map(np.asarray, _compiled(*numbers_in_jax((model, *given))))


def _identity(model: Model, case: Case, shocks: dict, level: Any, choices: Any, part: Any) -> dict[str, Any]:
    """The books of a period in which every household holds assets `level` and is chosen what `choices` say.

    `choices` are mean savings, earnings and hours; clearing prices lie at the share `part` of their brackets.
    """
    ask_model = functools.partial(ask, model)
    own, now = Named("own", case.own), today(shocks)

    def mean(values: Any) -> Any:
        return (case.share * (values + 0.0 * case.share[None, :])[0]).sum()

    def summed(assets: Any) -> dict[str, Any]:
        each = ask_model("aggregates", case.assets(case.saved(assets + 0.0 * case.points[:1])), own, now)
        return {**{name: mean(value) for name, value in each.items()}, **case.estates(assets)}

    candidates = {n: end.lower + part * (end.upper - end.lower) for n, end in ask_model("clearing_prices").items()}
    total = {**summed(level), **ask_model("state_variables")}
    prices = {**candidates, **ask_model("prices", today(shocks, total, candidates))}
    known, given = today(shocks, total, prices), today(shocks, prices)
    everything = today(known, ask_model("outcomes", known))
    held, kept = case.held(level + 0.0 * case.points[:1]), case.saved(choices[0] + 0.0 * case.points[:1])
    cash = mean(ask_model("resources", case.assets(held), own, given))
    earnings, hours = (choices[1], choices[2]) if "hours" in model.chosen() else (0.0, 0.0)
    spent, chosen = _spent(model, case, kept, held, given)
    chosen = {name: mean(value) for name, value in chosen.items()}
    chosen |= {"consumption": cash + earnings - mean(spent), "earnings": earnings, "hours": hours}
    sums = ask_model("choice_sums", Named("choices", chosen), own, given)
    chosen |= {name: mean(value) for name, value in sums.items()}
    summed_choices = Named("choices", {name: chosen[name] for name in model.chosen()})
    asked = with_expected(everything, ask_model("expectations", everything, everything))
    excess = ask_model("excess_demand", asked, summed_choices)
    tomorrow = Named("tomorrow", {**summed(choices[0]), **ask_model("next_state", everything)})
    left = ask_model("goods_market", everything, summed_choices, tomorrow)
    return {"excess": dict(excess), "goods": left, "at": {**total, **prices, **shocks}}


def _spent(model: Model, case: Case, kept: Any, held: Any, given: Named) -> tuple[Any, dict[str, Any]]:
    """What it costs households with `held` to keep so much, and their choices, by name."""
    chosen = case.savings(kept)
    if case.ends is None:
        return kept * model.asset_price(given) if model.sells_at_price() else kept, chosen
    after = Named("assets_next", case.assets(kept))
    cost = ask(model, "adjustment_cost", after, case.assets(held), given) + 0.0 * kept
    return case.total(kept) + cost, {**chosen, "adjustment_costs": cost}


_compiled = eqx.filter_jit(_identity)
