"""Side by side: the responses of global solutions, of the perfect-foresight path and of the linear solution.

All methods answer the same question: a shock of a given size at date 0 changes the expected path of every shock by dz
(compare_shocks.py). A global solution averages over what may happen (impulse_response.py); on the other two all
foresee dz and nothing else happens. Responses are in percent of the value without the shock, of the stationary value
where there is no aggregate risk, in percentage points for rates and shares, and in their own units for levels that
reach zero. With y a response and L the linear one,

    gap_h = 100 (y_h - L_h) / L_peak,       L_peak the value of L where it is largest in absolute value:

a positive gap is a response that goes further in the direction of the peak. The path departs from the linear response
because the economy is not linear in the size of the shock; a global solution also because of aggregate risk and because
it starts from the ergodic set.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from hank_mfg.evaluate.compare_methods import FORESIGHT, LINEAR, Global, accuracy_of, methods_table
from hank_mfg.evaluate.compare_shocks import Plan, make_plan, ratio_of
from hank_mfg.evaluate.compare_tables import gaps_to_latex
from hank_mfg.evaluate.impulse_response import ImpulseResponse, impulse_response
from hank_mfg.evaluate.units import PERCENT, POINTS, factor, kinds_of, of_rate
from hank_mfg.files import also_written
from hank_mfg.model.units import RATE
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.classical.krusell_smith import ClassicalSolution
from hank_mfg.solve.sequence.sequence_space import linearize
from hank_mfg.solve.sequence.transition import Transition, transition
from hank_mfg.solve.solution import Solution, model_note
from hank_mfg.solve.stationary.steady_state import steady_state
from hank_mfg.wording import readable

FIRST = ("output", "consumption", "capital", "interest_rate", "wage")  # of the variables, in tables
EXACT = 1e-13  # tolerance of the stationary equilibrium, whose own error must not be taken for a response
NOTHING = 1e-8  # a linear response this much smaller than the largest one is none
ENDS = ("lower", "upper", "error")  # what a global response has beside its mean
Series = dict[str, np.ndarray]
Tell = Callable[[str], None]


class Responses(NamedTuple):
    """The responses to one size: `mean` maps methods to variables to (horizon,) arrays in the units of the comparison.

    `lower` and `upper` have the band of the global solutions, `error` their standard errors; `expected` the deviations
    of every shock that all methods are given, in the shock's own units, (horizon of the linear solution,) each.
    """

    size: float
    expected: Series
    mean: dict[str, Series]
    lower: dict[str, Series]
    upper: dict[str, Series]
    error: dict[str, Series]


@readable
@dataclasses.dataclass(frozen=True)
class Comparison:
    """Responses to one shock by every method, for every size, and how accurate each method is.

    `sizes` of the shock are in its own units, `labels` name them for a reader; `mean` is the shock's stationary mean.
    `units` maps every variable to "percent", "percentage points" or "level"; `shock_unit` is that of the sizes as a
    reader sees them; `period` what a model period is, "" where it is not declared; `rates` names what is a rate per
    period. `methods` is one row per method.
    """

    shock: str
    mean: float
    sizes: tuple[float, ...]
    labels: tuple[str, ...]
    horizon: int
    units: dict[str, str]
    responses: tuple[Responses, ...]
    methods: pd.DataFrame
    note: str
    shock_unit: str = PERCENT
    period: str = ""
    rates: tuple[str, ...] = ()

    def unit_shown(self, variable: str) -> str:
        """The unit of a variable for a reader, in few letters: "percent", "points per quarter", "points", "level"."""
        unit = self.units[variable]
        return (of_rate(unit, self.period) if variable in self.rates else unit).replace(POINTS, "points")

    def response(self, size: float, method: str, variable: str) -> np.ndarray:
        """One response, (horizon,), in the units of the variable. Raises KeyError for what is not compared."""
        return self._of(size).mean[method][variable]

    def _of(self, size: float) -> Responses:
        return self.responses[self.sizes.index(size)]

    def gap(self, size: float, method: str, variable: str) -> np.ndarray:
        """100 (response - linear response) / peak of the linear response, (horizon,); NaN where that is nothing.

        A shock of size zero has no peak: the difference itself, in the unit of the variable.
        """
        response, linear = self.response(size, method, variable), self.response(size, LINEAR, variable)
        return self._of_peak(size, variable, response - linear)

    def gap_error(self, size: float, method: str, variable: str) -> np.ndarray:
        """The standard error of `gap` over starting states, (horizon,); NaN where none were drawn."""
        error = self._of(size).error.get(method, {}).get(variable, np.full(self.horizon, np.nan))
        return np.abs(self._of_peak(size, variable, error))

    def _of_peak(self, size: float, variable: str, values: np.ndarray) -> np.ndarray:
        """Values (horizon,) in percent of the peak of the linear response, NaN where that is nothing; see `gap`."""
        if size == 0.0:
            return values
        _, peak = self._peak(size, variable)
        largest = max(np.abs(each).max() for each in self._of(size).mean[LINEAR].values())
        return 100.0 * values / peak if abs(peak) > NOTHING * largest else np.full(self.horizon, np.nan)

    def _peak(self, size: float, variable: str) -> tuple[int, float]:
        """The period in which the linear response is largest in absolute value, and its value there."""
        linear = self.response(size, LINEAR, variable)
        at = int(np.abs(linear).argmax())
        return at, float(linear[at])

    @property
    def gaps(self) -> pd.DataFrame:
        """The table of gaps: one row per (size, variable).

        Of the linear response its unit, its peak and the period of the peak; of every other method the gap that is
        largest in absolute value, in percent of that peak, and its period, and, where starting states were drawn, the
        standard error of the response there, in the same unit. Missing where nothing responds.
        """
        rows = {}
        for size in self.sizes:
            for variable, unit in self.units.items():
                at, peak = self._peak(size, variable)
                row: dict[tuple[str, str], Any] = {
                    (LINEAR, "unit"): unit, (LINEAR, "peak"): peak, (LINEAR, "period"): at,
                }  # fmt: skip
                for method in self.others:
                    gap = self.gap(size, method, variable)
                    at = int(np.abs(gap).argmax())
                    row[method, "gap"] = float(gap[at])
                    if method in self._of(size).error:
                        row[method, "error"] = float(self.gap_error(size, method, variable)[at])
                    row[method, "period"] = pd.NA if np.isnan(gap[at]) else at
                rows[size, variable] = row
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["size", "variable"])
        frame.columns = pd.MultiIndex.from_tuples(frame.columns)
        return frame.astype({key: "Int64" for key in frame.columns if key[1] == "period"})

    @property
    def others(self) -> list[str]:
        """Every method but the linear one: the path, then the global solutions."""
        return [method for method in self.responses[0].mean if method != LINEAR]

    def frame(self) -> pd.DataFrame:
        """Every response in long format: size, variable, unit, method, period, response, lower, upper, error, gap."""
        tables = []
        for item in self.responses:
            for method, series in item.mean.items():
                for variable, values in series.items():
                    head = {"size": item.size, "variable": variable, "unit": self.units[variable], "method": method}
                    band = {end: getattr(item, end).get(method, {}).get(variable, np.nan) for end in ENDS}
                    gap = {"gap_percent_of_linear_peak": self.gap(item.size, method, variable)}
                    rows = {**head, "period": np.arange(self.horizon), "response": values, **band, **gap}
                    tables.append(pd.DataFrame(rows))
        return pd.concat(tables, ignore_index=True)

    to_frame = frame

    def table(self) -> pd.DataFrame:
        """The table of gaps, `gaps`."""
        return self.gaps

    def to_latex(self, path: str | os.PathLike | None = None) -> str:
        """The table of gaps as LaTeX (booktabs), also written to `path` where given."""
        return also_written(gaps_to_latex(self), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, None where one is missing: what was compared, responses by size, both tables, the note."""
        responses = [
            {
                "size": item.size,
                "expected": {name: values[: self.horizon].tolist() for name, values in item.expected.items()},
                **{method: {name: v.tolist() for name, v in series.items()} for method, series in item.mean.items()},
            }
            for item in self.responses
        ]
        flat = flattened(self.gaps).reset_index()
        names = ("shock", "mean", "shock_unit", "horizon", "period", "units", "note")
        return {
            **{name: getattr(self, name) for name in names},
            "sizes": list(self.sizes),
            "responses": responses,
            "gaps": _records(flat),
            "methods": _records(self.methods.reset_index()),
        }


def flattened(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of gaps with one line of headings: "Perfect foresight: gap"."""
    return frame.set_axis([": ".join(key) for key in frame.columns], axis=1)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def require_sampling(horizon: int, starts: int, paths: int, periods: int) -> None:
    """Raise SizeError for sizes of a comparison that are no whole numbers or do not fit this machine."""
    require_sizes(
        "compare",
        {
            "horizon": (horizon, -(2**63), 100),
            "starts": (starts, 1, 96),
            "paths": (paths, 1, 8),
            "periods": (periods, 100, 10_000),
        },
        lambda: (
            60.0 * float(horizon) ** 2 + 30.0 * (starts * paths * horizon + periods),
            1e4 * starts * paths * horizon,
        ),
    )


@float64_allowed
def compare(
    solution: Global | Mapping[str, Global],
    shock: str | None = None,
    sizes: Any = None,
    *,
    horizon: int = 100,
    linear_horizon: int = 300,
    starts: int = 96,
    paths: int = 8,
    seed: int = 5,
    accuracy: bool = True,
    periods: int = 10_000,
    asset_points: int = 500,
    tell: Tell = lambda text: None,
) -> Comparison:
    """Compare global, perfect-foresight and linear responses to one shock, size by size; see the module's formulas.

    `solution` is a global solution, or several of the same model by label, {"RSPG": ..., "Krusell-Smith": ...}.
    `shock` is by default the only one; `sizes` are in its own units, by default -1, -0.1, 0.1 and 1 percent of its
    mean, or less where the chain does not reach that far. `horizon` periods are compared. The linear solution and the
    path have `linear_horizon` periods on `asset_points` asset points; `starts`, `paths` and `seed` are those of
    `impulse_response`. `accuracy=False` leaves out Den Haan's test and Euler errors, measured over `periods` periods.
    `tell` is called with a line when a long step begins. Raises ValueError for what is not a global solution or not of
    one model, a shock or size that the model does not have (see `make_plan`), or a horizon longer than
    `linear_horizon`; TransitionError where there is no path.
    """
    solutions = _labeled(solution)
    model = next(iter(solutions.values())).model
    plan = make_plan(model, shock, sizes)
    require_sampling(horizon, starts, paths, periods)
    require_sizes(
        "compare", {"linear_horizon": (linear_horizon, 2, 300)}, lambda: (30.0 * float(linear_horizon) ** 2, 0.0)
    )
    if not 2 <= horizon <= linear_horizon:
        raise ValueError(f"horizon = {horizon}: compare 2 or more periods, at most linear_horizon = {linear_horizon}.")
    tell("Solving for the linear responses and the paths.")
    steady = steady_state(model, asset_points=asset_points, tolerance=EXACT)
    linear = linearize(steady, horizon=linear_horizon)
    expected = plan.expected(linear_horizon)
    foreseen = [transition(steady, horizon=linear_horizon, linear=linear, **cast(Any, each)) for each in expected]
    drawn: dict[str, list[ImpulseResponse]] = {}
    for label, each in solutions.items():
        tell(f"Computing responses of {label}.")
        drawn[label] = _global_responses(each, plan, horizon=horizon, starts=starts, paths=paths, seed=seed)
    units = _units(drawn, foreseen[0])
    left_out = [name for name in foreseen[0].series if name in next(iter(drawn.values()))[0].mean and name not in units]
    responses = tuple(
        _of_size(
            size, expected[place], (linear.response(**expected[place]), foreseen[place].deviations()),
            {label: each[place] for label, each in drawn.items()}, _Scale(units, foreseen[0].final),
        )
        for place, size in enumerate(plan.sizes)
    )  # fmt: skip
    measured = {}
    for label, each in solutions.items() if accuracy else ():
        tell(f"Measuring the accuracy of {label} over {periods:,} periods.")
        measured[label] = accuracy_of(each, linear, periods)
    labels = tuple(plan.label(size) for size in plan.sizes)
    return Comparison(
        plan.shock, plan.mean, plan.sizes, labels, horizon, units, responses,
        methods_table(solutions, linear, foreseen, measured),
        _note(plan, next(iter(drawn.values()))[0], solutions, seed, left_out), plan.unit, model.period,
        tuple(name for name, kind in kinds_of(plan.economy).items() if kind == RATE and name in units),
    )  # fmt: skip


def _labeled(solution: Any) -> dict[str, Global]:
    """Global solutions by label. Raises ValueError for what is none, or not of one model."""
    found = dict(solution) if isinstance(solution, Mapping) else {usual_label(solution): solution}
    for label, each in found.items():
        if not isinstance(each, Solution | ClassicalSolution):
            raise ValueError(
                f"{label} is a {type(each).__name__}, not the global solution of an economy: pass what solve(model) "
                "returns, or several of them by label."
            )
        if label in (LINEAR, FORESIGHT):
            raise ValueError(f"The label {label!r} is taken by another method: choose another one.")
    if not found:
        raise ValueError("There is no solution to compare: pass at least one.")
    first, *others = found.items()
    for label, each in others:
        if not _same(first[1].model, each.model):
            raise ValueError(f"{first[0]} and {label} solve models that differ: compare solutions of the same model.")
    return found


def usual_label(solution: Any) -> str:
    """The name of a solution in tables: Krusell-Smith, RSPG, or SPG without memory."""
    if isinstance(solution, ClassicalSolution):
        return "Krusell-Smith"
    if isinstance(solution, Solution):
        return "SPG" if solution.settings.memory == "none" else "RSPG"
    return "solution"


def _same(model: Any, other: Any) -> bool:
    """Whether two models have the same name and fields; a class loaded twice from one file is the same."""
    if type(model).__name__ != type(other).__name__:
        return False
    fields = [field.name for field in dataclasses.fields(model)]
    return all(np.array_equal(np.asarray(getattr(model, n)), np.asarray(getattr(other, n))) for n in fields)


def _global_responses(solution: Global, plan: Plan, **draws: Any) -> list[ImpulseResponse]:
    """The generalized response to every size; one that moves the same probabilities as another is a multiple of it."""
    found: list[ImpulseResponse] = []
    for place, (size, change) in enumerate(zip(plan.sizes, plan.changes, strict=True)):
        for response, other in zip(found, plan.changes[:place], strict=True):
            ratio = ratio_of(change, other)
            if ratio is not None:
                found.append(_multiple(response, ratio, size))
                break
        else:
            found.append(impulse_response(solution, plan.shock, size, **draws))
    return found


def _multiple(response: ImpulseResponse, ratio: float, size: float) -> ImpulseResponse:
    mean, lower, upper = (
        {name: ratio * v for name, v in each.items()} for each in (response.mean, response.lower, response.upper)
    )
    lower, upper = (lower, upper) if ratio > 0 else (upper, lower)
    error = {name: abs(ratio) * v for name, v in response.error.items()}
    return dataclasses.replace(response, size=size, mean=mean, lower=lower, upper=upper, error=error)


def _units(drawn: dict[str, list[ImpulseResponse]], path: Transition) -> dict[str, str]:
    """The variables that every method has in the same unit: name -> unit, the usual ones first."""
    every = [response.units for each in drawn.values() for response in each]
    units = {}
    for name in sorted(path.series, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        unit = every[0].get(name)
        same = unit is not None and all(units.get(name) == unit for units in every)
        if same and (unit != PERCENT or path.final[name] > 0):
            units[name] = unit
    return units


class _Scale(NamedTuple):
    """Units and stationary values by name: from deviations in levels to responses."""

    units: dict[str, str]
    stationary: dict[str, float]

    def __call__(self, levels: Series, horizon: int) -> Series:
        base = {name: self.stationary[name] if unit == PERCENT else 1.0 for name, unit in self.units.items()}
        return {name: factor(unit) * levels[name][:horizon] / base[name] for name, unit in self.units.items()}


def _of_size(
    size: float,
    expected: Series,
    certain: tuple[Series, Series],
    drawn: dict[str, ImpulseResponse],
    scale: _Scale,
) -> Responses:
    """All responses to one size in the units of the comparison."""
    horizon = next(iter(drawn.values())).horizon

    def responses(end: str) -> dict[str, Series]:
        return {k: {name: getattr(response, end)[name] for name in scale.units} for k, response in drawn.items()}

    mean = {method: scale(levels, horizon) for method, levels in zip((LINEAR, FORESIGHT), certain, strict=True)}
    return Responses(size, expected, {**mean, **responses("mean")}, *(responses(end) for end in ENDS))


def _note(plan: Plan, drawn: ImpulseResponse, solutions: Mapping[str, Global], seed: int, left_out: list[str]) -> str:
    shock = plan.shock.replace("_", " ").removesuffix(" shock")
    pieces = [
        f"Every method is given the same expected path of the {shock} shock.",
        "Linear and perfect foresight: no aggregate risk, from the stationary equilibrium.",
        f"Global solutions: mean over {drawn.starts} states of the ergodic set and {drawn.paths} paths each, float64, "
        f"seed {seed}; band: {drawn.coverage:.0%} of these states; s.e.: standard error of a mean over them.",
    ]
    pieces += plan.about_multiples()
    notes = {label: model_note(each) for label, each in solutions.items()}
    pieces += [f"{label}: {note}" for label, note in notes.items() if note]
    if left_out:
        pieces.append(f"Not compared, because they reach zero by one method only: {', '.join(left_out)}.")
    return " ".join(pieces)
