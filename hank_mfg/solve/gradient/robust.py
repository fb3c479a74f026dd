"""Robust training: one policy for a set of models, chosen for the worst weighting of these models.

The models m = 1..M differ in parameters. Households choose one policy, the adversary weights on the models,

    max over policies, min over w of   sum_m w_m V_m + theta sum_m w_m log(M w_m),

with V_m lifetime utility in model m when all households follow the policy and prices adjust. With theta = 0 that is the
worst of the models (max-min), with a large theta the mean of them, between them multiplier preferences, whose
adversary pays theta for every unit of relative entropy. A batch has paths of all models, and their targets count by the
weight of the model: where households' signals and memory do not distinguish models, the policy is right on average with
these weights, given the history; where they do, it is that of each model. The adversary's best weights, given V, have a
closed form,

    w*_m proportional to exp(-V_m / theta),      with theta = 0 the worst models only;

its weights are the average of what would have been best whenever V was measured (fictitious play), move n counting

    w_n = w_{n-1} + 3 / (n + 3) (w* - w_{n-1}),      w_0 = 1 / M,

like n squared, as the policy gets better. They converge where w* gains nothing against w. V and theta are in units of
what one percent more consumption goods at unchanged hours adds to lifetime utility in the first model, linear in V as
the adversary's problem must be: a loss of one percent reads one, one of ten percent a little more or less than ten.
Sources: Gilboa and Schmeidler (1989), Journal of Mathematical Economics 18(2); Hansen and Sargent (2001), American
Economic Review 91(2); Robinson (1951), Annals of Mathematics 54(2), for fictitious play.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.check import check_model
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.markov import stationary_distribution
from hank_mfg.model.base import Model, check_names, choice_names
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.named import assignments, differing
from hank_mfg.precision import DTYPES
from hank_mfg.solve.gradient.model_sets import ModelSet, on_paths
from hank_mfg.solve.play.lifetime import freeze, path_value
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.stationary.best_savings import scaled_reward

HORIZON = 500  # periods over which lifetime utility is summed
RECENT = 3  # what is best in the n-th move counts like n to the power of this less one


@dataclasses.dataclass(frozen=True)
class Family:
    """A set of models for which one policy is trained: `Family({"stay": [0.7, 0.95], "gap": [0.02]}, penalty=0.1)`.

    `alternatives` gives further values of parameters; every combination with the model's own values is a member, the
    model itself the first. `penalty` is theta, in percent of consumption: a model with a loss of that much gets e times
    the weight; 0 leaves the worst alone. Raises ValueError for values that are missing or no numbers.
    """

    alternatives: Mapping[str, Sequence[Any]]
    penalty: float = 0.0

    def __post_init__(self):
        """Check every field."""
        if not isinstance(self.alternatives, Mapping):
            raise ValueError(f"Family({self.alternatives!r}): give other values by name, {{'stay': [0.9]}}.")
        if not self.alternatives:
            raise ValueError("Family: alternatives is empty: name a parameter and its other values, {'stay': [0.9]}.")
        for name, values in self.alternatives.items():
            if isinstance(values, str) or not np.iterable(values) or len(list(values)) == 0:
                raise ValueError(f"Family: {name} = {values!r}: give a list of other values, {name}=[VALUE, VALUE].")
            for value in values:
                numbers_of(f"Family: {name}", value)
        if not (np.isfinite(self.penalty) and self.penalty >= 0):
            raise ValueError(f"Family(penalty={self.penalty}): give zero or a positive number, percent of consumption.")

    def changes(self, model: Model) -> list[dict[str, Any]]:
        """What differs from `model` in each member; first nothing. Raises ValueError for an unknown parameter."""
        check_names(type(model), self.alternatives)
        words = [name for name in self.alternatives if name in choice_names(type(model))]
        if words:
            raise ValueError(f"Family: {words[0]} is a choice of the model, not a parameter: leave it out.")
        own = model.parameters()
        every = [[own[name], *values] for name, values in self.alternatives.items()]
        members = (dict(zip(self.alternatives, values, strict=True)) for values in itertools.product(*every))
        found: list[dict[str, Any]] = []
        for member in members:
            changes = differing(member, own)
            if not any(_same(changes, other) for other in found):
                found.append(changes)
        return found

    def includes(self, model: Model, parameters: Mapping[str, Any]) -> bool:
        """Whether `model` with other `parameters` is a member."""
        changes = differing(parameters, model.parameters())
        return any(_same(changes, other) for other in self.changes(model))

    def check(self, model: Model) -> None:
        """Raise ValueError, naming the member, unless every equation works in each: `check_model` for a family."""
        for change in self.changes(model):
            member = model.with_parameters(**change)
            try:
                check_model(member)
            except ValueError as error:
                raise ValueError(f"Family with {assignments(change)}: {error}" if change else str(error)) from error

    def worlds(self, model: Model, paths: int, asset_points: int, precision: str) -> ModelSet:
        """Every member on the same grids, equally likely.

        Raises ValueError for a member with another number of states or another asset space, since one policy serves
        them all, and where `paths` cannot be shared out.
        """
        changes = self.changes(model)
        count = len(changes)
        if paths % count:
            raise ValueError(
                f"Family of {count} models with paths={paths}: give a multiple of {count}, so that each has as many."
            )
        each = [discretize(model.with_parameters(**change), asset_points, DTYPES[precision]) for change in changes]
        for change, member in zip(changes, each, strict=True):
            require_same_grids(f"Family with {assignments(change)}", member, each[0])
        stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *each)
        return ModelSet(stacked, jnp.full(count, 1.0 / count, each[0].dtype))


def require_same_states(what: str, now: Economy, trained: Economy) -> None:
    """Raise ValueError, beginning with `what` was changed, unless a policy `trained` in one economy knows the aggregate
    and individual states of the economy `now`, and its permanent types."""
    counts = {
        "aggregate_shocks": (trained.shock_count, now.shock_count, "aggregate"),
        "idiosyncratic_shock": (trained.shape[1], now.shape[1], "individual"),
    }
    for method, (before, after, kind) in counts.items():
        if before != after:
            raise ValueError(
                f"{what}: {method}() has {after} {kind} states and the policy was trained with {before}: keep their "
                "number, or solve the new economy."
            )
    if not np.array_equal(now.shares, trained.shares):
        raise ValueError(
            f"{what}: permanent types have the shares {np.asarray(now.shares).tolist()} and in training had "
            f"{np.asarray(trained.shares).tolist()}: keep them, since households never change type, or solve the "
            "new economy."
        )


def require_same_grids(change: str, member: Economy, first: Economy) -> None:
    """Raise ValueError, beginning with the `change`, unless one policy knows every state of both."""
    require_same_states(change, member, first)
    if not np.array_equal(member.grid.points, first.grid.points):
        raise ValueError(
            f"{change}: asset_space() is another one than in the model: keep its ends, so that one policy "
            "knows every state."
        )


def _same(changes: dict[str, Any], other: dict[str, Any]) -> bool:
    return changes.keys() == other.keys() and all(np.array_equal(value, other[name]) for name, value in changes.items())


class Lifetimes(NamedTuple):
    """From each of several states on, in every model: `value`, lifetime utility, and `percent`, what one percent more
    goods in every period at unchanged hours would add to it, (paths, models); `shock_sums`, the discounted sum of
    every shock less its mean in that model, (paths, models, shocks).
    """

    value: Array
    percent: Array
    shock_sums: Array


def _shock_sums(economy: Economy, path: Array) -> Array:
    """The discounted sum along the aggregate states `path` of each shock less its stationary mean: (shocks,)."""
    values = jnp.stack([jnp.asarray(each, economy.dtype) for each in economy.shock_values.values()])
    every = jnp.arange(economy.shock_count)
    patience = jnp.mean(jax.vmap(lambda z: jnp.mean(economy.discount_factor(economy.shocks(z))))(every))
    usual = values @ stationary_distribution(economy.shock_transition)
    return (values - usual[:, None])[:, path] @ patience ** jnp.arange(path.shape[0], dtype=economy.dtype)


@eqx.filter_jit
def _lifetimes(play: Play, models: ModelSet, states: State, keys: Array) -> Lifetimes:
    count = models.weights.shape[0]

    def one(play: Play, state: State, key: Array):
        economy, start = play.economy, state.aggregate.shock
        shocks = economy.shocks_from(start, jax.random.uniform(key, (HORIZON,), economy.dtype))
        _, path = freeze(play, state._replace(price_noise=None), shocks, False)

        def flows(savings: Array, public: Public) -> Array:
            value = economy.reward(savings, public)
            return jnp.stack([value, scaled_reward(economy, savings, public, 1.01) - value])

        nothing = jnp.zeros((2, *economy.shape), economy.dtype)
        each = path_value(economy, path, path.now.savings, nothing, flows)
        value, percent_more = jnp.sum(state.aggregate.mass * each, axis=(1, 2))
        return Lifetimes(value, percent_more, _shock_sums(economy, jnp.append(start, shocks)))

    def everywhere(*each: Any):
        spread = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), each)
        return on_paths(play, models, jnp.arange(count), one, *spread)

    return jax.vmap(everywhere)(states, keys)


def losses(play: Play, models: ModelSet, states: State, key: Array) -> np.ndarray:
    """Losses of households in every model against the first, percent of consumption: (models,).

    Paths of `HORIZON` periods start from each of `states`, leading axis paths, with the same uniform draws in every
    model. What differences owe to the realized shocks is removed by regression on `shock_sums`, a control variate: it
    is ten to a hundred times the differences between models.
    """
    keys = jax.random.split(key, states.aggregate.shock.shape[0])
    lifetimes = jax.tree.map(lambda x: np.asarray(x, np.float64), _lifetimes(play, models, states, keys))
    sound = np.isfinite(lifetimes.value).all(axis=0)
    if not sound.all():
        raise RuntimeError(
            f"Model {int(np.argmin(sound))} of the family: lifetime utility is NaN or infinite in {HORIZON} periods; "
            "check prices() and resources() there, or leave it out."
        )
    value, shock_sums = (
        lifetimes.value - lifetimes.value[:, :1],
        lifetimes.shock_sums - lifetimes.shock_sums[:, :1],
    )  # what they own at the start cancels
    away = [(x - x.mean(axis=0)).reshape(-1, *x.shape[2:]) for x in (shock_sums, value)]
    coefficients = np.linalg.lstsq(*away)[0]
    return -(value - shock_sums @ coefficients).mean(axis=0) / lifetimes.percent.mean(axis=0)[0]


class Adversary(NamedTuple):
    """The adversary, who weights the models of a family; `penalty` is theta, percent of consumption."""

    models: ModelSet
    penalty: float
    seed: int

    def move(
        self, play: Play, states: State, history: dict[str, np.ndarray], moves: int
    ) -> tuple[ModelSet, dict[str, np.ndarray]]:
        """The models with new weights after so many `moves`, given the policy of `play`, and the record for the
        history: `weights` and `losses` (models,) each, and the `adversary_gain`, percent of consumption, from the best
        weights instead of those of training so far; losses and gain NaN before any move."""
        count = len(self.models.weights)
        if moves == 0:
            start = {"weights": np.full(count, 1.0 / count), "losses": np.full(count, np.nan)}
            return self.models, {**start, "adversary_gain": np.array(np.nan)}
        key = jax.random.fold_in(jax.random.PRNGKey(self.seed), len(history["update"]))
        found, before = losses(play, self.models, states, key), history["weights"][-1]
        best = best_weights(found, self.penalty)
        weights = before + RECENT / (RECENT + moves) * (best - before)
        gain = objective(best, found, self.penalty) - objective(before, found, self.penalty)
        moved = self.models._replace(weights=jnp.asarray(weights.astype(play.economy.dtype)))
        return moved, {"weights": weights, "losses": found, "adversary_gain": np.array(gain)}


def objective(weights: np.ndarray, losses: np.ndarray, penalty: float) -> float:
    """The adversary's objective: losses on average less theta times relative entropy, percent."""
    from scipy.special import xlogy  # loaded on first use

    return float(weights @ losses - penalty * xlogy(weights, len(weights) * weights).sum())


def best_weights(losses: np.ndarray, penalty: float) -> np.ndarray:
    """The weights (models,) with the largest `objective`: in closed form, the worst models only if theta is zero."""
    behind = losses - losses.max()
    probabilities = np.exp(behind / penalty) if penalty > 0 else (behind == 0).astype(float)
    return probabilities / probabilities.sum()


def require_same_models(history: dict[str, np.ndarray], models: ModelSet | None) -> None:
    """Raise ValueError unless training that made `history` was for as many models as there are now."""
    before = history["weights"].shape[1] if "weights" in history else 0
    now = 0 if models is None else len(models.weights)
    if before != now and len(history["update"]):
        raise ValueError(
            f"resume continues training for {_family_of(before)} and solve() is given {_family_of(now)}: pass the "
            "family with which it began."
        )


def _family_of(count: int) -> str:
    return f"a family of {count} models" if count else "one model without a family"
