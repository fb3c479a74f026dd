"""Names that earlier versions gave to modules, classes and fields: files that hold them are read as well."""

from collections.abc import Mapping
from typing import Any

_IN = "hank_mfg.estimate"
_ESTIMATE = {  # rooms of estimate/: modules that lay beside each other
    "calibration": "calibrate calibration calibration_file descent moments targets",
    "likelihood": "likelihood linear_model households kinds processes observed gaussian",
    "posterior": "posterior priors mode chains",
    "matching": "matching matched response_data given_responses",
}
_ROOMS = {  # folder when a class was saved and folder today: modules that kept their names
    ("hank_mfg.evaluate", "hank_mfg.evaluate.exploitability"): "finite_population game_deviation game_exploitability",
    ("hank_mfg.report", "hank_mfg.evaluate"): "compare compare_shocks grid_error impulse_response moments",
    ("hank_mfg.solve", "hank_mfg.solve.stationary"): (
        "best_savings fixed_point given_prices household search steady_state"
    ),
    ("hank_mfg.solve", "hank_mfg.solve.gradient"): "by_state euler game_spg robust spg",
    ("hank_mfg.solve", "hank_mfg.solve.stationary.clearing"): "candidates clearing equilibrium global_search",
    ("hank_mfg.solve", "hank_mfg.solve.sequence"): (
        "first_state household_jacobians household_path income_risk sequence_space transition"
    ),
    ("hank_mfg.solve", "hank_mfg.solve.play"): "game_play lifetime market policy_query rollout",
    ("hank_mfg.solve", "hank_mfg.solve.classical"): "krusell_smith law_of_motion law_search",
    ("hank_mfg.solve", "hank_mfg.solve.stationary.diagnosis"): "redundancy symptoms",
    ("hank_mfg.solve.rl", "hank_mfg.solve.baselines"): "mirror_descent ppo",
}
MOVED = {  # module of a class when it was saved: module today
    "hank_mfg.compare_cli": "hank_mfg.cli.compare",
    "hank_mfg.estimate.free": "hank_mfg.model.free",
    "hank_mfg.environment.reach": "hank_mfg.environment.dependence",
    "hank_mfg.environment.trial": "hank_mfg.environment.probe",
    "hank_mfg.evaluate.exploitability": "hank_mfg.evaluate.exploitability.deviation",
    "hank_mfg.gallery": "hank_mfg.model.gallery",
    "hank_mfg.model.mistakes": "hank_mfg.model.spelling",
    "hank_mfg.report.path_distribution": "hank_mfg.evaluate.distribution.path_distribution",
    "hank_mfg.run": "hank_mfg.runs.run",
    "hank_mfg.solve.classical_household": "hank_mfg.solve.classical.household",
    "hank_mfg.solve.game_solution": "hank_mfg.solve.solution",
    "hank_mfg.solve.quantities": "hank_mfg.environment.quantities",
    "hank_mfg.solve.stationary": "hank_mfg.solve.stationary.families",
    "hank_mfg.solve.stationary_mass": "hank_mfg.solve.stationary.clearing.mass",
    **{f"{old}.{name}": f"{new}.{name}" for (old, new), names in _ROOMS.items() for name in names.split()},
    **{f"{_IN}.{name}": f"{_IN}.{room}.{name}" for room, names in _ESTIMATE.items() for name in names.split()},
}

RENAMED_CLASSES = {  # class when it was saved, "module:Name": class today
    "hank_mfg.environment.alike:Alike": "hank_mfg.environment.information_sets:InformationSets",
    "hank_mfg.policy.policy:Firms": "hank_mfg.policy.policy:Expectations",
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
    "Stationary": {"unknowns": "clearing_prices", "outlook": "expected", "expected_inflation_term": "expected"},
    "Record": {"outlook": "expected", "expected_inflation_term": "expected"},
    "Targets": {"outlook": "expected", "expected_inflation_term": "expected"},
    "Decision": {"outlook": "expected", "expected_inflation_term": "expected"},
    "Training": {"trembles": "price_noise_sd"},
    "Policy": {"alike": "information_sets", "firms": "expectations"},
    "Solution": {"trembles": "price_noise_sd"},
}


def modern(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The `fields` of an object of the library's class `kind`, by the names of today."""
    renamed = RENAMED_FIELDS.get(kind, {})
    return {renamed.get(name, name): value for name, value in fields.items()}
