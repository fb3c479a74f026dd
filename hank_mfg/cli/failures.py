"""Failed commands: one sentence and an exit status, never a traceback.

Status 2: what was typed, a file or a size is wrong, and the sentence says which; 1: something that the library did not
foresee, and the sentence says where; 3: a sweep ended, but some of its points have no equilibrium. With --debug, or
HANK_MFG_TRACEBACK=1, the traceback is shown instead.
"""

import dis
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

WRONG_INPUT, UNFORESEEN, SOME_FAILED = 2, 1, 3
USAGE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")  # of click
_RAISE = dis.opmap["RAISE_VARARGS"]


class Commands(TyperGroup):
    """The commands; Ctrl-C ends any of them with one line on standard error and exit status 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command. A KeyboardInterrupt may carry what to do next."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            _interrupted(interrupt)
        except EOFError as error:
            raise ValueError(
                "Something ended too soon: a file of the run is empty or cut off, or a model file asks for input."
            ) from error
        except SystemExit as error:  # the library and its commands never ask for it
            raise ValueError("A model file called sys.exit(), which ends the whole program: leave it out.") from error


def _interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    print("; ".join(["Interrupted", *map(str, interrupt.args)]) + ".", file=sys.stderr)
    sys.exit(130)


def folder_of(text: str) -> Path:
    """The folder that an option names. Raises BadParameter for an empty name and for a file."""
    if not text.strip():
        raise typer.BadParameter("the name of the folder is empty: give one, for instance runs/first.")
    if Path(text).is_file():
        raise typer.BadParameter(f"{text} is a file: name a folder, for instance runs/first.")
    return Path(text)


def run(app: typer.Typer) -> None:
    """Run the command of the process and end it with the command's exit status."""
    debug = "--debug" in sys.argv or bool(os.environ.get("HANK_MFG_TRACEBACK"))
    try:
        sys.exit(app([word for word in sys.argv[1:] if word != "--debug"], standalone_mode=False) or 0)
    except KeyboardInterrupt as interrupt:
        _interrupted(interrupt)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click: no command at all
            error.show()  # pyright: ignore[reportAttributeAccessIssue]
            sys.exit(WRONG_INPUT)
        if debug:
            raise
        text, status = failure(error)
        print(f"Error: {_typed(error)}{text}", file=sys.stderr)
        sys.exit(status)


def _typed(error: Exception) -> str:
    """The place on the command line of the parameter that an error is about; "" where it was not."""
    if isinstance(error, USAGE):
        return ""
    from hank_mfg.cli.console import typed
    from hank_mfg.model.base import ParameterError

    return typed(error.parameter, sys.argv) if isinstance(error, ParameterError) else ""


def failure(error: BaseException) -> tuple[str, int]:
    """One sentence for an exception that ends a command, and the exit status."""
    if isinstance(error, USAGE):
        usage: Any = error
        text = _line(usage.format_message())
        return (text if text.endswith((".", "?")) else f"{text}."), usage.exit_code
    if isinstance(error, OSError):
        return f"{_of_the_system(error)}.", WRONG_INPUT
    if _out_of_memory(error):
        return (
            "The memory of this machine was not enough: use fewer asset points, paths, starts or periods.",
            WRONG_INPUT,
        )
    from hank_mfg.model.spelling import explain

    traces = list(_traces(error.__traceback__))
    if not traces:
        return _text(error), WRONG_INPUT
    trace = traces[-1]
    frames = [each.tb_frame for each in traces]
    own = next((frame for frame in reversed(frames) if _package(frame).startswith("model_file_")), None)
    if own is not None and trace.tb_frame.f_globals is own.f_globals:
        return explain(error, file=own.f_code.co_filename), WRONG_INPUT
    if _package(trace.tb_frame) == "hank_mfg" and _raised_on_purpose(trace):
        return _text(error), WRONG_INPUT
    if own is not None:
        return explain(error, file=own.f_code.co_filename), WRONG_INPUT
    inside = [each for each in traces if _package(each.tb_frame) == "hank_mfg"]
    place = f"{inside[-1].tb_frame.f_globals['__name__']}, line {inside[-1].tb_lineno}: " if inside else ""
    text = _text(error).rstrip(".")
    return (
        f"{place}{type(error).__name__}, which was not foreseen ({text}): run the same command with --debug to see the "
        "traceback, and please report it."
    ), UNFORESEEN


def _text(error: BaseException) -> str:
    """The message of an exception on one line, the name of its type where it has none."""
    return _line(str(error.args[0]) if error.args else "") or f"{type(error).__name__} without a message."


def _line(text: str) -> str:
    return " ".join(text.split())


def _of_the_system(error: OSError) -> str:
    """The operating system's error, and the file: "runs/first/config.json: permission denied"."""
    if error.strerror is None:
        return _text(error).rstrip(".")
    reason = error.strerror[0].lower() + error.strerror[1:]
    cure = "" if error.filename is None else "; choose another path, or check that the folder exists and can be written"
    return f"{'' if error.filename is None else f'{error.filename}: '}{reason}{cure}"


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error))


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    """From the outermost to the innermost."""
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _raised_on_purpose(trace: TracebackType) -> bool:
    """Whether the exception began at a `raise` statement and not at an operation that failed."""
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
