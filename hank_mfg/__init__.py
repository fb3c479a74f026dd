"""hank_mfg: heterogeneous-agent economies as mean-field games with common noise.

The public names are listed in __init__.pyi and loaded on first use, so that nothing pays for tables and figures it does
not draw; plots of results are in `plot`, statistics of arrays in `stats`, types of results in `results`. `solve`,
`evaluate`, `estimate` and `welfare` are functions that share their names with the folders they live in, and the
functions are what the names mean here. Functions check the kinds of their arguments first (arguments.py).
"""

import functools
import inspect
import operator
import sys
import types

import lazy_loader

from hank_mfg.arguments import checked
from hank_mfg.errors import warn_user


class _Names(types.ModuleType):
    """This module, in which the import of a folder does not take the name of a public function."""

    def __setattr__(self, name: str, value):
        if not (isinstance(value, types.ModuleType) and name in ("estimate", "evaluate", "solve", "welfare")):
            super().__setattr__(name, value)


def _load(name: str, model: bool, game: bool):
    """The shipped economy or game of a name, or that of a file; `model` and `game` say which may be meant."""
    from hank_mfg.environment.games import is_game, load_game
    from hank_mfg.model.gallery import load_model

    return load_game(name) if game and (not model or is_game(name)) else load_model(name)


_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
sys.modules[__name__].__class__ = _Names

_RENAMED = {  # names of earlier versions, which warn
    "GameError": "SolveError", "game_deviation": "exploitability", "game_exploitability": "exploitability",
    "load_game_run": "load_run", "solve_game": "solve", "solve_game_run": "solve_run",
    "ChainMoments": "results.ChainMoments",
    "ClassicalSolution": "results.ClassicalSolution",
    "Comparison": "results.Comparison",
    "DistributionPath": "results.DistributionPath",
    "Equilibrium": "results.Equilibrium",
    "GridError": "results.GridError",
    "HouseholdAtPrices": "results.HouseholdAtPrices",
    "InformationValue": "results.InformationValue",
    "LinearSolution": "results.LinearSolution",
    "PropensityPath": "results.PropensityPath",
    "SearchGain": "results.SearchGain",
    "SecondMoments": "results.SecondMoments",
    "SteadyStates": "results.SteadyStates",
    "Transition": "results.Transition",
    "WelfareCost": "results.WelfareCost",
    "animate_distribution": "plot.animate_distribution",
    "distribution_table": "stats.distribution_table",
    "gini": "stats.gini",
    "hp_filter": "stats.hp_filter",
    "lorenz_curve": "stats.lorenz_curve",
    "plot_comparison": "plot.comparison",
    "plot_distribution_path": "plot.distribution_path",
    "plot_finite_population": "plot.finite_population",
    "plot_impulse_response": "plot.impulse_response",
    "plot_intertemporal_mpcs": "plot.intertemporal_mpcs",
    "plot_lorenz": "plot.lorenz",
    "plot_wealth_distribution": "plot.wealth_distribution",
    "quantile": "stats.quantile",
    "save_figure": "plot.save",
    "top_share": "stats.top_share",
}  # fmt: skip
_IMPLIED = {"game_deviation": {"kind": "regression"}}  # arguments that an old name implies


def __getattr__(name: str):
    if name in _RENAMED:
        new, implied = _RENAMED[name], _IMPLIED.get(name, {})
        shown = f"hm.{new}" + "".join(f" with {key}={value!r}" for key, value in implied.items())
        warn_user(f"hm.{name} is now {shown}: change the name.", DeprecationWarning)
        found = operator.attrgetter(new)(sys.modules[__name__])
        return functools.partial(found, **implied) if implied else found
    if name not in __all__:
        from hank_mfg.model.spelling import did_you_mean

        close = did_you_mean(name, __all__)
        raise AttributeError(f"hank_mfg has no '{name}'{close}; public names: {', '.join(__all__)}.")
    found = _lazy(name)
    if inspect.isfunction(found):
        found = globals()[name] = checked(found, _load)
    return found
