"""hank_mfg: heterogeneous-agent economies as mean-field games with common noise.

The public names. `solve` and `evaluate` share their names with the folders they live in and are bound here; the others
are loaded on first use, so that nothing pays for tables and figures it does not draw. Functions check the kinds of
their arguments first (arguments.py).
"""

import functools
import importlib
import inspect
import warnings
from typing import TYPE_CHECKING

from hank_mfg.arguments import checked
from hank_mfg.evaluate.accuracy import evaluate as _evaluate
from hank_mfg.solve.solve import solve as _solve


def _load(name: str, model: bool, game: bool):
    """The shipped economy or game of a name, or that of a file; `model` and `game` say which may be meant."""
    from hank_mfg.environment.games import is_game, load_game
    from hank_mfg.model.gallery import load_model

    return load_game(name) if game and (not model or is_game(name)) else load_model(name)


evaluate, solve = checked(_evaluate, _load), checked(_solve, _load)

if TYPE_CHECKING:
    from hank_mfg.environment.check import check_model as check_model
    from hank_mfg.environment.economy import discretize as discretize
    from hank_mfg.environment.games import load_game as load_game
    from hank_mfg.environment.long_run import ChainMoments as ChainMoments
    from hank_mfg.environment.markov import chain_moments as chain_moments
    from hank_mfg.environment.markov import independent_chains as independent_chains
    from hank_mfg.errors import HankError as HankError
    from hank_mfg.errors import SolveError as SolveError
    from hank_mfg.evaluate.accuracy import den_haan as den_haan
    from hank_mfg.evaluate.compare import Comparison as Comparison
    from hank_mfg.evaluate.compare import compare as compare
    from hank_mfg.evaluate.distribution.path_distribution import DistributionPath as DistributionPath
    from hank_mfg.evaluate.distribution.path_distribution import distribution_path as distribution_path
    from hank_mfg.evaluate.distribution.statistics import (
        distribution_table as distribution_table,
    )
    from hank_mfg.evaluate.distribution.statistics import (
        gini as gini,
    )
    from hank_mfg.evaluate.distribution.statistics import (
        lorenz_curve as lorenz_curve,
    )
    from hank_mfg.evaluate.distribution.statistics import (
        quantile as quantile,
    )
    from hank_mfg.evaluate.distribution.statistics import (
        top_share as top_share,
    )
    from hank_mfg.evaluate.euler_errors import euler_errors as euler_errors
    from hank_mfg.evaluate.euler_errors import follow as follow
    from hank_mfg.evaluate.exploitability.exploitability import exploitability as exploitability
    from hank_mfg.evaluate.exploitability.finite_population import finite_population as finite_population
    from hank_mfg.evaluate.grid_error import GridError as GridError
    from hank_mfg.evaluate.grid_error import grid_error as grid_error
    from hank_mfg.evaluate.impulse_response import impulse_response as impulse_response
    from hank_mfg.evaluate.information import InformationValue as InformationValue
    from hank_mfg.evaluate.information import information_value as information_value
    from hank_mfg.evaluate.linear import SecondMoments as SecondMoments
    from hank_mfg.evaluate.linear import second_moments as second_moments
    from hank_mfg.evaluate.linear import winding_number as winding_number
    from hank_mfg.evaluate.misspecification import WelfareCost as WelfareCost
    from hank_mfg.evaluate.misspecification import under as under
    from hank_mfg.evaluate.misspecification import welfare_cost as welfare_cost
    from hank_mfg.evaluate.moments import hamilton_filter as hamilton_filter
    from hank_mfg.evaluate.moments import hp_filter as hp_filter
    from hank_mfg.evaluate.policy_functions import PolicyFunctions as PolicyFunctions
    from hank_mfg.evaluate.policy_functions import policy_functions as policy_functions
    from hank_mfg.evaluate.propensities import PropensityPath as PropensityPath
    from hank_mfg.evaluate.propensities import intertemporal_mpcs as intertemporal_mpcs
    from hank_mfg.evaluate.propensities import mpc_path as mpc_path
    from hank_mfg.evaluate.propensities import static_mpcs as static_mpcs
    from hank_mfg.evaluate.search_gain import SearchGain as SearchGain
    from hank_mfg.evaluate.search_gain import search_gain as search_gain
    from hank_mfg.evaluate.simulate import simulate as simulate
    from hank_mfg.evaluate.welfare import consumption_percent as consumption_percent
    from hank_mfg.model.assets import Assets as Assets
    from hank_mfg.model.base import Model as Model
    from hank_mfg.model.base import choice as choice
    from hank_mfg.model.base import parameter as parameter
    from hank_mfg.model.bracket import Bracket as Bracket
    from hank_mfg.model.gallery import load_model as load_model
    from hank_mfg.model.gallery import model_names as model_names
    from hank_mfg.model.labor import GHH as GHH
    from hank_mfg.model.labor import Separable as Separable
    from hank_mfg.model.preferences import CRRA as CRRA
    from hank_mfg.model.production import CobbDouglas as CobbDouglas
    from hank_mfg.model.shocks import (
        AR1 as AR1,
    )
    from hank_mfg.model.shocks import (
        ConditionalChain as ConditionalChain,
    )
    from hank_mfg.model.shocks import (
        MarkovChain as MarkovChain,
    )
    from hank_mfg.model.shocks import (
        permanent_types as permanent_types,
    )
    from hank_mfg.model.shocks import (
        split_joint_chain as split_joint_chain,
    )
    from hank_mfg.model.signals import private_signals as private_signals
    from hank_mfg.model.var1 import VAR1 as VAR1
    from hank_mfg.replication import replicate as replicate
    from hank_mfg.report.compare_figures import plot_comparison as plot_comparison
    from hank_mfg.report.compare_figures import write_comparison as write_comparison
    from hank_mfg.report.figures import (
        plot_impulse_response as plot_impulse_response,
    )
    from hank_mfg.report.figures import (
        plot_lorenz as plot_lorenz,
    )
    from hank_mfg.report.figures import (
        plot_wealth_distribution as plot_wealth_distribution,
    )
    from hank_mfg.report.figures import (
        save_figure as save_figure,
    )
    from hank_mfg.report.game_figures import plot_finite_population as plot_finite_population
    from hank_mfg.report.path_figures import animate_distribution as animate_distribution
    from hank_mfg.report.path_figures import plot_distribution_path as plot_distribution_path
    from hank_mfg.report.path_figures import plot_intertemporal_mpcs as plot_intertemporal_mpcs
    from hank_mfg.report.report import (
        marginal_propensities as marginal_propensities,
    )
    from hank_mfg.report.report import (
        moment_table as moment_table,
    )
    from hank_mfg.report.report import (
        write_report as write_report,
    )
    from hank_mfg.runs.manifest import trust_run as trust_run
    from hank_mfg.runs.run import load_run as load_run
    from hank_mfg.runs.run import solve_run as solve_run
    from hank_mfg.runs.saving import load as load
    from hank_mfg.runs.saving import save as save
    from hank_mfg.solve.baselines.game_settings import settings_for as settings_for
    from hank_mfg.solve.baselines.mirror_descent import MOMD as MOMD
    from hank_mfg.solve.baselines.ppo import IPPO as IPPO
    from hank_mfg.solve.baselines.ppo import RIPPO as RIPPO
    from hank_mfg.solve.classical.krusell_smith import ClassicalSolution as ClassicalSolution
    from hank_mfg.solve.classical.krusell_smith import KSAlgorithm as KSAlgorithm
    from hank_mfg.solve.gradient.game_spg import GameRSPG as GameRSPG
    from hank_mfg.solve.gradient.game_spg import GameSPG as GameSPG
    from hank_mfg.solve.gradient.robust import Family as Family
    from hank_mfg.solve.gradient.spg import RSPG as RSPG
    from hank_mfg.solve.gradient.spg import SPG as SPG
    from hank_mfg.solve.play.as_game import as_game as as_game
    from hank_mfg.solve.sequence.path_checks import TransitionError as TransitionError
    from hank_mfg.solve.sequence.sequence_space import LinearSolution as LinearSolution
    from hank_mfg.solve.sequence.sequence_space import linearize as linearize
    from hank_mfg.solve.sequence.transition import (
        Transition as Transition,
    )
    from hank_mfg.solve.sequence.transition import (
        transition as transition,
    )
    from hank_mfg.solve.solution import GameSolution as GameSolution
    from hank_mfg.solve.solution import Solution as Solution
    from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium as Equilibrium
    from hank_mfg.solve.stationary.families import SteadyStates as SteadyStates
    from hank_mfg.solve.stationary.families import equilibrium as equilibrium
    from hank_mfg.solve.stationary.families import steady_state_derivatives as steady_state_derivatives
    from hank_mfg.solve.stationary.families import steady_states as steady_states
    from hank_mfg.solve.stationary.given_prices import HouseholdAtPrices as HouseholdAtPrices
    from hank_mfg.solve.stationary.given_prices import household as household
    from hank_mfg.solve.stationary.steady_state import (
        SteadyState as SteadyState,
    )
    from hank_mfg.solve.stationary.steady_state import (
        SteadyStateError as SteadyStateError,
    )
    from hank_mfg.solve.stationary.steady_state import (
        steady_state as steady_state,
    )
    from hank_mfg.solve.train import NotConvergedWarning as NotConvergedWarning
    from hank_mfg.solve.train import Status as Status

_HOMES = {
    "environment.check": ("check_model",),
    "environment.economy": ("discretize",),
    "environment.games": ("load_game",),
    "environment.long_run": ("ChainMoments",),
    "environment.markov": ("chain_moments", "independent_chains"),
    "errors": ("HankError", "SolveError"),
    "evaluate.accuracy": ("den_haan",),
    "evaluate.compare": ("Comparison", "compare"),
    "evaluate.distribution.path_distribution": ("DistributionPath", "distribution_path"),
    "evaluate.distribution.statistics": ("distribution_table", "gini", "lorenz_curve", "quantile", "top_share"),
    "evaluate.euler_errors": ("euler_errors", "follow"),
    "evaluate.exploitability.exploitability": ("exploitability",),
    "evaluate.exploitability.finite_population": ("finite_population",),
    "evaluate.grid_error": ("GridError", "grid_error"),
    "evaluate.impulse_response": ("impulse_response",),
    "evaluate.information": ("InformationValue", "information_value"),
    "evaluate.linear": ("SecondMoments", "second_moments", "winding_number"),
    "evaluate.misspecification": ("WelfareCost", "under", "welfare_cost"),
    "evaluate.moments": ("hamilton_filter", "hp_filter"),
    "evaluate.policy_functions": ("PolicyFunctions", "policy_functions"),
    "evaluate.propensities": ("PropensityPath", "intertemporal_mpcs", "mpc_path", "static_mpcs"),
    "evaluate.search_gain": ("SearchGain", "search_gain"),
    "evaluate.simulate": ("simulate",),
    "evaluate.welfare": ("consumption_percent",),
    "model.assets": ("Assets",),
    "model.base": ("Model", "choice", "parameter"),
    "model.bracket": ("Bracket",),
    "model.gallery": ("load_model", "model_names"),
    "model.labor": ("GHH", "Separable"),
    "model.preferences": ("CRRA",),
    "model.production": ("CobbDouglas",),
    "model.shocks": ("AR1", "ConditionalChain", "MarkovChain", "permanent_types", "split_joint_chain"),
    "model.signals": ("private_signals",),
    "model.var1": ("VAR1",),
    "replication": ("replicate",),
    "report.compare_figures": ("plot_comparison", "write_comparison"),
    "report.figures": ("plot_impulse_response", "plot_lorenz", "plot_wealth_distribution", "save_figure"),
    "report.game_figures": ("plot_finite_population",),
    "report.path_figures": ("animate_distribution", "plot_distribution_path", "plot_intertemporal_mpcs"),
    "report.report": ("marginal_propensities", "moment_table", "write_report"),
    "runs.manifest": ("trust_run",),
    "runs.run": ("load_run", "solve_run"),
    "runs.saving": ("load", "save"),
    "solve.baselines.game_settings": ("settings_for",),
    "solve.baselines.mirror_descent": ("MOMD",),
    "solve.baselines.ppo": ("IPPO", "RIPPO"),
    "solve.classical.krusell_smith": ("ClassicalSolution", "KSAlgorithm"),
    "solve.gradient.game_spg": ("GameRSPG", "GameSPG"),
    "solve.gradient.robust": ("Family",),
    "solve.gradient.spg": ("RSPG", "SPG"),
    "solve.play.as_game": ("as_game",),
    "solve.sequence.path_checks": ("TransitionError",),
    "solve.sequence.sequence_space": ("LinearSolution", "linearize"),
    "solve.sequence.transition": ("Transition", "transition"),
    "solve.solution": ("GameSolution", "Solution"),
    "solve.stationary.clearing.equilibrium": ("Equilibrium",),
    "solve.stationary.families": ("SteadyStates", "equilibrium", "steady_state_derivatives", "steady_states"),
    "solve.stationary.given_prices": ("HouseholdAtPrices", "household"),
    "solve.stationary.steady_state": ("SteadyState", "SteadyStateError", "steady_state"),
    "solve.train": ("NotConvergedWarning", "Status"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["evaluate", "solve", *_HOME_OF]  # noqa: PLE0604 # pyright: ignore[reportUnsupportedDunderAll]


_RENAMED = {  # names of earlier versions, which warn
    "GameError": "SolveError", "game_deviation": "exploitability", "game_exploitability": "exploitability",
    "load_game_run": "load_run", "solve_game": "solve", "solve_game_run": "solve_run",
}  # fmt: skip
_IMPLIED = {"game_deviation": {"kind": "regression"}}  # what an old name says that the new one must be told


def __getattr__(name: str):
    if name in _RENAMED:
        new, implied = _RENAMED[name], _IMPLIED.get(name, {})
        shown = f"hm.{new}" + "".join(f" with {key}={value!r}" for key, value in implied.items())
        warnings.warn(f"hm.{name} is now {shown}: change the name.", DeprecationWarning, stacklevel=2)
        found = solve if new == "solve" else __getattr__(new)
        return functools.partial(found, **implied) if implied else found
    if name not in _HOME_OF:
        from hank_mfg.model.mistakes import did_you_mean

        close = did_you_mean(name, __all__)
        raise AttributeError(f"hank_mfg has no '{name}'{close}; public names: {', '.join(sorted(_HOME_OF))}.")
    found = getattr(importlib.import_module(f"hank_mfg.{_HOME_OF[name]}"), name)
    return _checked(found) if inspect.isfunction(found) else found


_checked = functools.cache(functools.partial(checked, load=_load))


def __dir__() -> list[str]:
    return sorted(__all__)
