"""Units that a model declares: the kind of every series, and the length of a period.

A rate (of interest, of inflation) is a decimal per model period and a share (of households, of income, a tax rate) a
decimal: both move in percentage points, and only rates are ever expressed per year. A level is in units of its own.
Nothing is inferred from the spelling of a name.
"""

from collections.abc import Iterable
from typing import Any

from hank_mfg.model.spelling import did_you_mean

RATE, SHARE, LEVEL = KINDS = ("rate", "share", "level")
PERIODS = {"year": 1, "quarter": 4, "two months": 6, "month": 12}  # how many of them a year has


def shown_in(kind: str, period: str) -> tuple[str, float]:
    """The unit in which tables and figures show a level of this kind, and what multiplies the model's number."""
    rate = f"percent per {period or 'period'}"
    return {RATE: (rate, 100.0), SHARE: ("percent", 100.0), LEVEL: ("level", 1.0)}[kind]


def check_period(period: Any, where: str) -> None:
    """Raise ValueError unless `period`, read at `where`, is one of `PERIODS` or empty (not declared)."""
    if period in ("", None):
        return
    if not isinstance(period, str) or period not in PERIODS:
        near = did_you_mean(period, PERIODS) if isinstance(period, str) else ""
        raise ValueError(
            f"{where} = {period!r} is no length of a period{near}: write one of {', '.join(map(repr, PERIODS))}, or "
            "leave it out and give the filter its smoothing yourself."
        )


def declared_kinds(model: Any, names: Iterable[str]) -> dict[str, str]:
    """The kind of every name in `names` by `model.units()`; a level where it is not declared.

    `names` are all series of the model. Raises ValueError for a word that is no kind and for a name that is not among
    them: a misspelled name would otherwise leave a rate in percent.
    """
    where, given, names = f"{type(model).__name__}.units()", model.units(), list(names)
    if not isinstance(given, dict):
        raise ValueError(f"{where} returned {type(given).__name__}: return a dict such as {{'interest_rate': 'rate'}}.")
    asked = model.names_expected() if given else ()
    for name, kind in given.items():
        if name not in (*names, *asked):
            near = did_you_mean(name, names) if isinstance(name, str) else ""
            raise ValueError(
                f"{where} names {name!r}, which the model does not have{near}: its series are {', '.join(names)}."
            )
        if kind not in KINDS:
            raise ValueError(
                f"{where} says {kind!r} of {name}: write 'rate' for a decimal per period, 'share' for a decimal that "
                "is a part of something, or 'level' for anything in units of its own."
            )
    return {name: given.get(name, LEVEL) for name in names}
