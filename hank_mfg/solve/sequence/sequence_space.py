"""Linear responses around the stationary equilibrium, in the sequence space.

Unknown are the paths U of the aggregates that choices move, of the prices that clear inside the period, and of what
every period carries over to the next. Prices and so what households take as given follow from U and the shocks Z by the
model's equations (quantities.py), households' choices by household Jacobians (household_jacobians.py), and in every
period

    what they supply - U = 0,     excess demand = 0,     next_state(period before) - U = 0,

with nothing left over by the period before the first. Together they are H(U, Z) = 0, and

    H_U dU + H_Z dZ = 0,     dU = G dZ,     G = - H_U^{-1} H_Z,

with derivatives of the declared equations by automatic differentiation. Where income risk moves with the aggregate
state, shocks move the shares of income states and the chain between them as well (income_risk.py), and households
between income states on impact. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), "Using the Sequence-Space Jacobian to Solve and Estimate
Heterogeneous-Agent Models", Econometrica 89(5).
"""

import dataclasses
import time
import warnings
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.environment.quantities import (
    Names,
    form,
    goods_along,
    names_of,
    shock_values,
    supplied,
)
from hank_mfg.errors import warn_user
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.sequence.household_jacobians import (
    Expected,
    Household,
    SteadyValues,
    household_jacobians,
    relevant_inputs,
    steady_values,
)
from hank_mfg.solve.sequence.household_path import move, step, with_chain
from hank_mfg.solve.sequence.income_risk import Risk, given_along, risk_of
from hank_mfg.solve.sequence.linear_system import Responses, local_slopes
from hank_mfg.solve.sequence.path_checks import shock_paths, warn_unsettled
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import readable

SETTLED = 1e-6  # of its largest deviation: a response that ends below is not cut off
LONGEST = 1200  # horizon that is tried where responses are cut off
LEFT = 1e-5  # of what consumption moves by: goods that may be left over in a linear response
SINGULAR = 1e8  # condition number of H_U in units of every equation, where something is said; usual are thousands


@readable
@portable
@dataclasses.dataclass(frozen=True)
class LinearSolution:
    """A linearized economy around its stationary equilibrium.

    `household` maps (output, input) to Jacobians (horizon, horizon): outputs are "consumption", hours and earnings
    where they are chosen, and the aggregates that choices move, inputs the prices and shocks that households feel, row
    t the response in period t to the input in period s = column. `beyond` maps (output, shock) to what a shock does to
    an output at given prices other than through cash on hand: income risk, households between income states, what the
    same assets add up to; empty where it does nothing. `general` maps each shock to G, (unknown, horizon, horizon), and
    `shares` to the response of the shares of income states, (income, horizon, horizon), where they respond. `jacobian`
    is H_U and `inverse` -H_U^{-1}, square on unknown x horizon, with the unknowns of `names.path`. `pointwise` maps
    aggregates, prices, shocks and outcomes to their slopes in the unknowns, shocks and income shares of the same
    period, in this order.
    """

    steady: SteadyState
    horizon: int
    household: dict[tuple[str, str], np.ndarray]
    beyond: dict[tuple[str, str], np.ndarray]
    general: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]
    jacobian: np.ndarray
    inverse: np.ndarray
    pointwise: dict[str, np.ndarray]
    names: Names
    seconds_compile: float
    seconds_run: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def response(self, **shocks) -> dict[str, np.ndarray]:
        """Deviations from the stationary equilibrium, (horizon,) each, when the paths become known in period 0.

        `shocks` are deviations of shocks by name, in the shock's own units, at most `horizon` periods long; zero
        afterwards. Series: shocks, aggregates, prices, outcomes and what is chosen ("consumption"). Warns where more
        than a hundredth of a response is left in the last period. Raises ValueError for a shock that the model does not
        have and for a path that is too long or not finite.
        """
        paths = shock_paths(self.names.shocks, self.horizon, shocks)
        if not paths:
            model = type(self.steady.economy.model).__name__
            raise ValueError(f"{model} declares no aggregate shock to respond to: give it one in aggregate_shocks().")
        shares = np.zeros((self.horizon, self.steady.mass.shape[1]))
        for name in self.shares:
            shares += np.einsum("ets,s->te", self.shares[name], paths[name])
        here = np.concatenate([self.unknown(paths), np.stack(list(paths.values()), axis=1), shares], axis=1)
        series = {name: here @ slope for name, slope in self.pointwise.items()}
        parts = {name: list(self.decompose(series, name).values()) for name in self.names.choices}
        found = {**series, **{name: np.sum(each, axis=0) for name, each in parts.items()}}
        moved = (name for name in self.names.path if name in found)
        warn_unsettled({name: np.abs(found[name]) for name in moved}, self.horizon)
        return found

    def unknown(self, paths: dict[str, np.ndarray]) -> np.ndarray:
        """Deviations of the unknowns, (horizon, unknown), given paths of all shocks, (horizon,) each."""
        return np.sum([np.einsum("kts,s->tk", self.general[name], path) for name, path in paths.items()], axis=0)

    def decompose(self, response: dict[str, np.ndarray], output: str = "consumption") -> dict[str, np.ndarray]:
        """The part of the response of `output` that is due to the path of each price and shock: they add up to it.

        `output` is "consumption", another choice or an aggregate that choices move. What a shock does other than
        through prices and cash on hand is the part "SHOCK, beyond prices". Raises ValueError for another name.
        """
        known = sorted({name for name, _ in self.household})
        if output not in known:
            raise ValueError(f"There is no household Jacobian of {output!r}: choose one of {', '.join(known)}.")
        parts = {name: self.household[output, name] @ response[name] for what, name in self.household if what == output}
        more = {f"{name}, beyond prices": self.beyond[what, name] @ response[name] for what, name in self.beyond
                if what == output}  # fmt: skip
        return {**parts, **more}


@float64_allowed
def linearize(steady: SteadyState, *, horizon: int = 300, income_risk: bool = True) -> LinearSolution:
    """The linear responses of an economy to shocks known from period 0 on, truncated after `horizon` periods.

    Responses that have not died out by then are cut: double the horizon and compare. A model without aggregate
    shocks has Jacobians but nothing to respond to. Warns where H_U is close to singular, as it is where no path or many
    paths stay bounded. With `income_risk=False` the chain of income stays at its average
    where it would move with the aggregate state. Raises ValueError for a horizon below 2.
    """
    cells, others = steady.mass.size, 4.0 * (8 + len(steady.economy.clearing_prices))
    require_sizes(
        "linearize", {"horizon": (horizon, -(2**63), 300)},
        lambda: (others * float(horizon) ** 2 + 2.0 * abs(horizon) * cells, abs(float(horizon)) ** 3),
    )  # fmt: skip
    if horizon < 2:
        raise ValueError(f"horizon = {horizon} holds no response: give 2 or more periods, typically 300.")
    solution, ss = _linearized(steady, horizon, income_risk)
    off = _goods_off(solution, ss)
    if off is not None:
        raise ValueError(_why_goods_are_off(solution, off, income_risk))
    return solution


def _linearized(steady: SteadyState, horizon: int, income_risk: bool) -> tuple[LinearSolution, SteadyValues]:
    """The result of `linearize`, and the steady state as arrays."""
    begin = time.perf_counter()
    names = names_of(steady.economy)
    ss, places, moved = _setting(steady, names, horizon, income_risk)
    program = _solve.lower(ss, names, places, horizon, moved).compile(compiler_options=quick_compilation())
    pointwise = jax.tree.map(np.asarray, _pointwise(ss, names))
    compiled = time.perf_counter()
    solved = jax.tree.map(np.asarray, program(ss, names, places, horizon, moved))
    _check_bounded(solved.jacobian, solved.inverse)
    outputs, shocks = names.outputs, names.shocks
    priced = [(k, names.inputs[i]) for k, i in enumerate(places) if i < len(names.inputs)]
    jacobians = {(o, name): solved.household[j, k] for j, o in enumerate(outputs) for k, name in priced}
    beyond = {(o, z): solved.beyond[j, i] for j, o in enumerate(outputs) for i, z in enumerate(shocks)}
    shares = {} if moved is None else {z: np.asarray(moved.share[i]) for i, z in enumerate(shocks)}
    solution = LinearSolution(
        steady, horizon, jacobians, {key: each for key, each in beyond.items() if np.any(each)},
        dict(zip(shocks, solved.general, strict=True)), shares, solved.jacobian, solved.inverse, pointwise, names,
        compiled - begin, time.perf_counter() - compiled,
    )  # fmt: skip
    return solution, ss


class _Off(NamedTuple):
    """Goods left over in the linear response to a `shock`, relative to what consumption moves by: the largest, `left`,
    in which `period`, and the share of its largest deviation at which some series still is in the last one, `late`."""

    shock: str
    left: float
    period: int
    late: float


def _goods_off(solution: LinearSolution, ss: SteadyValues, periods: int | None = None) -> _Off | None:
    """The first shock whose responses leave goods over or miss some in the first `periods`, half of all by default.

    The derivative of goods_market() along the responses to a shock of period 0 that halves every period.
    """
    names, horizon, economy = solution.names, solution.horizon, ss.economy
    still = {**economy.series(jax.tree.map(in_jax, solution.steady.public)),
             **dict(zip(names.choices, ss.choices, strict=True))}  # fmt: skip
    level = jax.tree.map(lambda x: jnp.broadcast_to(x, (horizon,)), still)
    for shock in names.shocks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of horizons that are too short
            found = solution.response(**{shock: 0.5 ** np.arange(horizon)})
        move = {name: jnp.asarray(found[name]) for name in level}
        left = jax.jvp(lambda x: goods_along(economy, names, x), (level,), (move,))[1]
        if left is None:
            return None
        left = np.asarray(left)[: max(1, horizon // 2) if periods is None else periods]
        size = max(float(np.abs(move[name]).max() / abs(float(still[name]))) for name in names.choices)
        if np.abs(left).max() > LEFT * size:
            period = int(np.abs(left).argmax())
            paths = [np.abs(found[name]) for name in names.path if name in found]
            late = max((float(path[-1] / path.max()) for path in paths if path.max() > 0), default=0.0)
            return _Off(shock, float(left[period]) / size, period, late)
    return None


def _why_goods_are_off(solution: LinearSolution, off: _Off, income_risk: bool) -> str:
    """Whether the horizon cuts responses off, tried with longer ones, or an equation is wrong."""
    model, horizon = type(solution.steady.economy.model).__name__, solution.horizon
    message = (
        f"{model}.goods_market(): in the linear response to {off.shock} goods of {100 * abs(off.left):.3g} % of what "
        f"consumption moves by are {'left over' if off.left > 0 else 'missing'} in period {off.period}"
    )
    tried, then = horizon, off
    while off.late > SETTLED and 2 * tried <= LONGEST:
        tried, before = 2 * tried, abs(then.left)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            longer, ss = _linearized(solution.steady, tried, income_risk)
        then = _goods_off(longer, ss, max(1, horizon // 2))
        if then is None:
            return (
                f"{message}, because horizon = {horizon} cuts responses off: with horizon={tried} goods are "
                "accounted for."
            )
        if abs(then.left) > 0.5 * before:
            break
    return (
        f"{message}, though every declared market clears and the stationary equilibrium closes"
        f"{f', and so it is with horizon={tried}' if tried > horizon else ''}: an equation is wrong away from it; "
        "compare prices() and resources() with goods_market()."
    )


def _check_bounded(jacobian: np.ndarray, inverse: np.ndarray) -> None:
    units = np.abs(jacobian).max(axis=1)  # of every equation
    condition = float(np.abs(jacobian / units[:, None]).sum(axis=0).max() * np.abs(inverse * units).sum(axis=0).max())
    if not condition < SINGULAR:
        warn_user(
            f"The linear system is close to singular (condition number {condition:.1g}): responses mean nothing where "
            "no path stays bounded or many do; ask winding_number(), on a longer horizon if need be."
        )


class _Moved(NamedTuple):
    """Responses of income risk to shocks known from period 0 on, per unit: `share` (shocks, E, time, time), the `chain`
    as coordinates (shocks, basis, time, time) on `basis` (basis, E, E), and `first`, the chain into period 0, (shocks,
    time, E, E)."""

    share: Array
    chain: Array
    basis: Array
    first: Array


def _moved(risk: Risk, mean: Array, horizon: int) -> _Moved:
    """Derivatives of the path of income risk, with as few directions of the chain as there are."""
    still = jnp.zeros((horizon, len(mean)))
    slopes = jax.jit(jax.jacfwd(lambda deviations: given_along(risk, mean, deviations)))(still)
    chain = np.asarray(jnp.einsum("tefsz->efzts", slopes.chain))
    own = chain.shape[0]
    flat = chain.reshape(own * own, -1)
    size, directions = np.linalg.eigh(flat @ flat.T)
    basis = directions[:, size > 1e-20 * max(size.max(), 1e-300)].T
    coordinates = np.moveaxis((basis @ flat).reshape(len(basis), *chain.shape[2:]), 1, 0)
    share, first = jnp.einsum("tesz->zets", slopes.share), jnp.einsum("efsz->zsef", slopes.first)
    return _Moved(share, jnp.asarray(coordinates), jnp.asarray(basis.reshape(-1, own, own)), first)


class _Solved(NamedTuple):
    """The arrays of a `LinearSolution`: household (outputs, places, time, time), beyond (outputs, shocks, time, time),
    general (shocks, unknown, time, time), H_U and -H_U^{-1}."""

    household: Array
    beyond: Array
    general: Array
    jacobian: Array
    inverse: Array


def _household_of(ss: SteadyValues, names: Names, moved: _Moved | None) -> Household:
    """Households given prices and shocks, then coordinates of the chain."""
    count = len(names.inputs)

    def economy_at(inputs):
        if moved is None:
            return ss.economy
        chain = ss.economy.income_transition[0, 0] + jnp.tensordot(inputs[count:], moved.basis, 1)
        return with_chain(ss.economy, chain)

    return Household(
        lambda marginal, inputs: step(economy_at(inputs), names, marginal, inputs[:count]),
        lambda mass, savings, inputs: move(economy_at(inputs), mass, savings),
    )


@eqx.filter_jit
def _households(
    ss: SteadyValues, names: Names, places: tuple[int, ...], horizon: int, moved: _Moved | None
) -> tuple[Array, Array]:
    """Household Jacobians with the column of the period after the last one, (outputs, priced places, time, time + 1),
    and what shocks do beyond prices."""
    priced = tuple(i for i in places if i < len(ss.inputs))
    given = jnp.append(ss.inputs, jnp.zeros(len(places) - len(priced)))
    found = household_jacobians(ss, names, _household_of(ss, names, moved), given, places, horizon + 1)
    inside = found._replace(jacobians=found.jacobians[..., :-1, :-1], outputs=found.outputs[:-1])
    return found.jacobians[:, : len(priced), :-1], _beyond(ss, names, inside, moved)


def households_at(ss: SteadyValues, names: Names, places: tuple[int, ...], horizon: int) -> tuple[Array, Array]:
    """`through` and `beyond` of `Responses`, traceable, where income risk does not move with the aggregate state."""
    through, beyond = _households(ss, names, places, horizon, None)
    return through.swapaxes(1, 2), beyond


@float64_allowed
def household_responses(steady: SteadyState, names: Names, horizon: int) -> tuple[SteadyValues, Responses]:
    """The steady state as arrays and the responses of its households, of `names.outputs` alone: what linear systems
    are made of."""
    ss, places, moved = _setting(steady, names, horizon, income_risk=True)
    program = _households.lower(ss, names, places, horizon, moved).compile(compiler_options=quick_compilation())
    through, beyond = program(ss, names, places, horizon, moved)
    priced = jnp.asarray([i for i in places if i < len(names.inputs)], int)
    shares = None if moved is None else moved.share
    return ss, Responses(through.swapaxes(1, 2), beyond if np.any(np.asarray(beyond)) else None, shares, priced)


def _setting(steady: SteadyState, names: Names, horizon: int, income_risk: bool):
    """Arrays of the steady state, the places of what households respond to, and how income risk moves."""
    ss, risk = steady_values(steady, names), risk_of(steady.economy) if income_risk else None
    moved = None if risk is None else _moved(risk, ss.shocks, horizon)
    directions = 0 if moved is None else len(moved.basis)
    places = (*relevant_inputs(ss, names), *range(len(names.inputs), len(names.inputs) + directions))
    return ss, places, moved


@eqx.filter_jit
def _solve(ss: SteadyValues, names: Names, places: tuple[int, ...], horizon: int, moved: _Moved | None) -> _Solved:
    """Household Jacobians, what shocks do beyond prices, G of every shock, H_U and -H_U^{-1}."""
    through, beyond = _households(ss, names, places, horizon, moved)
    through, after = through[..., :-1], through[..., -1]  # the last period moves the one after
    local, seen = local_slopes(ss, names), jnp.asarray([i for i in places if i < len(ss.inputs)], int)
    brought = slice(len(names.path) - len(names.state_variables), None)
    by_carried, ahead = local.inputs.here[seen, brought], local.ahead.here[:, brought]

    def rows(what: str, outputs: Array) -> Array:
        """Residuals, (path, directions, horizon, horizon), as a part of the `Moment` moves: inputs move
        outputs, and these the rest."""
        inputs, excess, later, state_variables = (
            getattr(each, what) for each in (local.inputs, local.excess, local.ahead, local.state_variables)
        )
        outputs = outputs + jnp.einsum("oits,id->odts", through, inputs[seen])
        outputs = outputs.at[..., -1].add(jnp.einsum("oit,ic,cd->odt", after, by_carried, state_variables))
        excess, left = (jnp.einsum("md,ts->mdts", x, jnp.eye(horizon)) for x in (excess, state_variables))
        excess += jnp.einsum("md,ts->mdts", later, jnp.eye(horizon, k=1))
        excess = excess.at[..., -1, -1].add(ahead @ state_variables)  # the period after the last one
        excess += jnp.einsum("mc,cdts->mdts", local.choices, outputs[: len(names.choices)])
        left = jnp.pad(left[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0)))  # found one period later
        return jnp.concatenate([outputs[len(names.choices) :], excess, left])

    count, size = len(names.path), len(names.path) * horizon
    own = jnp.diag(jnp.asarray([float(name not in names.clearing) for name in names.path]))
    in_unknown = rows("here", jnp.zeros(())) - jnp.einsum("kl,ts->klts", own, jnp.eye(horizon))
    jacobian = in_unknown.transpose(0, 2, 1, 3).reshape(size, size)
    in_shock = rows("shocks", beyond)
    if moved is not None:
        in_shock += jnp.einsum("ketu,zeus->kzts", rows("share", jnp.zeros(())), moved.share)
    inverse = -jnp.linalg.inv(jacobian)
    right = in_shock.transpose(1, 0, 2, 3).reshape(len(names.shocks), size, horizon)
    general = jnp.einsum("ab,zbs->zas", inverse, right).reshape(len(names.shocks), count, horizon, horizon)
    return _Solved(through, beyond, general, jacobian, inverse)


def _beyond(ss: SteadyValues, names: Names, found: Expected, moved: _Moved | None) -> Array:
    """Responses of outputs to shocks at given prices other than through cash on hand, (outputs, shocks, time, time)."""

    def at_once(z: Array) -> Array:
        return supplied(ss.economy, names.summed_aggregates, ss.mass, shock_values(names, z))

    slopes = jax.jacfwd(at_once)(ss.shocks)  # (moved, shocks)
    slopes = jnp.concatenate([jnp.zeros((len(names.summed_choices), len(names.shocks))), slopes])
    total = jnp.einsum("oz,ts->ozts", slopes, jnp.eye(len(found.outputs)))
    if moved is None:
        return total
    risk = jnp.einsum("ortu,zrus->ozts", found.jacobians[:, -len(moved.basis) :], moved.chain)
    settled = ss.economy.settle(ss.mass, ss.economy.lottery(found.decision.savings))
    households = jnp.einsum("toaf,ae->toef", found.outputs, settled)
    return total + risk + jnp.einsum("toef,zsef->ozts", households, moved.first)


@eqx.filter_jit
def _pointwise(ss: SteadyValues, names: Names):
    """Slopes (unknown + shocks + income,) of everything that follows from today's unknowns, shocks and shares."""
    counts = np.cumsum([len(ss.here), len(ss.shocks)])

    def everything(here):
        unknown, shocks, share = jnp.split(here, counts)
        public = form(
            ss.economy, names, dict(zip(names.path, unknown, strict=True)), shock_values(names, shocks), share
        )
        return {name: jnp.asarray(value, jnp.float64) for name, value in ss.economy.series(public).items()}

    return jax.jacfwd(everything)(jnp.concatenate([ss.here, ss.shocks, ss.share]))
