"""How names and numbers are written for a reader."""

from typing import Any

NAMES = {"tfp": "TFP", "gdp": "GDP", "mpc": "MPC", "hours": "Hours worked"}


def display_name(name: str) -> str:
    """The name a reader sees: `interest_rate` becomes "Interest rate", a symbol such as `r` stays. A name
    says nothing of units."""
    return name if len(name) == 1 else NAMES.get(name, name[:1].upper() + name[1:].replace("_", " "))


def signed(size: float) -> str:
    """A number with its sign and 3 significant digits, with a proper minus."""
    return f"{size:+.3g}".replace("-", "\u2212")


def number(value: Any) -> str:
    """A number with 4 significant digits, integers in full, text as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
