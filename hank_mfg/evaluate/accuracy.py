"""The accuracy report: every measure at once, each with the sizes, precision and seeds behind it."""

import dataclasses
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from hank_mfg.arguments import require_none
from hank_mfg.environment.quantities import names_of
from hank_mfg.errors import warn_user
from hank_mfg.evaluate.accuracy_table import accuracy_frame, accuracy_note, accuracy_rows, judged_lines
from hank_mfg.evaluate.bars import BARS, OK, verdicts
from hank_mfg.evaluate.box_accuracy import BoxAccuracy, box_accuracy
from hank_mfg.evaluate.euler_errors import EulerErrors, euler_errors
from hank_mfg.evaluate.exploitability.deviation import Exploitability, economy_exploitability
from hank_mfg.evaluate.forecast import ForecastErrors, forecast_errors
from hank_mfg.evaluate.portfolio_errors import PortfolioErrors
from hank_mfg.evaluate.search_gain import SearchGain, search_gain
from hank_mfg.evaluate.simulate import Simulation, simulate
from hank_mfg.files import as_latex
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed
from hank_mfg.progress import telling
from hank_mfg.sizes import require_sizes, require_whole
from hank_mfg.solve.classical.law_of_motion import LawOfMotion
from hank_mfg.solve.gradient.box_training import BoxSolution
from hank_mfg.solve.solution import GlobalSolution, Solution

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 20  # periods on which a law of motion can be fitted
ENOUGH = "a law of motion fitted on one path and tested on another needs 100 periods or more"


@portable
@dataclasses.dataclass(frozen=True)
class Accuracy:
    """The accuracy of a solution. Everything is measured in float64 on `asset_points` points over `periods` periods.

    `simulation` is the path on which the law of motion of `variable` is fitted, `forecast` Den Haan's test on another
    path, None where there is nothing to have a law; `euler` one-step and dynamic Euler errors, with two assets one-step
    ones of each; `exploitability` both ends of the gain from deviating, `search` the gain that a search over all
    choices finds, which uses no first-order condition; None where it was not measured.
    """

    simulation: Simulation
    forecast: ForecastErrors | None
    euler: EulerErrors | PortfolioErrors
    exploitability: Exploitability | None
    variable: str
    seed: int
    search: SearchGain | None = None

    @property
    def law(self) -> LawOfMotion:
        """The law of motion that was fitted. Raises ValueError where there is nothing to have one."""
        if self.forecast is None:
            raise ValueError(
                "No law of motion was fitted: choices move no aggregate that prices follow from, only "
                f"{self.variable} clears; pass variable=NAME to evaluate() to fit one."
            )
        return self.forecast.law

    def table(self) -> "pd.DataFrame":
        """Every measure with its unit in its name: its value, and the verdict of its bar (bars.py), "" without one."""
        return accuracy_frame(self.to_dict())

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table(), path, **{"note": accuracy_note(self.to_dict()), "digits": 4, **options})

    def to_dict(self) -> dict:
        """The report as plain numbers: names ending in _percent are percent, the rest are levels or decimals.

        What does not apply is None: the law of motion and Den Haan's test where choices move no aggregate that prices
        follow from, residuals of markets that the model does not state, errors of firms where none sets its price.
        `verdicts` holds, for every measure with a bar (bars.py), "ok" or the bar that it is above.
        """
        simulation, forecast, gains = self.simulation, self.forecast, self.exploitability
        series, market, excess = simulation.series[self.variable], simulation.goods_market, simulation.excess_demand
        content = {
            f"{self.variable}_mean": float(series.mean()),
            f"{self.variable}_sd": float(series.std()),
            "variable": self.variable,
            "law_of_motion": None if forecast is None else {
                "variable": self.variable,
                "intercept": forecast.law.intercept.tolist(),
                "slope": forecast.law.slope.tolist(),
                "r2": forecast.law.r_squared.tolist(),
            },
            "den_haan_mean_percent": None if forecast is None else 100 * forecast.mean,
            "den_haan_max_percent": None if forecast is None else 100 * forecast.maximum,
            **self.euler.to_dict(),
            "top_of_grid_mass": float(simulation.top_of_grid.max()),
            "goods_market_residual_max": None if market is None else float(np.abs(market).max()),
            "market_clearing_residual_max": float(np.abs(excess).max()) if excess.size else None,
            "exploitability": None if gains is None else {
                "clairvoyant": gains.clairvoyant,
                "nonanticipative": gains.nonanticipative,
                "consumption_percent": {
                    "clairvoyant": gains.clairvoyant_percent,
                    "nonanticipative": gains.nonanticipative_percent,
                },
                "standard_error": {
                    "clairvoyant": gains.clairvoyant_standard_error,
                    "nonanticipative": gains.nonanticipative_standard_error,
                },
                "paths": gains.paths, "horizon": gains.horizon, "deviator_updates": gains.updates,
            },
            "search": None if self.search is None else self.search._asdict(),
            "periods": simulation.periods,
            "precision": "float64",
            "distribution": "histogram, moved exactly",
            "seed": self.seed,
        }  # fmt: skip
        return {**content, "verdicts": verdicts(content)}

    def __repr__(self) -> str:
        """The table of every measure with its unit and its verdict."""
        content = self.to_dict()
        return "\n".join([*judged_lines(accuracy_rows(content)), accuracy_note(content)])


@overload
def evaluate(
    solution: GlobalSolution,
    *,
    periods: int = 10_000,
    variable: str | None = None,
    seed: int = 1,
    asset_points: int | Mapping[str, int] | None = None,
    deviations: bool = True,
    verbose: bool | None = None,
) -> Accuracy:
    """One solution."""
    ...


@overload
def evaluate(
    solution: BoxSolution,
    *,
    points: int = 8,
    periods: int = 10_000,
    seed: int = 1,
    asset_points: int | Mapping[str, int] | None = None,
    verbose: bool | None = None,
) -> BoxAccuracy:
    """A solution over a box of parameters."""
    ...


@float64_allowed
def evaluate(
    solution: GlobalSolution | BoxSolution,
    *,
    periods: int = 10_000,
    variable: str | None = None,
    seed: int = 1,
    asset_points: int | Mapping[str, int] | None = None,
    deviations: bool | None = None,
    points: int | None = None,
    verbose: bool | None = None,
) -> Accuracy | BoxAccuracy:
    """Measure the accuracy of a solution.

    The law of motion is that of the aggregate `variable`, by default the first that choices move and prices follow
    from; where there is none, no law is fitted, and the first price that clears is described. It is fitted on one path
    of `periods` periods and tested on another, neither seen in training. `deviations=False` leaves out exploitability,
    which trains a deviator; where households have two assets both it and the gain by search are left out unless
    `deviations=True`, for they take minutes; of a planner's solution there are none, and Euler errors are those of the
    planner's condition. Progress is reported on standard error every 30 seconds, with
    `verbose=True` at every step, with `verbose=False` never. Warns when the top of the asset grid holds more than 1e-6
    of the mass, or when the path is too short for its mean to have settled.

    A solution over a box of parameters is measured at its middle, at its corners, where these are no more than 32, and
    at `points` points drawn evenly, 8 unless said: Euler errors, and the worst point; `evaluate(solution.at(...))`
    gives the whole report at one point.

    Raises ValueError for a variable that is not simulated, for deviations from a policy that was not trained, and for
    arguments that the other kind of solution takes.
    """
    require_whole("periods", periods, 100, f"{ENOUGH}, 10000 are usual")
    if isinstance(solution, BoxSolution):
        require_none({"variable": variable, "deviations": deviations}, "one solution", "this is one over a box")
        measured = {"points": 8 if points is None else points, "periods": periods, "seed": seed}
        with telling("evaluate", verbose) as lines:
            return box_accuracy(solution, **measured, asset_points=cast(Any, asset_points), lines=lines)
    require_none({"points": points}, "a solution over a box of parameters", f"this is a {type(solution).__name__}")
    several, planned = solution.steady.economy.several, solution.steady.economy.planned
    deviations = not (several or planned) if deviations is None else deviations
    if deviations and not isinstance(solution, Solution):
        raise ValueError(
            f"Exploitability trains a deviator from a trained policy, which a {type(solution).__name__} does not have: "
            "pass deviations=False."
        )
    settings: dict[str, Any] = {"periods": periods, "asset_points": asset_points}
    with telling("evaluate", verbose) as lines, ThreadPoolExecutor(1) as beside:
        lines.step(f"simulating {periods:,} periods")
        fitted = simulate(solution, seed=seed, **settings)
        if variable is not None and variable not in fitted.series:
            raise ValueError(f"variable = {variable!r} is not simulated: choose one of {', '.join(fitted.series)}.")
        economy = solution.play(10).economy
        names = names_of(economy)
        lawful = (variable,) if variable is not None else names.unknown[:1]
        variable = (*lawful, *names.clearing)[0]
        gains = None
        if deviations and isinstance(solution, Solution):  # beside the others: most of it is compilation
            gains = beside.submit(economy_exploitability, solution, seed=seed + 3)
        lines.step("Den Haan's test and Euler errors" if lawful else "Euler errors")
        forecast = den_haan(solution, fitted, variable, seed=seed + 1, **settings) if lawful else None
        euler = euler_errors(solution, seed=seed + 2, **settings)
        if forecast is not None and not np.isfinite(forecast.mean):
            rare = int(np.argmin(np.bincount(fitted.shock, minlength=economy.shock_count)))
            warn_user(
                f"Den Haan's errors are not defined: aggregate state {rare} occurs fewer than three times in "
                f"{periods} periods; use more periods."
            )
        _warn(fitted, variable)
        searched = None
        if deviations or not (several or planned):
            lines.step("searching for better savings")
            searched = search_gain(solution, seed=seed + 4)
        lines.step("training a deviator")
        found = None if gains is None else gains.result()
        return Accuracy(fitted, forecast, euler, found, variable, seed, searched)


@float64_allowed
def den_haan(
    solution: GlobalSolution,
    fitted: Simulation | None = None,
    variable: str | None = None,
    *,
    tested: Simulation | None = None,
    seed: int = 2,
    **settings,
) -> ForecastErrors:
    """Den Haan's test of the law of motion of an aggregate, fitted on one path and tested on another.

    `fitted` and `tested` are simulations, for instance on given shocks; where they are left out they are drawn from
    `seed` - 1 and `seed`, with the `settings` of `simulate`. `variable` is by default the first aggregate that choices
    move and prices follow from. Raises ValueError where there is none, and for a variable that is not simulated.
    """
    economy = solution.play(10).economy
    if variable is None:
        unknown = names_of(economy).unknown
        if not unknown:
            raise ValueError("Choices move no aggregate that prices follow from: name the variable to test.")
        variable = unknown[0]
    if "periods" in settings:
        require_sizes("den_haan", {"periods": (settings["periods"], FEWEST, 10_000)}, lambda: (0.0, 0.0))
    fitted = simulate(solution, seed=seed - 1, **settings) if fitted is None else fitted
    tested = simulate(solution, seed=seed, **settings) if tested is None else tested
    if variable not in fitted.series or variable not in tested.series:
        raise ValueError(f"variable = {variable!r} is not simulated: choose one of {', '.join(fitted.series)}.")
    samples = (fitted.series[variable], fitted.shock, tested.series[variable], tested.shock)
    return forecast_errors(*samples, economy.shock_count)


def _warn(simulation: Simulation, variable: str) -> None:
    top = float(simulation.top_of_grid.max())
    if top > 1e-6:
        warn_user(f"{top:.2e} of the population reached the top of the asset grid: raise it.")
    left = np.abs(simulation.goods_market) if simulation.goods_market is not None else np.zeros(1)
    verdict = BARS["goods_market_residual_max"].verdict(float(left.max()))
    if verdict != OK:
        warn_user(
            f"The goods market is off by {left.max():.2e} of output in period {left.argmax()}, {verdict}: "
            "compare prices() and resources() with goods_market(), or let prices clear to more digits."
        )
    series = simulation.series[variable]
    halves = np.array_split(series, 2)
    drift = abs(halves[0].mean() - halves[1].mean())
    if drift > series.std():
        warn_user(
            f"The mean of {variable} moves by {drift:.3g} between the halves of the simulation (sd "
            f"{series.std():.3g}): it has not settled; use more periods."
        )
