"""Say in one sentence what is wrong, and where in a model file."""

import difflib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import jax.errors


def closest(name: str, known: Iterable[str]) -> str:
    """The `known` name most like one that is not known; "" where none is alike."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint to put behind a name that is not `known`, " (did you mean 'wage'?)"; "" where none is alike."""
    close = closest(name, known)
    return f" (did you mean '{close}'?)" if close else ""


def explain(error: BaseException, *, file: str | None = None, model: type | None = None) -> str:
    """One sentence for an error raised by a model file: "my_model.py, line 12, in prices(): ...".

    Give `file`, the file that was executed, or `model`, the class one of whose methods was called; frames of the
    traceback that belong to either say the line. Without such a frame the sentence starts with the cause.
    """
    place = _place(error, file, model)
    return f"{place}: {_cause(error, model)}" if place else _cause(error, model)


def _frames(error: BaseException):
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame, step.tb_lineno
        step = step.tb_next


def _place(error: BaseException, file: str | None, model: type | None) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{_short(error.filename)}, line {error.lineno}"
    files = {file} if file else set()
    if model is not None:
        own = [frame for frame, _ in _frames(error) if isinstance(frame.f_locals.get("self"), model)]
        files |= {frame.f_code.co_filename for frame in own if not _in_library(frame)}
    inside = [(frame, line) for frame, line in _frames(error) if frame.f_code.co_filename in files]
    if not inside:
        return ""
    frame, line = inside[-1]
    where = f"{_short(frame.f_code.co_filename)}, line {line}"
    in_function = frame.f_code.co_flags & inspect.CO_NEWLOCALS
    return f"{where}, in {frame.f_code.co_name}()" if in_function else where


def _in_library(frame) -> bool:
    """Whether a frame belongs to this library or to Equinox, whose modules wrap the user's methods."""
    return _package(frame) in ("hank_mfg", "equinox")


def _package(frame) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]


def _short(filename: str) -> str:
    if "ipykernel" in filename or filename.startswith("<ipython"):
        return "the notebook"
    return filename if filename.startswith("<") else Path(filename).name


ORDER = (
    "arguments come in the order aggregates(self, assets, own, today), prices(self, today), "
    "resources(self, assets, own, today), signal(self, today), outcomes(self, today), "
    "excess_demand(self, today, choices) and goods_market(self, today, choices, tomorrow)"
)
EQUATIONS = "aggregates|prices|resources|signal|outcomes|excess_demand|goods_market"
_PLAIN = (
    (r"could not convert string to float: (.*)", r"the text \1 stands where a number is needed: write a number."),
    (
        r"float\(\) argument must be a string or a real number, not '(\w+)'",
        r"a value of type \1 stands where a real number is needed: give a real number.",
    ),
    (
        r"not enough values to unpack \(expected (\d+), got (\d+)\)",
        r"a line unpacks \1 values where there are \2: write \2 names on its left side, or return \1 values.",
    ),
    (
        r"too many values to unpack \(expected (\d+).*",
        r"a line unpacks \1 values where there are more: write a name for each on its left side.",
    ),
    (
        r"unhashable type: '\w*Tracer'",
        "an array is used as a key of a dict or in a set: use a name as key, or jax.numpy.where to choose by value.",
    ),
    (
        r"unsupported operand type\(s\) for (\S+): .*'Named'.*",
        rf"a whole group of names is used as a number with \1: read a name of it, own.labor, or check that {ORDER}.",
    ),
    (
        r"'(\w+)' is a field but has no type annotation",
        r"\1 is declared without a type: write \1: float = hm.parameter(...).",
    ),
    (r"\w*Tracer has no attribute (\w+)", rf"an array has no name \1: {ORDER}."),
    (r"(.*takes \d+ positional arguments? but \d+ w(?:as|ere) given)", rf"\1: {ORDER}."),
    (rf"((?:\w+\.)?(?:{EQUATIONS})\(\) missing \d+ required.*)", rf"\1: {ORDER}."),
)


def _in_plain_words(message: str) -> str:
    """A message of Python or JAX that names no cure, said with one; "" for any other."""
    for pattern, words in _PLAIN:
        found = re.fullmatch(pattern, message.rstrip("."))
        if found:
            return found.expand(words)
    return ""


def _cause(error: BaseException, model: type | None) -> str:
    message = str(error.args[0]) if error.args else ""
    message = message.strip().splitlines()[0] if message.strip() else "no message"
    message = re.split(r"(?<=[.!?])\s+(?=[A-Z])", message.strip())[0]
    if isinstance(error, SyntaxError):
        return f"{error.msg}; correct the syntax of that line."
    if isinstance(error, SystemExit):
        return "sys.exit() ends the whole program: leave it out of the file, or raise ValueError with a sentence."
    plain = _in_plain_words(message) if isinstance(error, TypeError | AttributeError | ValueError) else ""
    if plain:
        return plain
    if isinstance(error, jax.errors.TracerBoolConversionError):
        return (
            "an `if`, `and`, `min()` or `max()` asks for the value of an array that JAX traces: use jax.numpy.where, "
            "jax.numpy.minimum or jax.numpy.maximum."
        )
    if isinstance(error, jax.errors.ConcretizationTypeError | jax.errors.TracerArrayConversionError):
        return (
            "float(), math or numpy asks for the value of an array that JAX traces: use the function of the same name "
            "from jax.numpy."
        )
    if isinstance(error, AttributeError) and model is not None and isinstance(error.obj, model):
        known = [name for name in dir(model) if not name.startswith("_")]
        close = closest(error.name or "", known)
        cure = f"did you mean self.{close}?" if close else "declare it with parameter(...) or define that method."
        return f"{model.__name__} has no '{error.name}': {cure}"
    message = message if message.endswith((".", "?", "!")) else f"{message}."
    frames = list(_frames(error))
    return message if frames and _package(frames[-1][0]) == "hank_mfg" else f"{type(error).__name__}: {message}"
