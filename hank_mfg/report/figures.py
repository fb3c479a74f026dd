"""Figures for a journal page: serif type, grays that differ in line style too, units on every axis.

Every `plot_...` returns a `matplotlib.figure.Figure` of its own: nothing is registered with pyplot and no global
setting changes. The style is that of `style.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.arguments import described
from hank_mfg.evaluate.distribution.statistics import has_shares, lorenz_curve, population_of, populations, quantile
from hank_mfg.evaluate.units import OWN, counted, of_rate, since
from hank_mfg.model.named import Named
from hank_mfg.report.style import (
    COLUMN,
    LINES,
    MARKERS,
    PAGE,
    choose,
    finish,
    journal_style,
    line_styles,
    multiples,
    panels,
    representatives,
    require_known,
    said_once,
    state_labels,
)
from hank_mfg.report.style import save_figure as save_figure
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import display_name, signed, state_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW = 500  # periods of a long path that are drawn where single periods matter
TITLES = {"savings": "next assets minus assets", "mpc": "MPC"}  # of panels of policies
MOST_STATES = 4  # income states whose wealth is drawn one by one
MOST_DOTS = 500  # points drawn for each aggregate state


@journal_style()
def plot_impulse_response(responses: Any, variables: Sequence[str] | None = None) -> "Figure":
    """Responses to a shock, one panel per variable; several responses are overlaid, for instance +1 and -1 percent.

    `responses` is one object, a list of objects, or objects by label, {"slump": low, "boom": high}, where the shock
    and its size alone do not tell them apart. They have the attributes shock (its name), size (a number, printed with
    3 digits before its unit), unit, horizon (periods), mean, lower, upper (name -> (horizon,), already in the units
    shown; lower and upper may lack names without a band), units (name -> "percent", "percentage points" or "level"),
    rates (names of what is a rate per period, whose axis says so), period (what the axis counts, "quarter", "year", or
    "" where it is not declared) and note. `variables` picks and
    orders the panels, by default all of the first response. Period 0 is the period of the shock; bands are light gray;
    notes are printed below.
    Raises ValueError for a variable that a response lacks, or whose unit differs between responses.
    """
    labels = list(responses) if isinstance(responses, Mapping) else None
    responses = list(responses.values()) if isinstance(responses, Mapping) else responses
    responses = list(responses) if isinstance(responses, list | tuple) else [responses]
    for each in responses:
        if not isinstance(getattr(each, "mean", None), Mapping):
            raise ValueError(
                f"responses: plot.impulse_response(...) was given {described(each)}: give a response, as "
                "hm.impulse_response(...) returns it; plot.transition draws a path."
            )
    names = list(variables if variables is not None else responses[0].mean)
    for name in names:
        known = [response.units.get(name) if name in response.mean else None for response in responses]
        if None in known or len(set(known)) > 1:
            raise ValueError(
                f"variable {name!r} has the units {known} in the responses: every response needs it in the same unit; "
                f"the first one has {', '.join(responses[0].mean)}."
            )
    shocks = [f"{display_name(item.shock)} {signed(item.size)} {item.unit}" for item in responses]
    labels = shocks if labels is None else labels
    apart = len(responses) == 1 or labels is not shocks  # the legend does not name the shocks
    notes = [f"Shock: {each}, in {counted(responses[0].period).lower()} 0." for each in dict.fromkeys(shocks) if apart]
    notes += said_once([item.note for item in responses], labels)
    figure, axes = multiples(len(names), 1.7, " ".join(notes), since(responses[0].period))
    for name, panel in zip(names, axes, strict=True):
        panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        for item, label, line in zip(responses, labels, line_styles(len(responses)), strict=True):
            periods = np.arange(item.horizon)
            if name in item.lower and name in item.upper:
                panel.fill_between(periods, item.lower[name], item.upper[name], color="0.5", alpha=0.25, linewidth=0)
            panel.plot(periods, item.mean[name], label=label, **line)
        first = responses[0]
        unit = of_rate(first.units[name], first.period) if name in first.rates else first.units[name]
        panel.set(title=display_name(name), ylabel=unit.capitalize())
        panel.set_xlim(0, max(item.horizon for item in responses) - 1)
        panel.locator_params(axis="x", integer=True)
    return finish(figure, axes[0] if len(responses) > 1 else None)


@journal_style()
def plot_lorenz(curves: Any, note: str = "") -> "Figure":
    """Lorenz curves with the line of equality; the legend gives each Gini coefficient, 1 - 2 times the area below.

    `curves` maps a label to (population share, wealth share), each from 0 to 1, as `hm.stats.lorenz_curve` returns
    them, or to a stationary equilibrium, {"no tax": one, "tax": another}; one equilibrium alone will do. Raises
    ValueError for anything else.
    """
    if isinstance(curves, SteadyState):
        curves = {"Wealth": curves}
    if not isinstance(curves, Mapping) or not curves:
        raise ValueError(
            f"plot.lorenz(curves=...) was given {described(curves)}: give a stationary equilibrium, or a dictionary of "
            "several by label."
        )
    curves = dict(each for label, curve in curves.items() for each in _curves_of(label, curve))
    figure, (panel,) = panels(1, 1, COLUMN, 3.3, note)
    panel.plot([0, 100], [0, 100], color="0.6", linewidth=0.5, linestyle="-", label="Line of equality")
    for (label, (population, wealth)), line in zip(curves.items(), line_styles(len(curves)), strict=True):
        coefficient = 1.0 - 2.0 * np.trapezoid(wealth, population)
        shares = 100.0 * np.asarray(population), 100.0 * np.asarray(wealth)
        panel.plot(*shares, label=f"{label} (Gini {coefficient:.2f})", clip_on=False, **line)
    panel.set(xlabel="Population, from poorest to richest (percent)", ylabel="Wealth held (percent)", xlim=(0, 100))
    lowest = min(100.0 * np.min(wealth) for _, wealth in curves.values())
    panel.set_ylim(min(lowest, 0.0), 100)  # the poorest are in debt where the curve is negative
    panel.set_aspect("equal")
    return finish(figure, panel)


def _curves_of(label: str, curve: Any) -> list[tuple[str, Any]]:
    """The Lorenz curve of one label, of an equilibrium with two assets those of net worth and of each."""
    if not isinstance(curve, SteadyState):
        return [(label, curve)]
    if not curve.economy.several:
        return [(label, lorenz_curve(curve))]
    found = lorenz_curves(curve.economy.held(curve.mass), curve.assets)
    return [(name if label == "Wealth" else f"{label}, {name.lower()}", each) for name, each in found.items()]


def lorenz_curves(mass: Any, assets: Any) -> dict[str, Any]:
    """The Lorenz curves that there are of a mass: of wealth, or of pairs of assets of net worth and of each."""
    found = populations(mass, assets)
    return {display_name(name): lorenz_curve(*each) for name, each in found.items() if has_shares(*each)}


@journal_style()
def plot_wealth_distribution(
    assets: Any, mass: Any = None, note: str = "", labels: Sequence[str] | None = None
) -> "Figure":
    """The distribution of wealth by income state: the atom at the borrowing limit as bars, the rest as a density.

    The density is in percent of the whole population per unit of assets, in bins that begin and end at grid points
    (see `_bin_edges`), with the population of grid point i spread evenly over (a_{i-1}, a_i] as in `quantile`; where
    every state is shown, bars plus areas add up to 99. The axis ends at percentile 99, as the note says.

    `assets` (assets,) level; `mass` (assets, income) or (assets,) summing to one; `labels` one per income state; or a
    stationary equilibrium alone, with two assets of net worth, or beside it as `mass` the name of one of them. Of more
    states than four, evenly spaced ones are shown beside all households together, and the note says so.
    Raises ValueError for labels of another number, or when all households are at the borrowing limit.
    """
    held = "Assets"
    if isinstance(assets, SteadyState) and (mass is None or isinstance(mass, str)):
        labels = state_names(assets.economy.own) if labels is None else labels
        held = f"{display_name(mass)} assets" if mass else held
        mass, assets = population_of(assets, mass) if mass else (assets.economy.held(assets.mass), assets.assets)
    if isinstance(assets, Named):  # most pairs lie between points of the second asset, at which many households are
        held, points = "Net worth", np.unique(np.asarray(list(assets.values())[1]))
        mass, assets = _gathered(*population_of(mass, assets), points)
    if mass is None:
        raise ValueError(
            "mass is missing: give plot.wealth_distribution(assets, mass), or a stationary equilibrium alone, as "
            "hm.steady_state(model) returns it."
        )
    assets, mass = np.asarray(assets, dtype=float), np.asarray(mass, dtype=float)
    end = float(quantile(mass, assets, 0.99))
    if not end > assets[0]:
        raise ValueError(
            f"mass has {100 * np.sum(mass[0]):.4g} percent at the first grid point: nothing is left to plot."
        )
    mass = mass.reshape(assets.size, -1)
    labels = state_labels(labels, mass.shape[1])
    everyone, many = mass.sum(axis=1), mass.shape[1] > MOST_STATES
    states, left_out = representatives(mass.shape[1], MOST_STATES, "income states are shown")
    if many:
        mass, labels = np.column_stack([everyone, mass]), ["All households", *labels]
        states = [0, *(state + 1 for state in states)]
    edges = _bin_edges(assets, everyone, end)
    cumulative = np.stack([np.interp(edges, assets, np.cumsum(mass[:, state])) for state in states], axis=1)
    density = 100.0 * np.diff(cumulative, axis=0) / np.diff(edges)[:, None]
    highest = _highest_shown(density, edges, float(quantile(everyone, assets, 0.05)))
    cut = "" if highest is None else f"Higher densities than {highest:.3g}, next to the borrowing limit, are cut off."
    note = " ".join(filter(None, (note, left_out, "The axis ends at percentile 99 of wealth.", cut)))
    figure, (left, right) = panels(2, 2, PAGE, 2.4, note, ratios=(1, 4))
    for place, (state, line) in enumerate(zip(states, line_styles(len(states)), strict=True)):
        outline = {"edgecolor": line["color"], "linestyle": line["linestyle"], "facecolor": "0.92"}
        left.bar(place, 100.0 * mass[0, state], width=0.7, linewidth=1.1, **outline)
        right.plot((edges[1:] + edges[:-1]) / 2.0, density[:, place], label=labels[state], **line)
    left.set(title="At the borrowing limit", ylabel="Percent of the population", xticks=[], ylim=(0, None))
    left.locator_params(axis="y", nbins=3)
    left.set_xlabel(f"{100.0 * everyone[0]:.3g} percent in total")
    left.set_xlim(-0.8, len(states) - 0.2)
    right.set(title="Above the borrowing limit", xlabel=f"{held} (level)", ylabel="Percent per unit of assets")
    right.set(xlim=(assets[0], end), ylim=(0, highest))
    return finish(figure, right if len(states) > 1 else None)


def _gathered(mass: np.ndarray, worth: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mass (worth, income) at the next higher of some `points`, from the lowest worth on, and these points."""
    points = points[: np.searchsorted(points, worth[-1]) + 1]
    points = points if points[-1] >= worth[-1] else np.append(points, worth[-1])
    place = np.searchsorted(points, worth)
    found = np.zeros((len(points), mass.shape[1]))
    np.add.at(found, place, mass)
    return found, points


def _highest_shown(density: np.ndarray, edges: np.ndarray, poor: float) -> float | None:
    """The end of the axis of densities (bins, states) when the poorest, below `poor`, would hide the others."""
    others = density[edges[:-1] >= poor]
    return 1.3 * float(others.max()) if others.size and density.max() > 2.0 * others.max() else None


def _bin_edges(assets: np.ndarray, weight: np.ndarray, end: float, count: int = 40) -> np.ndarray:
    """Edges of bins of wealth at grid points: narrow where many households are, of at most 1/`count` of the axis.

    Both quantiles and equal steps, each moved up to the next grid point: so that a density that changes fast near the
    borrowing limit shows no kink from wide bins, nor a staircase from bins inside one step of the grid.
    """
    above = np.where(np.arange(assets.size) > 0, weight, 0.0)
    reached = np.cumsum(above) / above.sum()
    steps = np.linspace(0.0, 1.0, count + 1)[1:]
    places = np.union1d(np.searchsorted(reached, steps), np.searchsorted(assets, assets[0] + steps * (end - assets[0])))
    inner = assets[places[places < assets.size]]
    return np.concatenate([assets[:1], inner[(inner > assets[0]) & (inner < end)], [end]])


@journal_style()
def plot_policy(
    assets,
    policies: Mapping[str, Any],
    labels: Sequence[str] | None = None,
    note: str = "",
    largest: float | None = None,
    *,
    what: str = "Stationary policy",
    held: str = "Assets",
    beside: Mapping[str, Any] | None = None,
) -> "Figure":
    """A policy, one panel per choice and one line per income state; `what` begins the titles, `held` says what the
    assets are.

    `savings`, the next assets, are shown less assets, which a picture of almost 45 degrees would hide. `beside` is
    another policy of the same choices and shapes, drawn as thin lines: the note has to say which.
    `assets` (assets,) level; `policies` maps a name (consumption, savings, mpc, ...) to levels, (assets, income) or
    (assets,); `labels` one per income state; `largest` ends the axis, by default at the last grid point. Of more states
    than can be told apart in gray, evenly spaced ones are shown, and the note says so.
    Raises ValueError for a policy of another shape or labels of another number.
    """
    assets = np.asarray(assets, dtype=float)
    end = assets[-1] if largest is None else largest
    shown = slice(np.searchsorted(assets, end) + 1)
    most = max(np.size(values) // assets.size for values in policies.values())
    remarks = (
        note,
        representatives(most, len(LINES), "income states are shown")[1],
        f"The axis ends at {held.lower()} of {end:.4g}.",
    )
    width = PAGE if len(policies) > 1 else COLUMN
    figure, axes = panels(len(policies), min(len(policies), 2), width, 2.4, " ".join(filter(None, remarks)))
    for panel, (name, values) in zip(axes, policies.items(), strict=True):
        shown_name = TITLES.get(name, display_name(name).lower())
        if name == "savings":
            panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        values = _by_state(name, values, assets)
        thin = None if beside is None else _by_state(name, beside[name], assets)
        names = state_labels(labels, values.shape[1])
        states, _ = representatives(values.shape[1], len(LINES), "income states are shown")
        for state, line in zip(states, line_styles(len(states)), strict=True):
            panel.plot(assets[shown], values[shown, state], label=names[state], **line)
            if thin is not None:
                panel.plot(assets[shown], thin[shown, state], **{**line, "linewidth": 0.4})
        panel.set(title=f"{what}: {shown_name}", xlabel=f"{held} (level)")
        panel.set(ylabel="Per unit of cash on hand" if name == "mpc" else "Level", xlim=(assets[0], end))
        if name == "mpc":
            panel.set_ylim(0, None)
    several = any(np.ndim(values) == 2 and np.shape(values)[1] > 1 for values in policies.values())
    return finish(figure, axes[0] if several else None)


def _by_state(name: str, values: Any, assets: np.ndarray) -> np.ndarray:
    """The series of a panel of policies, (assets, income)."""
    values = np.asarray(values, dtype=float)
    if values.ndim not in (1, 2) or values.shape[0] != assets.size:
        raise ValueError(
            f"policies[{name!r}] has shape {values.shape}: give (assets,) or (assets, income) with "
            f"{assets.size} grid points."
        )
    values = values.reshape(assets.size, -1)
    return values - assets[:, None] if name == "savings" else values


@journal_style()
def plot_simulation(
    series: Mapping[str, Any],
    names: Sequence[str] | None = None,
    note: str = "",
    units: Mapping[str, str] | None = None,
    period: str = "",
) -> "Figure":
    """Simulated series, one panel each, in the `units` of their names: "level" unless given, or one that begins with
    "percent", for a decimal that is multiplied by 100.

    `series` name -> (time,), rates as decimals; `names` picks and orders the panels; `period` is what the axis counts.
    Raises ValueError for a name that is not among the series.
    """
    names = list(series if names is None else names)
    require_known("names", names, series)
    columns = 2 if len(names) >= 4 and len(names) % 2 == 0 else 1  # no cell stays empty
    figure, axes = panels(len(names), columns, PAGE if columns > 1 else 5.0, 1.3, note)
    for place, (name, panel) in enumerate(zip(names, axes, strict=True)):
        unit = (units or {}).get(name, OWN)
        values = np.asarray(series[name], dtype=float) * (1.0 if unit == OWN else 100.0)
        panel.plot(np.arange(values.size), values, color="0.0", linestyle="-", linewidth=0.7)
        panel.set(title=display_name(name), ylabel=unit.capitalize())
        panel.set_xlim(0, max(values.size - 1, 1))
        if place + columns >= len(names):  # the lowest of its column
            panel.set_xlabel(counted(period))
    return finish(figure)


@journal_style()
def plot_training(
    history: Mapping[str, Any],
    measures: Sequence[str] | None = None,
    note: str = "",
    tolerances: Mapping[str, float] | None = None,
) -> "Figure":
    """Progress of training: each measure against the number of updates, on a log scale where it is always positive.

    `history` has `update` (logged,) and measures (logged,), for instance `euler_error_percent`, whose name gives the
    unit; `measures` picks them, by default all but update; `tolerances` draws a thin line at the value of a measure at
    which training stops. Entries that are not finite leave a gap.
    Raises ValueError when `update` or a measure is missing.
    """
    names = [name for name in history if name != "update"] if measures is None else list(measures)
    require_known("measures", ["update", *names], history)
    tolerances = tolerances or {}
    note = f"{note} Thin line: the tolerance.".strip() if set(tolerances) & set(names) else note
    figure, axes = multiples(len(names), 1.8, note, "Update")
    for name, panel in zip(names, axes, strict=True):
        values = np.asarray(history[name], dtype=float)
        finite = values[np.isfinite(values)]
        panel.plot(np.asarray(history["update"]), values, color="0.0", linestyle="-")
        logarithmic = finite.size > 0 and finite.min() > 0
        panel.set(yscale="log" if logarithmic else "linear", ylabel=_measure(name))
        if name in tolerances:
            panel.axhline(tolerances[name], color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    return finish(figure)


def _measure(name: str) -> str:
    """A measure of training, whose name ends in its unit where it has one: "Euler error, percent"."""
    plain = name.removesuffix("_percent")
    return display_name(plain) + (", percent" if plain != name else "")


@journal_style()
def plot_law_of_motion(
    capital, shock_index, shock_labels: Sequence[str] | None = None, note: str = "", name: str = "capital"
) -> "Figure":
    """The perceived law of motion: log K' on log K by aggregate state, and how far K' lies from the fitted line.

    Least squares by state today, log K' = a + b log K; the legend gives a, b and 1 - R2, the right panel the deviations
    in percent, 100 (log K' - a - b log K). R2 near one is no proof of accuracy (Den Haan 2010): see `plot_forecast`.
    Every period enters the fit; at most 500 of a state are drawn, evenly spaced in time. Of more states than can be
    told apart in gray, evenly spaced ones are shown, and the note says so.

    `capital` (time,) positive, the series called `name`; `shock_index` (time,) integers; `shock_labels` one per state.
    Raises ValueError when capital is not positive or the lengths differ.
    """
    capital, shock_index = np.asarray(capital, dtype=float), np.asarray(shock_index)
    if capital.ndim != 1 or not np.all(capital > 0) or capital.shape != shock_index.shape:
        raise ValueError(
            f"capital has shape {capital.shape} and minimum {np.min(capital):.4g}: give positive numbers (time,), with "
            f"a shock_index of the same length instead of {shock_index.shape}."
        )
    symbol = "K" if name == "capital" else "X"
    today, ahead, shock_index = np.log(capital[:-1]), np.log(capital[1:]), shock_index[:-1]
    visited, counts = np.unique(shock_index, return_counts=True)
    labels = state_labels(shock_labels, int(max(visited.max() + 1, len(shock_labels or ()))))
    chosen, left_out = representatives(len(visited), len(MARKERS), "aggregate states are shown")
    thinned = f"At most {MOST_DOTS} periods of a state are drawn." if counts.max() > MOST_DOTS else ""
    figure, (left, right) = panels(2, 2, PAGE, 2.7, " ".join(filter(None, (note, left_out, thinned))))
    for state, (gray, marker) in zip(visited[chosen], choose(MARKERS, len(chosen), "aggregate states"), strict=True):
        x, y = today[shock_index == state], ahead[shock_index == state]
        line = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1), y, rcond=None)[0]
        error = y - line[0] - line[1] * x
        unexplained = error @ error / max(np.sum((y - y.mean()) ** 2), np.finfo(float).tiny)
        dots = {"color": gray, "marker": marker, "linestyle": "none", "markersize": 2.2, "markeredgewidth": 0.5}
        dots |= {"markerfacecolor": "none", "rasterized": True}
        law = rf"$\log\,{symbol}' = {line[0]:.4f} {line[1]:+.4f}\,\log\,{symbol}$"
        law = f"{labels[state]}: {law}, $1 - R^2 = {_power(unexplained)}$"
        drawn = np.linspace(0, x.size - 1, min(x.size, MOST_DOTS)).round().astype(int)
        left.plot(x[drawn], y[drawn], label=law, **dots)
        right.plot(x[drawn], 100.0 * error[drawn], label=labels[state], **dots)
    right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    shown = display_name(name) if len(name) == 1 else display_name(name).lower()
    left.set(title="Law of motion", xlabel=f"Log {shown} today", ylabel=f"Log {shown} next period")
    right.set(title="Deviation from the fitted line", xlabel=f"Log {shown} today", ylabel="Percent")
    return finish(figure, left)


def _power(value: float) -> str:
    """A small number as mathematics, 1.2e-06 as 1.2 times 10 to the -6."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}"


@journal_style()
def plot_forecast(actual, forecast, note: str = "", name: str = "capital", period: str = "") -> "Figure":
    """Den Haan's test: a series and its forecast from period 0 alone, never corrected along the way.

    Left both levels in the 500 periods around the largest error, right the error 100 (log forecast - log actual) in all
    periods, in percent, with its mean and maximum absolute value. `actual` and `forecast` (time,) positive, along one
    path of shocks, best one that the law was not fitted to; `period` is what the axes count.
    Raises ValueError when shapes differ or a value is not positive. Source: Den Haan (2010).
    """
    actual, forecast = np.asarray(actual, dtype=float), np.asarray(forecast, dtype=float)
    if actual.ndim != 1 or actual.shape != forecast.shape or not np.all(np.minimum(actual, forecast) > 0):
        raise ValueError(
            f"actual has shape {actual.shape} and forecast {forecast.shape}: give positive levels of the same (time,)."
        )
    error = 100.0 * (np.log(forecast) - np.log(actual))
    size = np.abs(error)
    note = f"Absolute error: mean {size.mean():.3g} percent, maximum {size.max():.3g} percent. {note}".strip()
    length = min(WINDOW, actual.size)
    start = int(np.clip(np.argmax(size) - length // 2, 0, actual.size - length))
    if length < actual.size:
        note = f"{note} Left: the {length} periods around the largest error.".strip()
    figure, (left, right) = panels(2, 2, PAGE, 2.2, note)
    periods = np.arange(start, start + length)
    for values, label, line in zip((actual, forecast), ("Simulated", "Forecast"), line_styles(2), strict=True):
        left.plot(periods, values[periods], label=label, **line)
    right.plot(error, color="0.0", linestyle="-", linewidth=0.7)
    right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    left.set(title=display_name(name), xlabel=counted(period), ylabel="Level", xlim=(start, start + length - 1))
    right.set(title="Forecast error", xlabel=counted(period), ylabel="Percent", xlim=(0, actual.size - 1))
    return finish(figure, left)
