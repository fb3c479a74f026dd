"""`hank-mfg show` of an economy and `hank-mfg options` of a method, as JSON and as text."""

import dataclasses
import inspect
import textwrap
from typing import Any

import jax.numpy as jnp
import numpy as np

from hank_mfg.cli.console import aligned
from hank_mfg.cli.kinds import commands
from hank_mfg.environment.check import check_model
from hank_mfg.environment.concavity import explain_rise, rise_before_solving
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.states import describe_states
from hank_mfg.evaluate.distribution.groups import SHARES
from hank_mfg.evaluate.moments import SMOOTHING
from hank_mfg.evaluate.units import kinds_of
from hank_mfg.model.gallery import calibration_table, load_model
from hank_mfg.model.units import KINDS, LEVEL, RATE, SHARE
from hank_mfg.runs.kinds import kind_of
from hank_mfg.wording import number

WIDTH = 80  # of a paragraph
ACCOUNTS = {
    "holds": "Accounts: goods_market() holds at any prices and choices that clear the other markets.",
    "undeclared": "Accounts: goods_market() is not declared, so no accounting identity is checked.",
    "untried": "Accounts: goods_market() can only be checked in equilibrium; steady-state and solve do.",
}


def show_model(source: str, overrides: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The parameters of an economy with units and sources, and its shocks and states; its equations are tried."""
    model = load_model(source, **overrides)
    accounts = check_model(model)
    rows = [{**row, "value": np.asarray(row["value"]).tolist()} for row in calibration_table(source, **overrides)]
    states = describe_states(model)
    lines = []
    for row in rows:
        meaning = " ".join(filter(None, [row["about"], f"[{row['unit']}]" if row["unit"] else ""]))
        value = row["value"] if not isinstance(row["value"], float) else f"{row['value']:.12g}"
        lines.append(f"{row['name']:24} {value!s:>12}  {'; '.join(filter(None, [meaning, row['source']]))}".rstrip())
    units = kinds_of(discretize(model, 10, jnp.float32))
    lines += ["", *_state_lines(states), "", *_unit_lines(model.period, units), ""]
    lines += ["All equations evaluated without error.", ACCOUNTS[accounts.verdict]]
    rise = rise_before_solving(model)
    if rise is not None:
        lines.append(f"Budgets: {explain_rise(model, rise)} in general; steady-state decides by a search.")
    declared = {"period": model.period, "units": units}
    return {"model": source, "parameters": rows, **states, **declared, "accounts": accounts.verdict}, lines


def _unit_lines(period: str, units: dict[str, str]) -> list[str]:
    """The length of a period, what follows from it, and the kind of every series."""
    each = {kind: [name for name, found in units.items() if found == kind and name not in SHARES] for kind in KINDS}
    how = f"{period}; Hodrick-Prescott filter with smoothing {SMOOTHING[period]:,.6g}" if period else (
        'not declared, so moments are not filtered: write period = "quarter" (or "year", "month") in the class'
    )  # fmt: skip
    about = {RATE: "rates (in points)", SHARE: "shares (in points)", LEVEL: "levels"}
    return aligned({"period": how, **{text: ", ".join(each[kind]) or "none" for kind, text in about.items()}})


def _state_lines(states: dict[str, Any]) -> list[str]:
    """Aggregate shocks, then idiosyncratic ones, with values; then the shares of permanent types."""
    rows: dict[str, Any] = {}
    for kind in ("aggregate", "individual"):
        rows[f"{kind} states"] = states[f"{kind}_states"]
        for name, shock in states[f"{kind}_shocks"].items():
            rows[f"  {name}"] = ", ".join(map(number, shock["values"])) + _achieved(shock)
    if len(states["permanent_types"]) > 1:
        rows["shares of permanent types"] = ", ".join(map(number, states["permanent_types"]))
    return aligned(rows)


def _achieved(shock: dict[str, Any]) -> str:
    """Long-run moments of a quantity: its autocorrelation, or what an AR(1) asked for beside what it got;
    of the log where that is what was declared, else of the level."""
    asked, related = shock["asked"], shock["autocorrelation"]
    if related is None:
        return ""
    if asked is None:
        return f"; of its level: autocorrelation {number(related)}"
    log = asked["of"] == "log"
    sd, persistence = (shock[f"{'log_' if log else ''}{name}"] for name in ("sd", "autocorrelation"))
    got = f"standard deviation {number(sd)} (asked for {number(asked['sd'])})"
    if persistence is not None:
        got += f", autocorrelation {number(persistence)} (asked for {number(asked['autocorrelation'])})"
    return f"; of its {'log' if log else 'level'}: {got}"


def show_options(source: str, method: str) -> tuple[dict[str, Any], list[str]]:
    """The options of a method: what its settings say of them, and the values that `solve` takes for this economy or
    game unless they are given. Raises ValueError, as `solve` does, where they do not go together."""
    settings = commands(kind_of(source)).settings_of(source, method)
    about, values = inspect.getdoc(settings) or "", dataclasses.asdict(settings)
    paragraphs = [textwrap.fill(paragraph, WIDTH) for paragraph in about.split("\n\n")]
    content = {"model": source, "method": method, "about": about, "options": values}
    return content, ["\n\n".join(paragraphs), "", *aligned(values)]
