"""Thresholds of the measures of accuracy, and the source of each; verdicts use these alone.

Tests and units are the literature's. Few of its papers state a limit: bars are then a small multiple of what the
classical algorithm attains on the suite of Den Haan, Judd and Juillard (2010), or what the library itself refuses.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

OK = "ok"


class Bar(NamedTuple):
    """The largest value that passes, in the `unit` of its measure, and the reason for it."""

    limit: float
    unit: str
    source: str

    def verdict(self, value: float) -> str:
        """ "ok", or "above 0.1 %"; a value that is not a number does not pass."""
        return OK if value <= self.limit else f"above {self.limit:g} {self.unit}".rstrip()


_SUITE = "on the suite of Den Haan, Judd and Juillard (2010)"
_GAIN = "a household would notice no less: a thousandth of its consumption, what knowing the future is worth included"
_POINTS = "half a point of inflation a year at most and a twentieth on average, where a period is a quarter"
_FREE = "one unit in a hundred at most and in 2,000 on average; free of units as in Judd (1992)"
BARS: Mapping[str, Bar] = {
    "den_haan_mean_percent": Bar(0.1, "%", f"Den Haan (2010); twice the classical algorithm's error {_SUITE}, .05"),
    "den_haan_max_percent": Bar(0.5, "%", f"Den Haan (2010); 2.5 times the classical algorithm's {_SUITE}, .2"),
    "dynamic_euler_mean_percent": Bar(0.05, "%", f"Den Haan (2010); the classical algorithm attains .003 {_SUITE}"),
    "dynamic_euler_max_percent": Bar(0.2, "%", f"Den Haan (2010); three times the classical algorithm's {_SUITE}, .06"),
    "euler_error_mean_percent": Bar(0.05, "%", _FREE),
    "euler_error_max_percent": Bar(1.0, "%", _FREE),
    "price_error_mean_percent": Bar(0.0125, "points", _POINTS),
    "price_error_max_percent": Bar(0.125, "points", _POINTS),
    "top_of_grid_mass": Bar(1e-6, "", "of households; more of them at the top say that the grid is too short"),
    "goods_market_residual_max": Bar(1e-6, "", "of output; what may be left over in every other method"),
    "market_clearing_residual_max": Bar(1e-8, "", "a hundredth of what a simulation refuses"),
    "exploitability_clairvoyant_percent": Bar(0.1, "%", _GAIN),
    "exploitability_nonanticipative_percent": Bar(0.1, "%", _GAIN),
    "search_gain_percent": Bar(0.1, "%", _GAIN),
}  # fmt: skip

_RELATIVE = "as Euler errors, for what is a price of goods"
EXPECTATIONS: Mapping[tuple[str, str], Bar] = {  # of an expectation, by its unit and size
    ("points", "mean"): Bar(0.0125, "points", _POINTS),
    ("points", "largest"): Bar(0.125, "points", _POINTS),
    ("percent", "mean"): Bar(0.05, "%", _RELATIVE),
    ("percent", "largest"): Bar(1.0, "%", _RELATIVE),
    ("", "mean"): Bar(0.05, "hundredths", _RELATIVE),
    ("", "largest"): Bar(1.0, "hundredths", _RELATIVE),
}


def measures(content: Mapping[str, Any]) -> dict[str, float]:
    """The measures that have a bar, by its name, of what `Accuracy.to_dict` gives; without those that do not apply."""
    gains = (content.get("exploitability") or {}).get("consumption_percent", {})
    search = content.get("search") or {}
    found = {
        **content,
        **{f"exploitability_{kind}_percent": gain for kind, gain in gains.items()},
        "search_gain_percent": search.get("percent"),
    }
    return {name: found[name] for name in BARS if found.get(name) is not None}


def verdicts(content: Mapping[str, Any]) -> dict[str, str]:
    """ "ok" or "above 0.1 %" for every measure of `Accuracy.to_dict` that has a bar."""
    found = {name: BARS[name].verdict(value) for name, value in measures(content).items()}
    for name, each in content.get("euler_error_percent_by_asset", {}).items():
        for size, short in (("mean", "mean"), ("largest", "max")):
            found[f"euler_{name}_{size}"] = BARS[f"euler_error_{short}_percent"].verdict(each[size])
    for name, each in content.get("expectations", {}).items():
        for size in ("mean", "largest"):
            found[f"expectation_{name}_{size}"] = EXPECTATIONS[each["unit"], size].verdict(each[size])
    return found
