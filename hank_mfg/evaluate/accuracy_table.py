"""The accuracy table: every measure with its name, its unit and its verdict."""

from typing import TYPE_CHECKING, Any

from hank_mfg.environment.product_grid import points_in_words
from hank_mfg.evaluate.bars import verdicts
from hank_mfg.solve.solution import GlobalSolution, model_note
from hank_mfg.wording import number

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "den_haan_mean_percent": "Den Haan error, mean (percent)",
    "den_haan_max_percent": "Den Haan error, largest (percent)",
    "dynamic_euler_mean_percent": "Dynamic Euler error, mean (percent)",
    "dynamic_euler_max_percent": "Dynamic Euler error, largest (percent)",
    "euler_error_mean_percent": "Euler error, mean (percent)",
    "euler_error_max_percent": "Euler error, largest (percent)",
    "euler_error_share_above_tenth_percent": "Euler error above .1 percent (share of households)",
    "euler_error_share_above_one_percent": "Euler error above 1 percent (share of households)",
    "price_error_mean_percent": "Phillips-curve error, mean (points of inflation per period)",
    "price_error_max_percent": "Phillips-curve error, largest (points of inflation per period)",
    "constrained_share": "Households at a bound (share)",
    "top_of_grid_mass": "Households at the top of the grid (share)",
    "goods_market_residual_max": "Goods market residual, largest",
    "market_clearing_residual_max": "Excess demand left in the period, largest",
}
KINDS = {"clairvoyant": "clairvoyant", "nonanticipative": "non-anticipative"}


def accuracy_rows(content: dict[str, Any]) -> dict[str, tuple[float | str, str]]:
    """Rows of the table of accuracy from what `Accuracy.to_dict` gives: by name with its unit a number and its verdict
    (bars.py), "" where there is no bar.

    A non-anticipative gain that is not positive is "none found": the deviator's training found nothing better.
    """
    variable, judged = content["variable"], verdicts(content)
    shown = variable.replace("_", " ")
    names = {f"{variable}_mean": f"Mean of {shown} (level)", f"{variable}_sd": f"Sd of {shown} (level)", **NAMES}
    rows: dict[str, tuple[float | str, str]] = {
        text: (content[name], judged.get(name, "")) for name, text in names.items() if content.get(name) is not None
    }
    for name, each in content.get("euler_error_percent_by_asset", {}).items():
        for size in ("mean", "largest"):
            rows[f"Euler error of {name.replace('_', ' ')} assets, {size} (percent)"] = (
                each[size],
                judged[f"euler_{name}_{size}"],
            )
    for name, each in content.get("expectations", {}).items():
        for size in ("mean", "largest"):
            rows[f"Error of expected {each['label']}, {size}"] = each[size], judged[f"expectation_{name}_{size}"]
    for kind, gain in (content["exploitability"] or {}).get("consumption_percent", {}).items():
        found = gain if gain > 0 or kind == "clairvoyant" else "none found"
        name = f"Exploitability, {KINDS[kind]} (percent of consumption)"
        rows[name] = found, judged[f"exploitability_{kind}_percent"]
    if content.get("search") is not None:
        name = "Gain by search, no first-order condition (percent of consumption)"
        rows[name] = content["search"]["percent"], judged["search_gain_percent"]
    return rows


def accuracy_frame(content: dict[str, Any]) -> "pd.DataFrame":
    """The rows of `accuracy_rows` as a table: the value and the verdict."""
    import pandas as pd

    rows = accuracy_rows(content)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["Value", "Verdict"], dtype=object).rename_axis("")


def judged_lines(rows: dict[str, tuple[float | str, str]]) -> list[str]:
    """The rows in three columns of text: the name, the number, the verdict."""
    names, values = max(map(len, rows)), max(len(number(value)) for value, _ in rows.values())
    return [f"{name:{names}}  {number(value):{values}}  {verdict}".rstrip() for name, (value, verdict) in rows.items()]


def law_of_motion_rows(content: dict[str, Any], labels: list[str]) -> dict[str, str]:
    """The fitted law of motion in words, one row per aggregate state with the given labels; none where none was."""
    law = content["law_of_motion"]
    if law is None:
        return {}
    name = law["variable"].replace("_", " ")
    each = zip(labels, law["intercept"], law["slope"], law["r2"], strict=True)
    return {
        f"Law of motion, {label}": f"log {name}' = {intercept:.4g} {slope:+.4g} log {name}, 1 - R2 = {1 - fit:.2g}"
        for label, intercept, slope, fit in each
    }


def gain_rows(content: dict[str, Any]) -> dict[str, str]:
    """The gains of one deviator in lifetime utility, with their standard errors; none where they were not measured."""
    gains = content["exploitability"]
    if gains is None:
        return {}
    rows = {
        f"Gain, {text} (lifetime utility)": f"{gains[kind]:.4g}, standard error {gains['standard_error'][kind]:.2g}"
        for kind, text in KINDS.items()
    }
    sizes = f"{gains['paths']} paths, {gains['horizon']} periods, {gains['deviator_updates']} updates of the deviator"
    return {**rows, "Gains are measured over": sizes}


def accuracy_note(content: dict[str, Any], solution: GlobalSolution | None = None) -> str:
    """The note below the table: sizes, seed and model of the measures."""
    note = "" if "under" in content or solution is None else model_note(solution)
    points = points_in_words(content["asset_points"])
    return (
        f"{content['periods']:,} periods, histogram on {points} asset points, {content['precision']}, "
        f"seed {content['seed']}. {note}"
    ).rstrip()
