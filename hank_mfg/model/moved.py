"""Names that earlier versions gave to modules, classes and fields: files that hold them are read as well."""

from collections.abc import Mapping
from typing import Any

MOVED = {  # module of the class when it was saved: module today
    "hank_mfg.compare_cli": "hank_mfg.cli.compare",
    "hank_mfg.environment.reach": "hank_mfg.environment.dependence",
    "hank_mfg.environment.trial": "hank_mfg.environment.probe",
    "hank_mfg.evaluate.exploitability": "hank_mfg.evaluate.exploitability.deviation",
    "hank_mfg.evaluate.finite_population": "hank_mfg.evaluate.exploitability.finite_population",
    "hank_mfg.evaluate.game_deviation": "hank_mfg.evaluate.exploitability.game_deviation",
    "hank_mfg.evaluate.game_exploitability": "hank_mfg.evaluate.exploitability.game_exploitability",
    "hank_mfg.gallery": "hank_mfg.model.gallery",
    "hank_mfg.model.mistakes": "hank_mfg.model.spelling",
    "hank_mfg.report.compare": "hank_mfg.evaluate.compare",
    "hank_mfg.report.compare_shocks": "hank_mfg.evaluate.compare_shocks",
    "hank_mfg.report.grid_error": "hank_mfg.evaluate.grid_error",
    "hank_mfg.report.impulse_response": "hank_mfg.evaluate.impulse_response",
    "hank_mfg.report.moments": "hank_mfg.evaluate.moments",
    "hank_mfg.report.path_distribution": "hank_mfg.evaluate.distribution.path_distribution",
    "hank_mfg.run": "hank_mfg.runs.run",
    "hank_mfg.solve.best_savings": "hank_mfg.solve.stationary.best_savings",
    "hank_mfg.solve.by_state": "hank_mfg.solve.gradient.by_state",
    "hank_mfg.solve.candidates": "hank_mfg.solve.stationary.clearing.candidates",
    "hank_mfg.solve.classical_household": "hank_mfg.solve.classical.household",
    "hank_mfg.solve.clearing": "hank_mfg.solve.stationary.clearing.clearing",
    "hank_mfg.solve.equilibrium": "hank_mfg.solve.stationary.clearing.equilibrium",
    "hank_mfg.solve.euler": "hank_mfg.solve.gradient.euler",
    "hank_mfg.solve.first_state": "hank_mfg.solve.sequence.first_state",
    "hank_mfg.solve.fixed_point": "hank_mfg.solve.stationary.fixed_point",
    "hank_mfg.solve.game_play": "hank_mfg.solve.play.game_play",
    "hank_mfg.solve.game_spg": "hank_mfg.solve.gradient.game_spg",
    "hank_mfg.solve.given_prices": "hank_mfg.solve.stationary.given_prices",
    "hank_mfg.solve.global_search": "hank_mfg.solve.stationary.clearing.global_search",
    "hank_mfg.solve.household": "hank_mfg.solve.stationary.household",
    "hank_mfg.solve.household_jacobians": "hank_mfg.solve.sequence.household_jacobians",
    "hank_mfg.solve.household_path": "hank_mfg.solve.sequence.household_path",
    "hank_mfg.solve.income_risk": "hank_mfg.solve.sequence.income_risk",
    "hank_mfg.solve.krusell_smith": "hank_mfg.solve.classical.krusell_smith",
    "hank_mfg.solve.law_of_motion": "hank_mfg.solve.classical.law_of_motion",
    "hank_mfg.solve.law_search": "hank_mfg.solve.classical.law_search",
    "hank_mfg.solve.lifetime": "hank_mfg.solve.play.lifetime",
    "hank_mfg.solve.market": "hank_mfg.solve.play.market",
    "hank_mfg.solve.policy_query": "hank_mfg.solve.play.policy_query",
    "hank_mfg.solve.quantities": "hank_mfg.environment.quantities",
    "hank_mfg.solve.redundancy": "hank_mfg.solve.stationary.diagnosis.redundancy",
    "hank_mfg.solve.rl.mirror_descent": "hank_mfg.solve.baselines.mirror_descent",
    "hank_mfg.solve.rl.ppo": "hank_mfg.solve.baselines.ppo",
    "hank_mfg.solve.robust": "hank_mfg.solve.gradient.robust",
    "hank_mfg.solve.rollout": "hank_mfg.solve.play.rollout",
    "hank_mfg.solve.search": "hank_mfg.solve.stationary.search",
    "hank_mfg.solve.sequence_space": "hank_mfg.solve.sequence.sequence_space",
    "hank_mfg.solve.spg": "hank_mfg.solve.gradient.spg",
    "hank_mfg.solve.stationary": "hank_mfg.solve.stationary.families",
    "hank_mfg.solve.stationary_mass": "hank_mfg.solve.stationary.clearing.mass",
    "hank_mfg.solve.steady_state": "hank_mfg.solve.stationary.steady_state",
    "hank_mfg.solve.symptoms": "hank_mfg.solve.stationary.diagnosis.symptoms",
    "hank_mfg.solve.transition": "hank_mfg.solve.sequence.transition",
    "hank_mfg.solve.game_solution": "hank_mfg.solve.solution",
}

RENAMED_CLASSES = {  # class when it was saved, "module:Name": class today
    "hank_mfg.environment.alike:Alike": "hank_mfg.environment.information_sets:InformationSets",
}
RENAMED_LABELS = {"carried": "state_variables", "unknowns": "clearing_prices"}  # of groups of named quantities
_OF_SETTINGS = {"passes": "epochs", "spread": "uniform_weight"}
RENAMED_FIELDS: dict[str, dict[str, str]] = {  # class: fields of earlier versions, and what they are called today
    "RSPG": {**_OF_SETTINGS, "trace": "td_lambda", "tremble": "price_noise"},
    "GameRSPG": {**_OF_SETTINGS, "action_spread": "uniform_action_weight"},
    "State": {"tremble": "price_noise"},
    "Aggregate": {"carried": "state_variables"},
    "EconomyNoise": {"carried": "state_variables", "unknowns": "clearing_prices"},
    "Start": {"unknowns": "clearing_prices"},
    "Names": {"carried": "state_variables"},
    "Period": {"carried": "state_variables"},
    "Stationary": {"unknowns": "clearing_prices", "outlook": "expected_inflation_term"},
    "Record": {"outlook": "expected_inflation_term"},
    "Targets": {"outlook": "expected_inflation_term"},
    "Decision": {"outlook": "expected_inflation_term"},
    "Training": {"trembles": "price_noise_sd"},
    "Policy": {"alike": "information_sets"},
    "Solution": {"trembles": "price_noise_sd"},
}


def modern(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The `fields` of an object of the library's class `kind`, by the names of today."""
    renamed = RENAMED_FIELDS.get(kind, {})
    return {renamed.get(name, name): value for name, value in fields.items()}
