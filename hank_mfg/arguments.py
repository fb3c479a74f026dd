"""Check what a public function is given against what its signature says, in one sentence, before it begins.

`hank_mfg/__init__.py` wraps every public function with `checked`; inside the library functions call each other bare.
Only what can be judged without computing is: that an argument is of the kind that its annotation names, that a number
is one, that a seed is a whole number. Ranges are the functions' own business.
"""

import collections.abc
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

from hank_mfg.errors import HankError, warn_user
from hank_mfg.sizes import is_whole, require_seed

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Load = Callable[[str, bool, bool], Any]

HOW = {
    "Model": "a model, as hm.load_model('krusell_smith') or a class of your own makes it",
    "SteadyState": "a stationary equilibrium, as hm.steady_state(model) returns it",
    "Solution": "a trained solution, as hm.solve(model) or hm.load_run(folder) returns it",
    "ClassicalSolution": "a classical solution, as hm.solve(model, hm.KSAlgorithm()) returns it",
    "GlobalSolution": "a solution with aggregate risk, as hm.solve(model) or hm.load_run(folder) returns it",
    "LinearSolution": "a linear solution, as hm.linearize(steady) returns it",
    "Transition": "a path, as hm.transition(steady, ...) returns it",
    "DistributionPath": "a path of the distribution, as hm.distribution_path(path) returns it",
    "Comparison": "a comparison, as hm.compare(solution) returns it",
    "AbstractGame": "a game, as hm.load_game('beach_bar') or a class of your own makes it",
    "GameSolution": "a trained game, as hm.solve(game) or hm.load_run(folder) returns it",
    "Drawn": "a posterior, as hm.estimate(likelihood, priors) returns it",
    "RSPG": "settings, as hm.RSPG() or hm.SPG() makes them",
    "KSAlgorithm": "settings, as hm.KSAlgorithm() makes them",
    "GameRSPG": "settings, as hm.GameRSPG() or hm.GameSPG() makes them",
    "IPPO": "settings, as hm.IPPO() or hm.RIPPO() makes them",
    "MOMD": "settings, as hm.MOMD() makes them",
    "BoxSolution": "a solution over a box of parameters, as hm.solve(model, over={...}) returns it",
    "Box": "a box of parameters, as hm.Box({'risk_aversion': (1, 3)}) makes it",
    "Family": "a model set, as hm.Family({'depreciation': [0.03]}) makes it",
    "AR1": "a shock, as hm.AR1('labor', persistence=0.9, stationary_sd=0.4) declares it",
    "VAR1": "a shock, as hm.VAR1('productivity', 'spending', persistence=..., innovation_covariance=...) declares it",
    "MarkovChain": "a shock, as hm.MarkovChain(transition, labor=[0.5, 1.5]) declares it",
    "ConditionalChain": "a shock, as hm.ConditionalChain(transition, labor=[0.5, 1.5]) declares it",
}
RENAMED = (  # arguments of earlier versions, which warn: old, new
    ("key", "seed"), ("watch", "callback"), ("switches", "overrides"), ("model", "problem"), ("game", "problem"),
    ("game", "model"), ("chances", "probabilities"),
)  # fmt: skip
PLAIN = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}


class ArgumentError(HankError, ValueError, TypeError):
    """An argument of the wrong kind; the message names it, says what was given, what is expected, and how to get it."""


def checked(
    function: Callable[Arguments, Result], load: Load | None = None, *, name: str = ""
) -> Callable[Arguments, Result]:
    """The same function, whose arguments are checked first. Raises ArgumentError, or SizeError for a seed.

    `load(name, model, game)` gives the economy or the game of a name where an argument may be a model or a game; `name`
    is the public name of the function, such as "plot.lorenz", where that is not its own.
    """
    signature, call = inspect.signature(function), name or function.__name__

    @functools.wraps(function)
    def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for old, new in RENAMED:
            if old in kwargs and old not in signature.parameters and new in signature.parameters.keys() - kwargs.keys():
                said = f"{call}({old}=...) is now {new}=...: change the name."
                warn_user(said, DeprecationWarning)
                kwargs[new] = kwargs.pop(old)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:  # Python's own sentence names the argument
            unknown = [name for name in kwargs if name not in signature.parameters]
            cure = (
                "; parameters of a model are given to hm.load_model(name, ...)"
                if unknown and "model" in signature.parameters
                else ""
            )
            known = ", ".join(name for name in signature.parameters)
            raise TypeError(f"{call}(): {error}{cure}; its arguments are {known}.") from None
        for argument, value in bound.arguments.items():
            parameter = signature.parameters[argument]
            if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                bound.arguments[argument] = value = _loaded(value, parameter.annotation, load)
                check_argument(call, argument, value, parameter.annotation)
        from hank_mfg.compiling import keep_compiled  # it imports equinox, which nobody should wait for at import

        keep_compiled()
        return function(*bound.args, **bound.kwargs)

    inside.__name__ = inside.__qualname__ = call.rpartition(".")[2]
    return inside


def _loaded(value: Any, annotation: Any, load: Load | None) -> Any:
    """The economy or game that a name, or the path of a file, stands for, where an argument must be one."""
    if load is None or not isinstance(value, str | os.PathLike):
        return value
    kinds = {_name(kind) for kind in _alternatives(annotation) if isinstance(kind, type)}
    if kinds & {"str", "Path"} or not kinds & {"Model", "AbstractGame"}:
        return value
    return load(os.fspath(value), "Model" in kinds, "AbstractGame" in kinds)


def check_argument(call: str, name: str, value: Any, annotation: Any) -> None:
    """Raise ArgumentError unless `value` is of the kind that an `annotation` names; what it cannot judge passes."""
    if not _fits(value, annotation):
        raise ArgumentError(f"{call}({name}=...) was given {described(value)}: give {_expected(annotation, value)}.")
    if name == "seed" and annotation is int:
        require_seed(name, value)


def require_none(given: dict[str, Any], owner: str, what: str) -> None:
    """Raise ValueError for an argument that only another kind of problem takes, `owner`; `what` says which this is."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} is for {owner}, and {what}: leave {name} out.")


def described(value: Any) -> str:
    """A description of a value in a few words."""
    if value is None or isinstance(value, bool | int | float | complex):
        return f"{value!r}"[:60]
    if isinstance(value, str | os.PathLike):
        return f"the text {str(value)!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}, not an object of it"
    if isinstance(value, np.ndarray | jax.Array):
        return f"an array of shape {np.shape(value)}"
    for kind in type(value).__mro__:
        if kind.__name__ in HOW:
            named = "" if kind is type(value) else f" ({type(value).__name__})"
            return f"{HOW[kind.__name__].partition(', as ')[0]}{named}"
    return f"a {type(value).__name__}"


def _alternatives(annotation: Any) -> tuple:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)


def _fits(value: Any, annotation: Any) -> bool:
    return any(_is(value, kind) for kind in _alternatives(annotation))


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of one kind; True for a kind that is not judged."""
    origin = typing.get_origin(kind)
    if kind in (None, types.NoneType):
        return value is None
    if kind is int:
        return is_whole(value)
    if kind is float:
        return _is_real(value)
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind is str:
        return isinstance(value, str)
    if origin is type:
        return isinstance(value, type) and all(issubclass(value, one) for one in typing.get_args(kind))
    if origin in (collections.abc.Mapping, dict):
        return isinstance(value, collections.abc.Mapping)
    if origin is collections.abc.Sequence:
        return isinstance(value, collections.abc.Sequence | np.ndarray) and not isinstance(value, str | bytes)
    if origin is collections.abc.Callable:
        return callable(value)
    if not isinstance(kind, type):
        return True
    if issubclass(kind, os.PathLike):  # pyright: ignore[reportGeneralTypeIssues]
        return isinstance(value, kind)
    if kind.__module__.startswith("hank_mfg"):
        return _has_members(value, kind) if getattr(kind, "_is_protocol", False) else isinstance(value, kind)
    return not (kind is np.ndarray and isinstance(value, str | bytes))


def _is_real(value: Any) -> bool:
    if isinstance(value, jax.Array):  # tracers too
        return value.ndim == 0
    return isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool) and value == value


def _has_members(value: Any, protocol: type) -> bool:
    members = [name for name, each in vars(protocol).items() if not name.startswith("_") and callable(each)]
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in members)


def _expected(annotation: Any, value: Any) -> str:
    """The expected kind, and how to get it: for the name of a shipped economy or game the call that loads it."""
    kinds = [kind for kind in _alternatives(annotation) if kind not in (None, types.NoneType)]
    names = [_name(kind) for kind in kinds]
    if isinstance(value, str) and names[0] in ("Model", "AbstractGame"):
        return f"hm.{'load_model' if names[0] == 'Model' else 'load_game'}({value!r}), the object"
    words = [HOW.get(name) or PLAIN.get(kind) or f"a {name}" for name, kind in zip(names, kinds, strict=True)]
    return ", or ".join(dict.fromkeys(words))


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is type:
        return "class derived from hm." + _name(typing.get_args(kind)[0])
    return getattr(kind, "__name__", None) or str(kind)
