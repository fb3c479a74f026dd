"""Write the tables and figures of a solved run into its folder; nothing is solved again."""

import dataclasses
import json
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hank_mfg.environment.product_grid import points_in_words
from hank_mfg.errors import warn_user
from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.evaluate.accuracy import den_haan, evaluate
from hank_mfg.evaluate.accuracy_table import accuracy_frame, accuracy_note
from hank_mfg.evaluate.distribution.date_zero import reach_of
from hank_mfg.evaluate.distribution.statistics import distribution_table, populations, table_name
from hank_mfg.evaluate.forecast import ForecastErrors
from hank_mfg.evaluate.impulse_response import ImpulseResponse, impulse_response
from hank_mfg.evaluate.moments import AHEAD, SMOOTHING, MomentTable, require_filter, require_smoothing
from hank_mfg.evaluate.moments import moment_table as tabulate
from hank_mfg.evaluate.propensities import marginal_propensities
from hank_mfg.evaluate.simulate import Simulation, simulate
from hank_mfg.evaluate.units import kinds_of, level_unit, size_in, unit_of
from hank_mfg.files import write_table, write_text
from hank_mfg.latex import to_latex
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed
from hank_mfg.report import figures
from hank_mfg.report.game_report import write_game_report
from hank_mfg.report.policy_figure import policy_figure
from hank_mfg.report.posterior_report import write_posterior_report
from hank_mfg.report.run_pages import NAME, Gathered, Tables, economy_page
from hank_mfg.report.stationary_report import write_stationary_report
from hank_mfg.report.style import save_figure
from hank_mfg.runs.manifest import into_run, is_recorded
from hank_mfg.runs.storage import read_metrics
from hank_mfg.sizes import require_whole
from hank_mfg.solve.solution import GameSolution, Solution, model_note
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import signed, state_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN_VARIABLES = ("output", "consumption", "capital", "interest_rate", "wage", "gini")
SAMPLING_OF_TWO = {"horizon": 20, "starts": 24, "paths": 2}  # of responses with two assets, whose periods cost more
ALIKE = 0.01  # of the largest response: two that differ by less are drawn as one
Tell = Callable[[str], None]


def moment_table(
    solution: Solution, *, periods: int = 10_000, seed: int = 1, smoothing: float | None = None, filter: str = "hp"
) -> MomentTable:
    """Moments of a long simulation: means, standard deviations, autocorrelations, correlations with output.

    `filter` is "hp", Hodrick and Prescott's, or "hamilton", Hamilton's (2018) regression, whose horizon and lags are
    two years and one year in periods of the model: `hamilton_filter`.

    `smoothing` of the HP filter is by default the usual one for the period that the model declares: 1600 for a quarter,
    6.25 for a year, 129600 for a month. Where the model declares none, nothing is filtered, and the note says so.
    """
    require_whole("periods", periods, 100, "moments of fewer say nothing, 10000 are usual")
    _require_choice(solution, filter, smoothing)
    return _moments_of(solution, simulate(solution, periods=periods, seed=seed), smoothing, filter)


def _require_choice(solution: Solution, filter: str, smoothing: float | None) -> None:
    """Raise ValueError for a filter that is not known or lacks the length of a period, before anything is simulated."""
    require_filter(filter)
    if smoothing is not None:
        require_smoothing(smoothing)
        if filter != "hp":
            raise ValueError(f"smoothing = {smoothing} is of the filter 'hp': leave it out with filter={filter!r}.")
    if filter == "hamilton" and solution.model.period not in AHEAD:
        raise ValueError(
            "filter = 'hamilton' looks two years ahead, and the model does not declare its period: write period = "
            '"quarter" (or "year", "month") in the class, or filter simulated series by hm.stats.hamilton_filter.'
        )


def _moments_of(solution: Solution, simulation: Simulation, smoothing: float | None, filter: str = "hp") -> MomentTable:
    """The same, of a simulation at hand."""
    economy = solution.play(10).economy
    kinds = kinds_of(economy)
    units = {name: unit_of(kinds[name], level) for name, level in simulation.series.items()}
    period = economy.model.period
    smoothing = SMOOTHING.get(period) if smoothing is None else smoothing
    note = (
        f"{simulation.periods:,} simulated periods, histogram on {len(simulation.assets)} asset points moved exactly, "
        f"float64, seed {simulation.seed}. Fluctuations: 100 log x in percent, 100 x in percentage points, or x itself "
        f"of a level that reaches zero. {_about_filter(filter, smoothing, period)} {model_note(solution)}"
    ).rstrip()
    horizon, lags = AHEAD.get(period, (8, 4))
    return tabulate(
        simulation.series, smoothing=smoothing, filter=filter, horizon=horizon, lags=lags, units=units, note=note
    )


def _about_filter(filter: str, smoothing: float | None, period: str) -> str:
    if filter == "hamilton":
        horizon, lags = AHEAD[period]
        return (
            f"Hamilton: residuals of a regression on a constant and {lags} values {horizon} and more periods before, "
            f"a period being a {period} (Hamilton 2018)."
        )
    if smoothing is None:
        return (
            'Not filtered, because the model does not declare its period: write period = "quarter" (or "year", '
            '"month") in the class, or give the Hodrick-Prescott filter a smoothing.'
        )
    of = f", a period being a {period}" if period and smoothing == SMOOTHING[period] else ""
    return f"HP: Hodrick-Prescott filter with smoothing {smoothing:g}{of}."


@into_run
def write_evaluation(
    solution: Solution, folder: Path, under: Mapping[str, Any] | None = None, *, periods: int, seed: int
) -> tuple[dict[str, Any], list[Path]]:
    """Measure accuracy, write evaluation.json and accuracy.tex; return the numbers and the paths.

    Where the solution is `under` other parameters than it was trained with, given by name, they are written beside
    the numbers into evaluation_under_NAME_VALUE.json, and nothing else is.
    """
    content = evaluate(solution, periods=periods, seed=seed).to_dict()
    if not under:
        return content, _write_accuracy(content, solution, Path(folder))
    content = {"under": dict(under), **content}
    path = Path(folder) / f"evaluation_under_{_parameters_in_names(under)}.json"
    return content, [write_text(path, json.dumps(content, indent=2) + "\n")]


def _parameters_in_names(parameters: Mapping[str, Any]) -> str:
    """Parameters in the name of a file, as sizes are: productivity_0p97_1p03. Long ones end in a checksum instead."""
    parts = []
    for name, value in parameters.items():
        numbers = (
            np.format_float_positional(each, trim="-").replace(".", "p") for each in np.ravel(value).astype(float)
        )
        parts += [name, *(number.replace("-", "minus_") for number in numbers)]
    text = "_".join(parts)
    return text if len(text) <= 150 else f"{text[:140]}_{zlib.crc32(text.encode()):08x}"


def _write_accuracy(content: dict[str, Any], solution: Solution, folder: Path) -> list[Path]:
    return [
        write_text(folder / "evaluation.json", json.dumps(content, indent=2) + "\n"),
        write_text(
            folder / "accuracy.tex", to_latex(accuracy_frame(content), note=accuracy_note(content, solution), digits=4)
        ),
    ]


class _Measured(NamedTuple):
    """Inputs of tables and figures: accuracy as plain numbers, a long path, and Den Haan's test on another where
    there is a law of motion."""

    content: dict[str, Any]
    simulation: Simulation
    forecast: ForecastErrors | None


def _measure(solution: Solution, folder: Path, periods: int, seed: int) -> _Measured:
    """Accuracy from evaluation.json where it holds what would be measured, so that no deviator is trained again."""
    recorded = _recorded_evaluation(folder, periods, seed)
    if recorded is not None:
        name, lawful = recorded["variable"], recorded["law_of_motion"] is not None
        fitted = simulate(solution, periods=periods, seed=seed)
        forecast = den_haan(solution, fitted, name, seed=seed + 1, periods=periods) if lawful else None
        means = [fitted.series[name].mean(), *([] if forecast is None else [100 * forecast.mean])]
        before = [recorded[f"{name}_mean"], *([recorded["den_haan_mean_percent"]] if lawful else [])]
        if np.allclose(means, before, rtol=1e-8):
            return _Measured(recorded, fitted, forecast)
    accuracy = evaluate(solution, periods=periods, seed=seed)
    return _Measured(accuracy.to_dict(), accuracy.simulation, accuracy.forecast)


def _recorded_evaluation(folder: Path, periods: int, seed: int) -> dict[str, Any] | None:
    path = folder / "evaluation.json"
    if not path.exists():
        return None
    if not is_recorded(folder, path.name):
        warn_user(f"{path} is not what was written into this run: accuracy is measured again.")
        return None
    content = json.loads(path.read_text())
    return content if (content.get("periods"), content.get("seed")) == (periods, seed) else None


@into_run
def write_impulse_response(
    solution: Solution, folder: Path, shock: str, size: float, *, given: Mapping[str, float] | None = None,
    **sampling: Any,
) -> tuple[ImpulseResponse, list[Path]]:  # fmt: skip
    """Compute one response, write irf_SHOCK_SIZE.csv and .json and its figure; return the response and the paths.

    The levels that other shocks are `given` are part of the names; `sampling` are horizon, starts, paths and seed of
    `impulse_response`.
    """
    response = impulse_response(solution, shock, size, given=given, **sampling)
    named = {shock: size, **(given or {})}
    stem = "irf_" + "_".join(f"{name}_{_size_in_names(level)}" for name, level in named.items())
    written = [
        write_text(Path(folder) / f"{stem}.csv", response.to_frame().to_csv()),
        write_text(Path(folder) / f"{stem}.json", json.dumps(response.to_saved()) + "\n"),
    ]
    figure = figures.plot_impulse_response(_in_its_unit(response, solution), _shown(response))
    return response, [*written, *save_figure(figure, Path(folder) / "figures" / stem)]


def _size_in_names(size: float) -> str:
    """A size in the name of a file, where a dot would begin an ending: -0.01 as minus_0p01."""
    number = np.format_float_positional(abs(size), precision=6, fractional=False, trim="-").replace(".", "p")
    return f"{'minus' if size < 0 else 'plus'}_{number}"


def main_variables(names: Collection[str]) -> list[str]:
    """Which of `names` a figure shows: the usual ones, or the first six where the model calls them otherwise."""
    found = [name for name in MAIN_VARIABLES if name in names]
    return found if set(found) - {"consumption", "gini"} else list(names)[:6]


def _shown(*responses: ImpulseResponse) -> list[str]:
    """The variables that a figure of `responses` shows, in the same unit in all of them."""
    shown = main_variables(responses[0].mean)
    return [name for name in shown if len({response.units[name] for response in responses}) == 1]


@float64_allowed
def _in_its_unit(response: ImpulseResponse, solution: Solution) -> ImpulseResponse:
    """The response as a figure names it: its size in percent of the shock's mean where the shock is a level above zero,
    in percentage points where the model declares it a rate or a share."""
    economy = solution.play(10).economy
    mean, _, _ = reach_of(economy, response.shock)
    unit = unit_of(kinds_of(economy)[response.shock], np.asarray(economy.shock_values[response.shock]))
    return dataclasses.replace(response, size=size_in(unit, response.size, mean), unit=unit)


@into_run
def write_moments(
    solution: Solution, folder: Path, *, periods: int, seed: int, smoothing: float | None = None, filter: str = "hp"
) -> tuple[MomentTable, list[Path]]:
    """Compute the moment table and write moments.csv and moments.tex; return the table and the paths.

    `smoothing` and `filter` as for `moment_table`; with Hamilton's the files are moments_hamilton.csv and .tex.
    """
    table = moment_table(solution, periods=periods, seed=seed, smoothing=smoothing, filter=filter)
    return table, _write_moments(table, Path(folder), "moments" if filter == "hp" else f"moments_{filter}")


def _write_moments(table: MomentTable, folder: Path, stem: str = "moments") -> list[Path]:
    path = table.to_csv(folder / f"{stem}.csv")
    table.to_latex(folder / f"{stem}.tex")
    return [path, folder / f"{stem}.tex"]


def _size(deviation: float, room: float) -> float:
    """One standard deviation, or as far as the chain reaches both ways, with 3 digits where they fit."""
    size = min(deviation, room)
    rounded = float(f"{size:.3g}")
    if rounded <= room + 1e-12:
        return rounded
    return float(np.floor(size / 10 ** (np.floor(np.log10(size)) - 2)) * 10 ** (np.floor(np.log10(size)) - 2))


@float64_allowed
@into_run
def write_report(
    solution: Solution | SteadyState | GameSolution | Drawn,
    folder: str | Path,
    *,
    periods: int = 10_000,
    paths: int = 64,
    seed: int = 1,
    html: bool = False,
    tell: Tell = lambda text: None,
) -> list[Path]:
    """Every table and figure of a run: accuracy, moments, distribution, responses, training. Returns the paths.

    With `html` they are in one file too, report.html, which needs no other file and no network: a page of at most 5 MiB
    with how training ended, all tables and figures, what the measures of accuracy do not establish, settings, and the
    commands that repeat the run. The same run gives the same bytes.
    `tell` is called with a line of text when a long step begins and when files are written. Accuracy is read from
    evaluation.json when it was measured with the same periods and seed on the same solution. Of a stationary
    equilibrium, where nothing is simulated: outcomes, distribution, marginal propensities and policies. Of a game:
    exploitability on `paths` paths, sampled paths, training, finite populations. Of a posterior, as `hm.estimate`
    returns it: its table and figures; the page is posterior.html.
    """
    folder = Path(folder)
    if isinstance(solution, Drawn):
        return write_posterior_report(solution, folder, html=html, tell=tell)
    if isinstance(solution, SteadyState):
        return write_stationary_report(solution, folder, html=html, tell=tell)[1]
    if isinstance(solution, GameSolution):
        lines = read_metrics(folder)
        return write_game_report(solution, folder, lines, paths=paths, seed=seed, tell=tell, html=html)
    require_whole("periods", periods, 100, "moments of fewer say nothing, 10000 are usual")
    written: list[Path] = []

    def record_files(paths) -> None:
        written.extend(paths)
        for path in paths:
            tell(f"Wrote {path}")

    tell(f"Simulating {periods:,} periods and measuring accuracy, unless evaluation.json holds it.")
    measured = _measure(solution, folder, periods, seed)
    record_files(_write_accuracy(measured.content, solution, folder))
    moments = _moments_of(solution, measured.simulation, None)
    record_files(_write_moments(moments, folder))
    tables = _distributions(solution, measured.simulation)
    for name, (frame, note, _) in tables.items():
        record_files(write_table(folder / name, frame, note=note))
    drawn = {**_simulation_figures(solution, measured), **_solution_figures(solution, measured.simulation)}
    for name, figure in drawn.items():
        record_files(save_figure(figure, folder / "figures" / name))
    economy = solution.play(10).economy
    responses: dict[str, Any] = {}
    for shock in economy.shock_values:
        _, deviation, room = reach_of(economy, shock)
        if min(deviation, room) > 0:
            tell(f"Computing responses to {shock}.")
            name = f"impulse_response_{shock}" if responses else "impulse_response"
            files, responses[name] = _write_pair(solution, folder, shock, _size(deviation, room), name)
            record_files(files)
    if html:
        found = Gathered(measured.content, moments, tables, drawn, responses)
        record_files([economy_page(solution, folder, found).write(folder / NAME)])
    return written


def _write_pair(solution: Solution, folder: Path, shock: str, size: float, name: str) -> tuple[list[Path], "Figure"]:
    """Responses to one shock, down and up by `size`, and a figure of both, called `name`: the paths and the figure."""
    sampling: dict[str, Any] = SAMPLING_OF_TWO if solution.model.asset_names() else {}
    (down, below), (up, above) = (
        write_impulse_response(solution, folder, shock, each, **sampling) for each in (-size, size)
    )
    drawn = _as_one([_in_its_unit(each, solution) for each in (down, up)])
    figure = figures.plot_impulse_response(drawn, _shown(down, up))
    return [*below, *above, *save_figure(figure, folder / "figures" / name)], figure


def _as_one(pair: list[ImpulseResponse]) -> list[ImpulseResponse]:
    """Both responses, or the first alone, saying so, where the other is the same with the opposite sign."""
    down, up = pair
    gaps = [np.abs(down.mean[name] + up.mean[name]).max() for name in _shown(down, up)]
    sizes = [np.abs(down.mean[name]).max() for name in _shown(down, up)]
    if any(gap > ALIKE * size for gap, size in zip(gaps, sizes, strict=True)):
        return pair
    note = (
        f"The responses to {signed(up.size)} {up.unit} are the same with the opposite sign, up to "
        f"{100 * ALIKE:g} percent of the largest. {down.note}"
    )
    return [dataclasses.replace(down, note=note)]


def _path_note(simulation: Simulation, solution: Solution) -> str:
    return (
        f"{simulation.periods:,} simulated periods, histogram on {_points(simulation)} asset points, float64, seed "
        f"{simulation.seed}. {model_note(solution)}"
    ).rstrip()


def _points(simulation: Simulation) -> str:
    """The number of asset points of a simulation, of two assets of each."""
    if isinstance(simulation.assets, Named):
        return points_in_words({name: len(np.unique(each)) for name, each in simulation.assets.items()})
    return points_in_words(len(simulation.assets))


def _held(solution: Solution, simulation: Simulation) -> np.ndarray:
    """The mean mass of a simulation by what households hold before they choose."""
    if isinstance(simulation.assets, Named):
        return simulation.mass
    return solution.play(len(simulation.assets)).economy.held(simulation.mass)


def _distributions(solution: Solution, simulation: Simulation) -> Tables:
    """Distribution of wealth and marginal propensities: tables, notes and digits by the names of their files."""
    points = points_in_words(solution.steady.economy.grid.count)
    mean = f"Mean distribution over the path. {_path_note(simulation, solution)} Levels are in goods."
    still = (
        f"Stationary equilibrium, {points} asset points, float64. MPC: consumption out of another unit of cash on hand."
    )
    each = populations(_held(solution, simulation), simulation.assets)
    return {
        **{table_name(name): (distribution_table(*population), mean, 3) for name, population in each.items()},
        "marginal_propensities": (marginal_propensities(solution), still, 3),
    }


def _simulation_figures(solution: Solution, measured: _Measured) -> dict[str, "Figure"]:
    """What the long simulation shows: wealth, a stretch of the series, and the law of motion with its forecast."""
    simulation, forecast = measured.simulation, measured.forecast
    name = measured.content["variable"]
    economy = solution.play(10).economy
    shocks, own = state_names(economy.shock_values), state_names(economy.own)
    note = _path_note(simulation, solution)
    first = min(200, simulation.periods)
    kinds, period = kinds_of(economy), economy.model.period
    window = {name: simulation.series[name][:first] for name in main_variables(simulation.series)}
    units = {name: level_unit(kinds[name], period) for name in window}
    held = _held(solution, simulation)
    shown = {
        "wealth_distribution": figures.plot_wealth_distribution(simulation.assets, held, note, own),
        "simulation": figures.plot_simulation(window, None, f"First {first} of {note}", units, period),
    }
    curves = figures.lorenz_curves(held, simulation.assets)
    if curves:
        shown["lorenz"] = figures.plot_lorenz(curves, note)
    if forecast is None:
        return shown
    return {
        **shown,
        "law_of_motion": figures.plot_law_of_motion(simulation.series[name], simulation.shock, shocks, note, name),
        "forecast": figures.plot_forecast(forecast.actual, forecast.forecast, note, name, period),
    }


def _solution_figures(solution: Solution, simulation: Simulation) -> dict[str, "Figure"]:
    """The trained policy beside the stationary one, and the course of training."""
    history = {name: values for name, values in solution.history.items() if name != "euler_error"}
    history["euler_error_percent"] = 100 * solution.history["euler_error"]
    note = f"{solution.updates} updates in {solution.seconds_train:.1f} s, {solution.precision}, {solution.device}."
    own = state_names(solution.play(10).economy.own)
    tolerances = {"euler_error_percent": 100 * solution.settings.tolerance}
    training = figures.plot_training(history, ["euler_error_percent", "loss"], note, tolerances)
    policy = {} if solution.model.asset_names() else {"policy": policy_figure(solution, simulation, own)}
    return {**policy, "training": training}
