"""Estimation of the one-asset HANK economy: posteriors of six and of nine parameters on US data, published and ours.

Output, inflation and the policy rate of Smets and Wouters (2007), 1966Q1-2004Q4: log output, cumulated from growth,
less its linear trend, inflation and the rate less their means, all in percent a quarter. Three shocks, no measurement
error, priors of the paper.

    FOLDER/estimates.csv, .tex     every parameter: prior, published mode and mean, ours, standard errors and intervals
    FOLDER/moments.csv             standard deviations and autocorrelations: data, at the published mode, at ours
    FOLDER/decomposition.pdf, .png what each shock adds to output, inflation and the rate, period by period
    FOLDER/results.json            all of it
    FOLDER/chains/                 draws: finished ones are not drawn again, those that were cut off go on

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5).
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.estimate.likelihood.likelihood import Likelihood, likelihood
from hank_mfg.estimate.likelihood.observed import Observed
from hank_mfg.estimate.posterior.posterior import Posterior, estimate
from hank_mfg.files import write_text
from hank_mfg.latex import to_latex
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model
from hank_mfg.model.model_files import shipped_folder
from hank_mfg.replication import published_numbers
from hank_mfg.report.estimation_figures import plot_historical_decomposition
from hank_mfg.report.style import save_figure
from hank_mfg.solve.stationary.steady_state import steady_state
from hank_mfg.wording import display_name

SHOCKS = (
    "monetary_sd", "monetary_persistence", "spending_sd", "spending_persistence", "markup_sd", "markup_persistence",
)  # fmt: skip
EQUATIONS = ("taylor", "taylor_output", "slope")
PRIORS = {
    **{name: ("inverse gamma", 0.4, 4.0) if name.endswith("sd") else ("beta", 0.5, 0.2) for name in SHOCKS},
    "taylor": ("gamma", 1.5, 0.25), "taylor_output": ("gamma", 0.5, 0.25), "slope": ("gamma", 0.1, 0.1),
}  # fmt: skip
OBSERVED = {
    "output": Observed("output", trend="linear"),
    "inflation": Observed("inflation", "level"),
    "rate": Observed("nominal_rate", "level", lead=1),  # decided in t, in force in t + 1
}
ESTIMATED = "Estimation of shocks and equations: also of the policy rule and the slope of the Phillips curve."
UNITS = {"output": "Percent", "inflation": "Percent a quarter", "rate": "Percent a quarter"}
FIRST, LAST = "1966Q1", "2004Q4"
PUBLISHED = {
    column: published_numbers(__file__, ("estimation", "parameter"), column)
    for column in ("mode", "mean", "low", "high")
}
CALIBRATED = {"taylor": 1.5, "taylor_output": 0.0, "slope": 0.1}  # where only shocks are estimated
POINTS, PERIODS = 500, 300
NEAR = {"distance": 0.02, "share": 0.1}  # of a published mode


def economy(**parameters: float) -> Model:
    """The economy at the parameters of the shipped one-asset HANK, at the published calibration unless said."""
    shipped = load_model("one_asset_hank").parameters()
    names = (
        "discount_factor", "risk_aversion", "frisch", "disutility", "persistence", "stationary_sd", "maximum_assets",
        "markup", "natural_rate", "debt",
    )  # fmt: skip
    first = {name: 0.4 if name.endswith("sd") else 0.5 for name in SHOCKS}
    values = {**{name: float(shipped[name]) for name in names}, **CALIBRATED, **first, **parameters}
    return load_model(Path(__file__).with_name("economy.py"), **values)


def data() -> pd.DataFrame:
    """Log output, inflation and the policy rate, percent a quarter, one row a quarter."""
    table = pd.read_csv(shipped_folder("calibration") / "data" / "us_smets_wouters_2007.csv", comment="#", index_col=0)
    columns = {"output": table["gdp_growth"].cumsum(), "inflation": table["infl"], "rate": table["ffr"]}
    return pd.DataFrame(columns).loc[FIRST:LAST]


def detrended() -> np.ndarray:
    """The sample that is compared with the model, (periods, 3)."""
    from hank_mfg.estimate.likelihood.observed import sample_of

    return sample_of(data(), OBSERVED, "quarter").values


def run(folder: Path, *, quick: bool = False, tell: Callable[[str], None] = print) -> dict[str, Any]:
    """Estimate both, write tables and the figure; returns the rows and the files written.

    `quick` takes 100 periods of responses, one search and few draws.
    """
    points, periods = POINTS, 100 if quick else PERIODS
    model = economy()
    steady = steady_state(model, asset_points=points)
    rows, moments, seconds, files = [], [], {}, []
    for name, parameters in (("shocks", SHOCKS), ("equations", SHOCKS + EQUATIONS)):
        found = likelihood(model, data(), OBSERVED, parameters, horizon=periods, steady=steady)
        tell(repr(found))
        posterior = estimate(
            found, {each: PRIORS[each] for each in parameters}, draws=20 if quick else 1000, chains=2 if quick else 4,
            warmup=10 if quick else 300, starts=1 if quick else 6, folder=folder / "chains" / name, callback=tell,
        )  # fmt: skip
        rows += _rows(name, posterior)
        moments += _moments(name, found, posterior)
        seconds[name] = posterior.seconds
        tell(posterior.table().to_string())
    table, second = pd.DataFrame(rows), pd.DataFrame(moments)
    figure = plot_historical_decomposition(posterior, units=UNITS, note=ESTIMATED)
    note = f"{points} asset points, {periods} periods, float64. Published: Auclert et al. (2021)."
    named = table.assign(parameter=table["parameter"].map(display_name)).set_index(["estimation", "parameter"])
    files = [
        write_text(folder / "estimates.csv", table.to_csv(index=False)),
        write_text(folder / "estimates.tex", to_latex(named, note=note, digits=3)),
        write_text(folder / "moments.csv", second.to_csv(index=False)),
        write_text(
            folder / "results.json", json.dumps({"rows": rows, "moments": moments, "seconds": seconds}, indent=1)
        ),
        *save_figure(figure, folder / "decomposition"),
    ]
    tell(table.to_string())
    tell(second.to_string())
    return {"rows": rows, "moments": moments, "seconds": seconds, "files": [str(path) for path in files]}


def _rows(name: str, posterior: Posterior) -> list[dict[str, Any]]:
    """One row a parameter."""
    table, rows = posterior.table(), []
    for parameter in posterior.likelihood.parameters:
        published = {column: PUBLISHED[column][name, parameter] for column in PUBLISHED}
        ours = table.loc[parameter]
        apart = abs(float(ours["mode"]) - published["mode"])
        near = apart <= max(NEAR["distance"], NEAR["share"] * abs(published["mode"]))
        rows.append({
            "estimation": name, "parameter": parameter, "published_mode": published["mode"],
            "mode": float(ours["mode"]), "near": bool(near), "published_mean": published["mean"],
            "mean": float(ours["mean"]), "low": float(ours["5 %"]), "high": float(ours["95 %"]),
            "R-hat": float(ours["R-hat"]), "ESS": float(ours["ESS"]),
        })  # fmt: skip
    return rows


def _moments(name: str, found: Likelihood, posterior: Posterior) -> list[dict[str, Any]]:
    """Standard deviation and first autocorrelation of each column: data, at the published mode, at ours."""
    values = found.sample.values
    published = {p: PUBLISHED["mode"][name, p] for p in found.parameters}
    rows = []
    of_data = [(x.std(), np.corrcoef(x[1:], x[:-1])[0, 1]) for x in values.T]
    for what, moments in (
        ("data", of_data), ("published mode", _implied(posterior, published)),
        ("our mode", _implied(posterior, posterior.mode.values)),
    ):  # fmt: skip
        for column, (sd, first) in zip(found.sample.columns, moments, strict=True):
            rows.append({"estimation": name, "of": what, "column": column, "sd": float(sd), "first": float(first)})
    return rows


def _implied(posterior: Posterior, values: Mapping[str, float]) -> list[tuple[float, float]]:
    coefficients = posterior.coefficients(values)
    variance = (coefficients**2).sum(axis=(0, 1))
    later = (coefficients[:, 1:] * coefficients[:, :-1]).sum(axis=(0, 1))
    return list(zip(np.sqrt(variance), later / variance, strict=True))
