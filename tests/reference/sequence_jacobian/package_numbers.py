"""What the scripts beside this file share: how tightly the package solves, and how numbers are kept."""

import csv
from pathlib import Path

HERE = Path(__file__).parent

STATIONARY_OPTIONS = {"backward_tol": 1e-13, "forward_tol": 1e-16, "backward_maxit": 50_000, "forward_maxit": 1_000_000}
HOUSEHOLD_OPTIONS = {**STATIONARY_OPTIONS, "h": 1e-6, "twosided": True}
PATH_OPTIONS = {"tol": 1e-12, "maxit": 50, "verbose": False}


def write(name, columns):
    """Write columns of equal length with 17 significant digits, which is every digit of a double."""
    with (HERE / name).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            table.writerow([value if isinstance(value, str) else f"{value:.17g}" for value in row])
