"""Calibration: targets are met, parameters are recovered, derivatives and standard errors agree with differences."""

import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.estimate.calibration.calibrate import prepare
from hank_mfg.estimate.calibration.moments import Stationary, parse_moment
from hank_mfg.estimate.calibration.targets import read_csv
from hank_mfg.model.free import Free

MODEL = Path(__file__).with_name("two_patience.py")
FREE = {"discount_factor": (0.88, 0.98), "spread": (0.0, 0.1)}
TARGETS = {"capital / output": hm.Target(3.0, standard_error=0.1, source="accounts"), "gini": hm.Target(0.6, 0.02)}
POINTS = 60


@pytest.fixture(scope="module")
def model():
    return hm.load_model(MODEL)


@pytest.fixture(scope="module")
def task(model):
    """The economy with two kinds of households, two parameters and two targets: compiled once for this file."""
    with jax.enable_x64(True):
        return prepare(model, FREE, TARGETS, asset_points=POINTS)


@pytest.fixture(scope="module")
def found(task):
    with jax.enable_x64(True):
        descent = task.search()
        return task.result(descent, task.equilibria.steady(descent.here.point, (0.0, 0.0)))


@pytest.mark.slow
def test_both_targets_are_met_by_the_library_s_own_statistics(found):
    """Guards docs/calibration.md, the first example: the ratio from the checked equilibrium, the Gini coefficient from
    hm.stats: not from what was searched with."""
    steady = found.steady
    assert steady.outcomes["capital"] / steady.outcomes["output"] == pytest.approx(3.0, abs=1e-8)
    assert float(hm.stats.gini(steady)) == pytest.approx(0.6, abs=1e-8)
    assert steady.residual < 1e-8 and abs(steady.goods_market) < 1e-8
    assert found.model.discount_factor == found.values[0] and found.model.spread == found.values[1]
    assert not found.at_bound.any() and found.over_identification is None


@pytest.mark.slow
def test_parameters_come_back_from_the_model_s_own_moments(task):
    """Guards docs/calibration.md: from other starts, one of them where targets hardly tell the parameters apart: the
    same parameters to 1e-6."""
    with jax.enable_x64(True):
        truth = task.search().here.point.theta
        for start in ([0.9343, 0.0935], [0.965, 0.003]):
            again = task.search(np.array(start)).here.point.theta
            assert np.abs(again / truth - 1.0).max() < 1e-6


@pytest.mark.slow
def test_the_jacobian_is_that_of_finite_differences_along_the_equilibrium(task, found):
    """Guards docs/calibration.md, identification: the total derivative of targets, against differences."""
    equilibria, step = task.equilibria, 1e-4
    with jax.enable_x64(True):
        for place in range(2):
            moved = [found.values + sign * step * np.eye(2)[place] for sign in (-1.0, 1.0)]
            low, high = (equilibria.moments(equilibria.first(theta)) for theta in moved)
            assert found.jacobian[:, place] == pytest.approx((high - low) / (2 * step), rel=2e-3)


@pytest.mark.slow
def test_sensitivity_says_how_parameters_move_with_the_data(task, found):
    """Guards docs/calibration.md, sensitivity: Andrews, Gentzkow and Shapiro (2017): calibrated again to another Gini
    coefficient; Var = Lambda V Lambda'."""
    step = 1e-4
    moved = task._replace(targets=task.targets._replace(values=np.array([3.0, 0.6 + step])))
    with jax.enable_x64(True):
        again = moved.search(found.values).here.point.theta
    by_data = found.sensitivity()
    assert by_data["gini"].to_numpy() == pytest.approx((again - found.values) / step, rel=1e-2)
    variance = by_data.to_numpy() @ np.diag([0.1, 0.02]) ** 2 @ by_data.to_numpy().T
    assert found.parameters["standard error"].to_numpy() == pytest.approx(np.sqrt(np.diag(variance)))
    assert by_data.to_numpy() @ found.jacobian == pytest.approx(np.eye(2), abs=1e-9)


@pytest.mark.slow
def test_tables_print_on_a_screen_and_as_latex(found):
    """Guards docs/calibration.md, what is returned."""
    assert len(repr(found).splitlines()) < 20 and max(map(len, repr(found).splitlines())) <= 110
    assert list(found.targets.columns) == ["model", "data", "gap", "standard error", "source"]
    assert found.targets.loc["capital / output", "source"] == "accounts"
    assert found.identification().loc["gini", "moved most by"] in FREE
    assert found.singular_values.shape == (2,) and found.singular_values[-1] > 0
    for which in ("parameters", "targets", "identification", "sensitivity"):
        assert "toprule" in found.to_latex(which=which)


@pytest.mark.slow
def test_a_parameter_at_its_bound_is_held_there(found):
    """Guards docs/calibration.md, bounds: one parameter is left: its variance is 1 / (s' W s), and two targets leave
    one degree of freedom."""
    held = dataclasses.replace(found, values=np.array([found.values[0], 0.1]), moments=found.moments + [0.1, 0.0])
    slope, weights = found.jacobian[:, 0], np.diag([100.0, 2500.0])
    assert held.at_bound.tolist() == [False, True] and "yes" in repr(held)
    assert held.standard_errors[0] == pytest.approx((slope @ weights @ slope) ** -0.5) and np.isnan(
        held.standard_errors[1]
    )
    assert np.all(held.sensitivity().loc["spread"] == 0)
    assert held.over_identification["degrees of freedom"] == 1
    assert held.over_identification["J"] == pytest.approx(1.0)  # one gap of one standard error
    assert held.over_identification["p-value"] == pytest.approx(0.3173, abs=1e-4)


@pytest.mark.slow
def test_shares_without_positive_mean_wealth_have_no_meaning(task, refuses):
    """Guards docs/calibration.md, bad input: a sentence that says which moment and why."""
    point = SimpleNamespace(slopes=SimpleNamespace(moments=np.array([3.0, np.nan])))
    refuses(lambda: task._require_moments(point), "'gini' is not a number", "positive mean wealth", "quantile")


@pytest.mark.slow
def test_what_cannot_be_met_says_how_near_and_which_bound(task):
    """Guards docs/calibration.md, what cannot be met: in a box whose highest discount factor is below the one that both
    targets need."""
    narrow = copy.copy(task.equilibria)
    narrow.free = (Free("discount_factor", None, 0.9, 0.95), Free("spread", None, 0.0, 0.02))
    with jax.enable_x64(True), pytest.raises(hm.CalibrationError) as caught:
        task._replace(equilibria=narrow).search()
    sentence = str(caught.value)
    assert "capital / output = 2." in sentence and "for 3" in sentence
    assert "discount_factor at its upper bound 0.95" in sentence


@pytest.mark.slow
def test_the_saved_calibration_is_the_calibrated_economy(found, tmp_path, refuses):
    """Guards docs/calibration.md, the file: it loads as the calibrated economy and names its targets."""
    (tmp_path / MODEL.name).write_text(MODEL.read_text())
    refuses(lambda: found.save(tmp_path / "mine.toml"), "lies beside its model", str(MODEL.parent / "mine.toml"))
    moved = dataclasses.replace(found, model=hm.load_model(tmp_path / MODEL.name, **found.model.parameters()))
    file = moved.save(tmp_path / "mine.toml")
    loaded = hm.load_model(file)
    for name, value in found.model.parameters().items():
        assert np.array_equal(getattr(loaded, name), value)
    text = file.read_text()
    source = "calibrated to capital / output = 3, gini = 0.6 (accounts), together with spread; 60 asset points"
    assert source in text and 'period = "year"' in text
    refuses(lambda: moved.save(tmp_path / "mine.txt"), "ends with .toml")


MOMENTS = {
    "capital": lambda s: s.outcomes["capital"],
    "consumption": lambda s: s.outcomes["consumption"],
    "wage / interest_rate": lambda s: s.outcomes["wage"] / s.outcomes["interest_rate"],
    "gini": hm.stats.gini,
    "gini(consumption)": lambda s: hm.stats.gini(*_ordered(s)),
    "top_share(0.1)": lambda s: hm.stats.top_share(s, fraction=0.1),
    "bottom_share(0.4)": lambda s: 1.0 - hm.stats.top_share(s, fraction=0.6),
    "lorenz(0.8)": lambda s: 1.0 - hm.stats.top_share(s, fraction=0.2),
    "quantile(0.5)": lambda s: hm.stats.quantile(s, probability=0.5),
    "quantile(0.9)": lambda s: hm.stats.distribution_table(s)["value"]["Percentile 90 (level)"],
    "share_at_limit": lambda s: s.mass[0].sum(),
}
PROPENSITIES = {
    "mpc(0.000001)": lambda s: np.sum(s.mass * hm.static_mpcs(s)[0]),
    "mpc(0.000001, periods=3)": lambda s: hm.intertemporal_mpcs(s, horizon=3)[:, 0].sum(),
}


def _ordered(steady):
    """Consumption as if it were assets: its values in order, and their mass."""
    values, place = np.unique(steady.consumption, return_inverse=True)
    return np.bincount(place.ravel(), steady.mass.ravel()), values


def _check_moments(steady, truths, rel):
    with jax.enable_x64(True):
        public = jax.tree.map(jnp.asarray, steady.public)
        at = Stationary(steady.economy, public, jnp.asarray(steady.composite), jnp.asarray(steady.mass))
        moments = {name: parse_moment(name, tuple(steady.outcomes)) for name in truths}
        values = jax.jit(lambda at: [moment(at) for moment in moments.values()])(at)
    for (name, truth), value in zip(truths.items(), values, strict=True):
        assert float(value) == pytest.approx(float(truth(steady)), rel=rel), name


@pytest.mark.slow
def test_every_moment_is_that_of_the_functions_that_measure_it(found):
    """Guards docs/calibration.md, targets: moments of the equilibrium beside hm.stats and the tables."""
    _check_moments(found.steady, MOMENTS, 1e-9)


@pytest.mark.slow
def test_propensities_out_of_small_transfers_are_the_slopes(found):
    """Guards docs/calibration.md: `mpc` of a small transfer is `static_mpcs`, over periods `intertemporal_mpcs`."""
    _check_moments(found.steady, PROPENSITIES, 1e-4)


@pytest.mark.slow
def test_shares_and_quantiles_are_traced_and_differentiated(float64):
    """Guards CHANGELOG, `hm.stats.gini` and others can be traced: the public functions, against central differences."""
    key = np.random.default_rng(0)
    mass, assets = key.random((9, 3)), jnp.linspace(-1.0, 5.0, 9)
    mass, change = jnp.asarray(mass / mass.sum()), jnp.asarray(key.normal(size=(9, 3)) * 1e-6)
    change -= change.mean()
    for function in (
        hm.stats.gini,
        lambda m, a: hm.stats.top_share(m, a, 0.1),
        lambda m, a: hm.stats.quantile(m, a, 0.3),
    ):
        slope = jnp.vdot(jax.grad(function)(mass, assets), change)
        assert float(jax.jit(function)(mass, assets)) == pytest.approx(float(function(mass, assets)), rel=1e-12)
        difference = (function(mass + change, assets) - function(mass - change, assets)) / 2
        assert float(slope) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.slow
def test_more_targets_than_parameters(model, found):
    """Guards docs/calibration.md, more targets than parameters: own moments with standard errors, one of them a
    function of the user's, give the same parameters, J = 0, and smaller standard errors than two of them."""
    steady = found.steady
    own = float(np.sum(steady.mass * steady.consumption**2))
    moments = {
        "capital / output": hm.Target(3.0, 0.1),
        "gini": hm.Target(0.6, 0.02),
        "top_share(0.1)": hm.Target(float(hm.stats.top_share(steady, fraction=0.1)), 0.05),
        "spread of consumption": hm.Target(own, 0.1, moment=lambda s: jnp.sum(s.mass * s.consumption**2)),
    }
    free = {"discount_factor": (0.9, 0.98), "spread": (0.0, 0.1)}
    again = hm.calibrate(model, free, moments, start={"discount_factor": 0.95}, asset_points=POINTS)
    assert again.values == pytest.approx(found.values, rel=1e-6)
    assert again.over_identification["degrees of freedom"] == 2 and again.over_identification["J"] < 1e-8
    assert again.over_identification["p-value"] == pytest.approx(1.0, abs=1e-6)
    assert np.all(again.standard_errors < found.standard_errors)  # more data
    assert again.sensitivity(standardized=True).to_numpy() == pytest.approx(
        again.sensitivity().to_numpy() * np.array([0.1, 0.02, 0.05, 0.1]) / again.standard_errors[:, None]
    )
    assert "J = " in repr(again)


@pytest.mark.slow
def test_a_parameter_that_moves_nothing_and_two_that_are_alike_are_named(model):
    """Guards docs/calibration.md: both targets are functions of capital over labor, whose supply is one;
    labor does not depend on patience."""
    targets = {"interest_rate": 0.05, "capital / output": 3.0}
    with pytest.raises(hm.CalibrationError, match="do not tell discount_factor and spread apart"):
        hm.calibrate(model, FREE, targets, asset_points=POINTS)
    powers = {f"power {n}": hm.Target(1.2, moment=lambda s, n=n: jnp.sum(s.mass * s.own.labor**n)) for n in (2, 4)}
    free = {"discount_factor": (0.9, 0.98), "stationary_sd": (0.1, 0.6)}
    with pytest.raises(hm.CalibrationError, match="discount_factor moves no target"):
        hm.calibrate(model, free, powers, asset_points=POINTS)


@pytest.mark.slow
def test_the_command_writes_a_calibration_that_it_reads(command, tmp_path):
    """Guards docs/calibration.md, the command line."""
    file = tmp_path / MODEL.name
    file.write_text(MODEL.read_text())
    (tmp_path / "targets.csv").write_text("moment,value,standard_error,source\ngini,0.6,0.02,survey\n")
    given = ("--free", "discount_factor=.88:.98", "--free", "spread=0:.1", "--target", "capital / output=3")
    more = ("--targets", tmp_path / "targets.csv", "--asset-points", POINTS, "--out", tmp_path / "my.toml", "--json")
    printed = command("calibrate", file, *given, *more).printed
    assert printed["targets"]["gini"] == pytest.approx(
        {"model": 0.6, "data": 0.6, "gap": 0.0, "standard error": 0.02, "source": "survey"}, abs=1e-8
    )
    loaded = hm.load_model(tmp_path / "my.toml")
    assert loaded.spread == printed["parameters"]["spread"]["value"]


@pytest.mark.slow
def test_the_shipped_hank_is_calibrated_as_its_file_says():
    """Guards the sources in calibration/one_asset_hank.toml: both values on 500 asset points, to 1e-8."""
    model = hm.load_model("one_asset_hank")
    free = {"discount_factor": (0.97, 0.99), "disutility": (0.5, 1.2)}
    start = {"discount_factor": 0.98, "disutility": 0.9}
    found = hm.calibrate(model, free, {"interest_rate": 0.005, "hours_demanded": 1.0}, start=start, asset_points=500)
    assert found.values == pytest.approx([model.discount_factor, model.disutility], abs=1e-8)
    bound = hm.load_model("one_asset_hank_bound")
    assert (bound.discount_factor, bound.disutility) == (model.discount_factor, model.disutility)


@pytest.mark.slow
def test_one_entry_of_a_list():
    """Guards docs/calibration.md: the middle one of three discount factors, so that capital is 10.5 times output."""
    model = hm.load_model("krusell_smith_stochastic_beta")
    found = hm.calibrate(model, {"discount_factor[1]": (0.98, 0.992)}, {"capital / output": 10.5}, asset_points=100)
    steady = found.steady
    assert steady.outcomes["capital"] / steady.outcomes["output"] == pytest.approx(10.5, abs=1e-7)
    assert found.model.discount_factor[0] == 0.9858 and found.model.discount_factor[1] == found.values[0]


@pytest.mark.slow
def test_the_wealth_economy_has_the_lorenz_curve_of_the_united_states():
    """Guards docs/calibration.md and calibration/krusell_smith_wealth.toml: ten points, each within .5 % of wealth."""
    data = read_csv(Path(__file__).parents[2] / "calibration" / "data" / "krusell_smith_wealth_targets.csv")
    steady = hm.steady_state(hm.load_model("krusell_smith_wealth"), others=False)
    for name, target in data.items():
        if name == "capital / output":
            assert steady.outcomes["capital"] / steady.outcomes["output"] == pytest.approx(target.value, abs=0.01)
        else:
            below = float(name.removeprefix("lorenz(").removesuffix(")"))
            assert 1.0 - hm.stats.top_share(steady, fraction=1.0 - below) == pytest.approx(target.value, abs=0.005), (
                name
            )
    assert steady.top_of_grid_mass < 1e-6 and abs(steady.goods_market) < 1e-6
