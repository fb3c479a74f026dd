"""The processes of aggregate shocks in a linear solution: the path of every shock after one innovation.

A declared AR1 stands for its process, not for its chain: x_{t+h} - x = persistence^h sd, with the shock itself x or
exp(x). A VAR1 has as many innovations as variables, independent ones through Cholesky's factor of their covariance. A
chain of two states is an AR(1) exactly. Other processes are given beside the model, as an `ARMA`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.shocks import AR1, MarkovChain
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.model.var1 import VAR1

Values = Mapping[str, Any]


class ARMA(NamedTuple):
    """x_t = sum_i ar_i x_{t-i} + sd (e_t + sum_j ma_j e_{t-j}), e of unit variance: the deviation of a shock from its
    mean, of its logarithm where the model declares it exponential.

    `sd`, and the entries of `ar` and `ma`, are numbers or names of parameters: of the model, or of a prior alone.
    """

    sd: Any
    ar: Any = ()
    ma: Any = ()

    def names(self) -> tuple[str, ...]:
        """The parameters that it names."""
        return tuple(each for each in (self.sd, *_listed(self.ar), *_listed(self.ma)) if isinstance(each, str))

    def path(self, values: Values, periods: int) -> Array:
        """The deviations (periods,) after an innovation of one standard deviation."""

        def number(each: Any) -> Array:
            return jnp.asarray(values[each] if isinstance(each, str) else each, jnp.float64)

        ar = jnp.stack([jnp.zeros(()), *map(number, _listed(self.ar))])[1:]
        news = jnp.zeros(periods).at[0].set(1.0)
        for place, each in enumerate(_listed(self.ma)):
            news = news.at[place + 1].set(number(each))

        def forward(before: Array, here: Array):
            value = ar @ before + here
            return jnp.concatenate([value[None], before[:-1]]) if len(ar) else before, value

        return number(self.sd) * jax.lax.scan(forward, jnp.zeros(len(ar)), news)[1]


def _listed(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else (given,)


def declared(model: Model) -> tuple[Any, ...]:
    """The processes that a model declares, one or several."""
    shocks = model.aggregate_shocks()
    return tuple(shocks) if isinstance(shocks, list | tuple) else (shocks,)


def names_in(process: Any) -> tuple[str, ...]:
    """The shocks that a declared process moves."""
    if isinstance(process, AR1):
        return (process.name,)
    return process.names if isinstance(process, VAR1) else tuple(process.values)


def check_processes(economy: Economy, names: Names, given: Mapping[str, ARMA]) -> None:
    """Raise EstimationError unless every shock has a process, and a sentence where there is nothing to estimate."""
    model = type(economy.model).__name__
    if not names.shocks:
        raise EstimationError(f"{model} declares no aggregate shock, so that no time series says anything about it: "
                              "declare one in aggregate_shocks().")  # fmt: skip
    for name, process in given.items():
        if name not in names.shocks:
            close = did_you_mean(name, list(names.shocks))
            raise EstimationError(f"shocks[{name!r}]: {model} has no such shock{close}; it has "
                                  f"{', '.join(names.shocks)}.")  # fmt: skip
        if not isinstance(process, ARMA):
            raise EstimationError(f"shocks[{name!r}] = {process!r}: give an hm.ARMA(sd, ar, ma).")
    for process in declared(economy.model):
        moved = names_in(process)
        missing = [name for name in moved if name not in given]
        if isinstance(process, VAR1) and 0 < len(missing) < len(moved):
            raise EstimationError(
                f"shocks replaces {', '.join(name for name in moved if name in given)} but not {', '.join(missing)} of "
                "one VAR1, whose innovations are correlated: give an hm.ARMA for each of them, or for none."
            )
        simple = isinstance(process, AR1 | VAR1) or _two_states(process)
        if missing and not simple:
            raise EstimationError(
                f"The chain of {', '.join(moved)} is no autoregression, which the likelihood of a linear solution "
                f"needs: declare an AR1, or give shocks={{{missing[0]!r}: hm.ARMA(...)}}."
            )


def _two_states(process: Any) -> bool:
    return isinstance(process, MarkovChain) and jnp.shape(process.transition)[0] == 2


def impulses(
    model: Model, names: Names, level: Array, periods: int, given: Mapping[str, ARMA], values: Values
) -> Array:
    """The paths of all shocks, (innovations, periods, shocks), after each innovation of one standard deviation.

    `level` (shocks,) are the shocks in the steady state; `values` the parameters that `given` processes name.
    """
    rows = []

    def row(paths: Mapping[str, Array]) -> None:
        columns = [paths[name] if name in paths else jnp.zeros(periods) for name in names.shocks]
        rows.append(jnp.stack(columns, axis=1))

    at = Named("shocks", dict(zip(names.shocks, level, strict=True)))
    for process in declared(model):
        logs = process.exponential if isinstance(process, AR1 | VAR1) else False
        flags = logs if isinstance(logs, tuple) else (logs,) * len(names_in(process))
        unit = {name: at[name] if flag else 1.0 for name, flag in zip(names_in(process), flags, strict=True)}
        for name in names_in(process):
            if name in given:
                row({name: unit[name] * given[name].path(values, periods)})
        left = [name for name in names_in(process) if name not in given]
        if not left:
            continue
        if isinstance(process, AR1):
            sd = process.innovation_sd
            if sd is None:
                sd = process.stationary_sd * jnp.sqrt(1.0 - jnp.asarray(process.persistence, jnp.float64) ** 2)
            row({process.name: unit[process.name] * sd * _powers(process.persistence, periods)})
        elif isinstance(process, VAR1):
            factor = jnp.linalg.cholesky(jnp.asarray(process.innovation_covariance, jnp.float64))
            matrix = jnp.asarray(process.persistence, jnp.float64)
            paths = jax.lax.scan(lambda x, a: (a @ x, x), factor, jnp.broadcast_to(matrix, (periods, *matrix.shape)))[1]
            for place in range(len(process.names)):
                row({name: unit[name] * paths[:, i, place] for i, name in enumerate(process.names)})
        else:
            chain = jnp.asarray(process.transition, jnp.float64)
            root = chain[0, 0] + chain[1, 1] - 1.0
            share = (1.0 - chain[1, 1]) / (2.0 - chain[0, 0] - chain[1, 1])
            sd = jnp.sqrt((1.0 - root**2) * share * (1.0 - share))
            row({name: sd * (value[1] - value[0]) * _powers(root, periods)
                 for name, value in ((n, jnp.asarray(process.values[n])) for n in left)})  # fmt: skip
    return jnp.stack(rows)


def _powers(base: Any, count: int) -> Array:
    """1, base, base^2 and so on, with derivatives also at a base of zero."""
    exponent = jnp.arange(count)
    return jnp.where(exponent == 0, 1.0, jnp.asarray(base, jnp.float64) ** jnp.maximum(exponent, 1))


def innovations(model: Model, given: Mapping[str, ARMA]) -> tuple[str, ...]:
    """A name for each innovation, in the order of `impulses`: of the shock, or of the first one that it moves."""
    found: list[str] = []
    for process in declared(model):
        found += [name for name in names_in(process) if name in given]
        left = [name for name in names_in(process) if name not in given]
        if left:
            found += left if isinstance(process, VAR1) else ["+".join(left)]
    return tuple(found)
