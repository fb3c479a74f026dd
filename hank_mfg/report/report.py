"""Write the tables and figures of a solved run into its folder; nothing is solved again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hank_mfg.evaluate.accuracy import Accuracy, evaluate
from hank_mfg.evaluate.simulate import Simulation, simulate
from hank_mfg.precision import float64_allowed
from hank_mfg.report import figures
from hank_mfg.report.distribution import distribution_table, lorenz_curve, marginal_propensities_by_wealth
from hank_mfg.report.impulse_response import RATES, ImpulseResponse, impulse_response
from hank_mfg.report.latex import to_latex, write_text
from hank_mfg.report.moments import MomentTable
from hank_mfg.report.moments import moment_table as tabulate
from hank_mfg.solve.solution import Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN_VARIABLES = ("output", "consumption", "capital", "interest_rate", "wage", "gini")


def moment_table(solution: Solution, *, periods: int = 10_000, seed: int = 1) -> MomentTable:
    """Moments of a long simulation: means, standard deviations, autocorrelations, correlations with output."""
    return moments_of(simulate(solution, periods=periods, seed=seed))


def moments_of(simulation: Simulation) -> MomentTable:
    """The same, of a simulation at hand."""
    units = {name: "percentage points" for name in simulation.series if name in RATES}
    note = (
        f"{simulation.periods:,} simulated periods, histogram on {len(simulation.assets)} asset points moved exactly, "
        f"float64, seed {simulation.seed}; HP filter with smoothing 1600."
    )
    return tabulate(simulation.series, units=units, note=note)


@float64_allowed
def marginal_propensities(solution: Solution) -> pd.DataFrame:
    """Marginal propensities to consume out of cash on hand by wealth quintile, in the stationary equilibrium."""
    steady = solution.steady
    cash = np.asarray(steady.economy.resources(steady.public))
    consumption = cash - steady.savings
    slopes = np.stack([np.gradient(consumption[:, e], cash[:, e]) for e in range(cash.shape[1])], axis=1)
    return marginal_propensities_by_wealth(steady.mass, np.asarray(steady.economy.grid.points), slopes)


def write_evaluation(solution: Solution, folder: Path, *, periods: int, seed: int) -> dict[str, Any]:
    """Measure accuracy, write evaluation.json and accuracy.tex, and return the numbers."""
    return _write_accuracy(evaluate(solution, periods=periods, seed=seed), Path(folder))


def _write_accuracy(accuracy: Accuracy, folder: Path) -> dict[str, Any]:
    content = accuracy.to_dict()
    write_text(folder / "evaluation.json", json.dumps(content, indent=2) + "\n")
    rows = {_measure(name): value for name, value in content.items() if isinstance(value, float)}
    for kind, value in ((content["exploitability"] or {}).get("consumption_percent") or {}).items():
        rows[f"Exploitability, {kind} (percent of consumption)"] = value
    note = (
        f"{content['periods']:,} periods, histogram on {content['asset_points']} asset points, float64, seed "
        f"{content['seed']}."
    )
    frame = pd.DataFrame({"Value": rows})
    write_text(folder / "accuracy.tex", to_latex(frame, note=note))
    return content


def _measure(name: str) -> str:
    text = name.replace("_percent", " (percent)").replace("_", " ")
    return text[0].upper() + text[1:]


def write_impulse_response(
    solution: Solution, folder: Path, shock: str, size: float, *, horizon: int = 40, seed: int = 5
) -> tuple[ImpulseResponse, Path]:
    """Compute one response, write irf_SHOCK_SIZE.csv and .json and its figure; return the response and the CSV path."""
    response = impulse_response(solution, shock, size, horizon=horizon, seed=seed)
    stem = f"irf_{shock}_{size:+g}"
    columns = {}
    for name, mean in response.mean.items():
        unit = response.units[name].replace(" ", "_")
        columns[f"{name}_{unit}"] = mean
        columns[f"{name}_lower_{unit}"], columns[f"{name}_upper_{unit}"] = response.lower[name], response.upper[name]
    frame = pd.DataFrame(columns).rename_axis("period")
    path = write_text(Path(folder) / f"{stem}.csv", frame.to_csv())
    write_text(Path(folder) / f"{stem}.json", json.dumps(response.to_saved()) + "\n")
    figures.save_figure(figures.plot_impulse_response(response, _shown(response)), Path(folder) / "figures" / stem)
    return response, path


def _shown(response: ImpulseResponse) -> list[str]:
    return [name for name in MAIN_VARIABLES if name in response.mean]


def write_moments(solution: Solution, folder: Path, *, periods: int, seed: int) -> tuple[MomentTable, Path]:
    """Compute the moment table and write moments.csv and moments.tex; return the table and the LaTeX path."""
    return _write_moments(moment_table(solution, periods=periods, seed=seed), Path(folder))


def _write_moments(table: MomentTable, folder: Path) -> tuple[MomentTable, Path]:
    table.to_csv(folder / "moments.csv")
    table.to_latex(folder / "moments.tex")
    return table, folder / "moments.tex"


def _responses(solution: Solution, folder: Path) -> list[tuple[ImpulseResponse, ImpulseResponse]]:
    """Pairs of responses to each shock, up and down by one stationary standard deviation (or as far as the chain)."""
    pairs = []
    economy = solution.play(10).economy
    values = {name: np.asarray(level) for name, level in economy.shock_values.items()}
    for shock, levels in values.items():
        size = min(levels.std(), np.ptp(levels) / 2)
        down, up = (
            write_impulse_response(solution, folder, shock, float(f"{signed:.6g}"))[0] for signed in (-size, size)
        )
        pairs.append((down, up))
    return pairs


@float64_allowed
def write_report(solution: Solution, folder: Path, *, periods: int = 10_000, seed: int = 1) -> list[Path]:
    """Every table and figure of a run: accuracy, moments, distribution, responses, training. Returns the paths."""
    folder = Path(folder)
    accuracy = evaluate(solution, periods=periods, seed=seed)
    written = _write_tables(solution, accuracy, folder)
    drawings = folder / "figures"
    for position, pair in enumerate(_responses(solution, folder)):
        name = "impulse_response" if position == 0 else f"impulse_response_{pair[0].shock}"
        written += figures.save_figure(figures.plot_impulse_response(list(pair), _shown(pair[0])), drawings / name)
    for name, figure in {**_simulation_figures(solution, accuracy), **_solution_figures(solution)}.items():
        written += figures.save_figure(figure, drawings / name)
    return written


def _write_tables(solution: Solution, accuracy: Accuracy, folder: Path) -> list[Path]:
    """Accuracy, moments, distribution and marginal propensities: the paths."""
    simulation = accuracy.simulation
    _write_accuracy(accuracy, folder)
    written = [folder / "evaluation.json", folder / "accuracy.tex"]
    written.append(_write_moments(moments_of(simulation), folder)[1])
    for name, frame in (
        ("distribution", distribution_table(simulation.mass, simulation.assets)),
        ("marginal_propensities", marginal_propensities(solution)),
    ):
        written.append(write_text(folder / f"{name}.csv", frame.to_csv()))
        written.append(write_text(folder / f"{name}.tex", to_latex(frame)))
    return written


def _simulation_figures(solution: Solution, accuracy: Accuracy) -> dict[str, "Figure"]:
    """What the long simulation shows: wealth, a stretch of the series, and the law of motion with its forecast."""
    simulation, forecast = accuracy.simulation, accuracy.forecast
    economy = solution.play(10).economy
    shocks, own = _labels(economy.shock_values), _labels(economy.own)
    note = (
        f"{simulation.periods:,} simulated periods, histogram on {len(simulation.assets)} points, float64, seed "
        f"{simulation.seed}."
    )
    first = min(200, simulation.periods)
    window = {name: values[:first] for name, values in simulation.series.items() if name in MAIN_VARIABLES}
    return {
        "lorenz": figures.plot_lorenz({"Wealth": lorenz_curve(simulation.mass, simulation.assets)}, note),
        "wealth_distribution": figures.plot_wealth_distribution(simulation.assets, simulation.mass, note, own),
        "simulation": figures.plot_simulation(window, note=f"First {first} of {note}"),
        "law_of_motion": figures.plot_law_of_motion(
            simulation.series[accuracy.variable], simulation.shock, shocks, note
        ),
        "forecast": figures.plot_forecast(forecast.actual, forecast.forecast, note, accuracy.variable),
    }


def _solution_figures(solution: Solution) -> dict[str, "Figure"]:
    """The stationary policy and the course of training."""
    history = {name: values for name, values in solution.history.items() if name != "euler_error"}
    history["euler_error_percent"] = 100 * solution.history["euler_error"]
    note = f"{solution.updates} updates in {solution.seconds_train:.1f} s, {solution.precision}, {solution.device}."
    own = _labels(solution.play(10).economy.own)
    return {
        "policy": _policy_figure(solution, own),
        "training": figures.plot_training(history, ["euler_error_percent", "loss"], note),
    }


def _labels(values: Mapping[str, np.ndarray]) -> list[str]:
    """One label per state of a chain, from the values that it gives to named quantities."""
    states = zip(*(np.asarray(level) for level in values.values()), strict=True)
    return [", ".join(f"{figures.display_name(n)} {v:.4g}" for n, v in zip(values, s, strict=True)) for s in states]


def _policy_figure(solution: Solution, labels: list[str]) -> "Figure":
    steady = solution.steady
    points = np.asarray(steady.economy.grid.points)
    top = int(np.searchsorted(np.cumsum(steady.mass.sum(axis=1)), 0.999)) + 1
    consumption = np.asarray(steady.economy.resources(steady.public)) - steady.savings
    note = f"Stationary equilibrium, {len(points)} asset points, float64."
    policies = {"consumption": consumption, "savings": steady.savings}
    return figures.plot_policy(points, policies, labels, note, float(points[min(top, len(points) - 1)]))
