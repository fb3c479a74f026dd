"""Text for the terminal: aligned lines of names and numbers, and the progress of training."""

import contextlib
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from hank_mfg.progress import OFTEN, lines_every
from hank_mfg.solve.train import NotConvergedWarning, not_converged
from hank_mfg.wording import number, state_names

History = Mapping[str, np.ndarray]
UNITS = ("percent", "share", "seconds")


def named(name: str) -> str:
    """A name for a reader, with its unit last: `seconds_total` becomes "total (seconds)"."""
    words = name.split("_")
    unit = next((word for word in (words[-1], words[0]) if word in UNITS and len(words) > 1), None)
    if unit is None:
        return " ".join(words)
    words.remove(unit)
    return f"{' '.join(words)} ({unit})"


def aligned(rows: Mapping[str, Any]) -> list[str]:
    """One line per row: the name, then the value."""
    width = max(map(len, rows), default=0)
    return [f"{name:{width}}  {number(value)}" for name, value in rows.items()]


def typed(parameter: str, words: list[str]) -> str:
    """A parameter as typed among the `words` of a command, "--under depreciation=2: "; "" where it was not."""
    parts = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    found = [
        f"{option} {given}"
        for option, given in itertools.pairwise(parts)
        if option.startswith("--") and given.partition("=")[0].strip() == parameter
    ]
    return f"{', '.join(found)}: " if found else ""


def columns(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Text in columns under a heading: the first two columns begin, the others end at the same place."""
    widths = [max(len(row[place]) for row in (heading, *rows)) for place in range(len(heading))]
    return [
        "  ".join(f"{cell:{'<' if place < 2 else '>'}{widths[place]}}" for place, cell in enumerate(row)).rstrip()
        for row in (heading, *rows)
    ]


def fixed(value: float) -> str:
    """A response with 4 decimals, zero without a sign."""
    return f"{round(float(value), 4) + 0.0:.4f}"


def response_lines(response: Any) -> list[str]:
    """An impulse response in columns: impact and the largest response of every variable."""
    rows = []
    for name, values in response.mean.items():
        largest = values[np.abs(values).argmax()]
        rows.append((name, response.units[name], fixed(values[0]), fixed(largest)))
    return columns(("variable", "unit", "impact", "largest"), rows)


def training_line(chunk: int) -> Callable[[History], tuple[int, str]]:
    """Updates made, and what the bar says of an economy: the Euler error, averaged over the last `chunk` updates, which
    training compares with its tolerance, and the objective."""

    def line(history: History) -> tuple[int, str]:
        error, objective = 100 * history["euler_error"][-chunk:].mean(), history["objective"][-1]
        return len(history["update"]), f"Euler {error:.4f} %  objective {objective:.4g}"

    return line


def solve_lines(solution: Any, content: dict[str, Any]) -> list[str]:
    """The text after a solve: how it ended, what to do if it did not converge, and the numbers."""
    from hank_mfg.solve.train import Status

    first = solution.status.value
    if solution.status is Status.UPDATES_EXHAUSTED:
        first = not_converged(solution, f"--option updates={2 * solution.settings.updates}")
    rows = {named(name): value for name, value in content.items() if name != "worlds" and value is not None}
    return [first, *aligned(rows), *(member_line(member) for member in content.get("worlds", []))]


def member_line(member: dict[str, Any]) -> str:
    """One member of a family: what differs, its weight, how much worse off households are in it."""
    from hank_mfg.model.named import assignments

    changes = assignments(member["changes"]) or "the model itself"
    loss = member["loss_percent"]
    cost = "not measured yet" if loss is None else f"{loss:.3g} percent worse than the first"
    return f"Model: {changes}; weight {member['weight']:.3g}, {cost}"


def evaluation_lines(solution: Any, content: dict[str, Any], trained: Any) -> list[str]:
    """The text after an evaluation: every measure, the law of motion, how they were taken; first, where
    the parameters are others than in training, whether `trained`, a solution, was prepared for these."""
    from hank_mfg.evaluate.accuracy_table import (
        accuracy_note,
        accuracy_rows,
        gain_rows,
        judged_lines,
        law_of_motion_rows,
    )

    states = state_names(solution.play(10).economy.shock_values)
    others = {**gain_rows(content), **law_of_motion_rows(content, states)}
    first = [_evaluated_under(content["under"], solution, trained)] if "under" in content else []
    rows = judged_lines({**accuracy_rows(content), **{name: (text, "") for name, text in others.items()}})
    return [*first, *rows, accuracy_note(content, trained)]


def _evaluated_under(changes: dict[str, Any], solution: Any, trained: Any) -> str:
    from hank_mfg.model.named import assignments

    if trained.family is not None and trained.family.includes(trained.model, changes):
        count = len(trained.family.changes(trained.model))
        return f"Evaluated under {assignments(changes)}, one of the {count} models of the family trained for."
    if solution is trained:
        return f"Evaluated under {assignments(changes)}, as in training."
    return f"Trained under other parameters, evaluated under {assignments(changes)}."


@contextlib.contextmanager
def progress(
    total: int, quiet: bool, line: Callable[[History], tuple[int, str]], first: str = "starting"
) -> Iterator[Callable[[History], None]]:
    """Progress of training, on standard error: on a terminal a bar that is erased when it ends, of updates, what `line`
    says and the time left, in 80 columns; elsewhere lines that training itself prints (progress.py).
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = Console(stderr=True)
    if quiet or not terminal.is_terminal:
        with telling_steps(quiet):
            yield lambda history: None
        return
    parts = (
        MofNCompleteColumn(), BarColumn(bar_width=14), TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True), TextColumn("left"),
    )  # fmt: skip
    with lines_every(None), Progress(*parts, console=terminal, transient=True) as bar:
        task = bar.add_task(first, total=total)

        def show(history: History) -> None:
            done, text = line(history)
            bar.update(task, completed=done, description=text)

        yield show


def say(quiet: bool, text: str) -> None:
    """A line on standard error, unless `quiet`."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def said_below() -> Iterator[None]:
    """Leave out the warning that a method did not converge: what the command prints at its end says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        yield


def telling_steps(quiet: bool) -> contextlib.AbstractContextManager[None]:
    """Progress of a command without a bar: lines on standard error, none where `quiet`."""
    return lines_every(None if quiet else OFTEN)
