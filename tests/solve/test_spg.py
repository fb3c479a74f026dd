"""Training: limits and closed forms that it must reach, and how it stops (its reproducibility: test_protocol.py)."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.policy.encoders import GRU, LSTM, NoMemory
from hank_mfg.policy.networks import fit_whitening
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.runs import economy_run as run
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import RunError, read_checkpoint, read_config
from hank_mfg.solve import solve as solving
from hank_mfg.solve.gradient.economies import prepare
from hank_mfg.solve.gradient.reports import check_reports
from hank_mfg.solve.gradient.spg import Progress, update
from hank_mfg.solve.play.market import Market
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import chunk_length

# ------------------------------------------------------------------------------------------------------ limits


@pytest.fixture(scope="module")
def limit(riskless):
    """Training on an economy in which nothing aggregate happens, from its stationary equilibrium on the same grid."""
    settings = hm.RSPG(
        asset_points=500, updates=60, paths=1, horizon=40, epochs=12, knots=10, units=8, width=8, warmup=20,
        memory="lstm", learning_rate=2e-3, tolerance=1e-5,
    )  # fmt: skip
    return hm.solve(riskless, settings, steady=hm.steady_state(riskless, asset_points=500))


class BrockMirman(hm.Model):
    """Log utility, full depreciation, one kind of household: savings are alpha beta of output, whatever the shock."""

    discount_factor: float = hm.parameter(above=0, below=1, default=0.95)
    capital_share: float = hm.parameter(above=0, below=1, default=0.36)
    productivity: Any = hm.parameter(above=0, default=[0.97, 1.03])

    def aggregate_shocks(self):
        return hm.MarkovChain([[0.75, 0.25], [0.25, 0.75]], productivity=self.productivity)

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[1.0]], labor=[1.0])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=1.0, curvature=1.0)

    def preferences(self):
        return hm.CRRA(1.0)

    def production(self):
        return hm.CobbDouglas(self.capital_share, 1.0)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor}

    def prices(self, today):
        factors = (today.capital, today.labor, today.productivity)
        return {
            "interest_rate": self.production().interest_rate(*factors),
            "wage": self.production().wage(*factors),
        }

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"productivity": today.productivity, "interest_rate": today.interest_rate, "wage": today.wage}

    def outcomes(self, today):
        return {"output": self.production().output(today.capital, today.labor, today.productivity)}


def representative(model, asset_points) -> SteadyState:
    """The stationary equilibrium of a representative household: beta R = 1, so that everybody stays where he is.

    No distribution is determined then, and `steady_state` refuses (see below): this one puts everybody at mean capital.
    """
    share = model.capital_share * model.discount_factor
    capital = share ** (1.0 / (1.0 - model.capital_share))
    with jax.enable_x64(True):
        economy = hm.discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        points = np.asarray(economy.grid.points)
        low = int(np.searchsorted(points, capital)) - 1
        mass = np.zeros(economy.shape)
        mass[low + 1] = (capital - points[low]) / (points[low + 1] - points[low])
        mass[low] = 1.0 - mass[low + 1]
        public = economy.public(Aggregate(jnp.asarray(mass), 0))
        cash = economy.resources(public)
        policy = ConsumptionFunction(cash, cash - economy.grid.points[:, None])
        return SteadyState(economy, policy, points[:, None], mass, public, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def brock_mirman():
    settings = hm.SPG(
        asset_points=100, updates=400, paths=8, horizon=10, knots=10, width=16, warmup=20, epochs=12,
        learning_rate=5e-4, td_lambda=0.0,
    )  # fmt: skip
    return hm.solve(BrockMirman(), settings, steady=representative(BrockMirman(), 100))


@pytest.mark.slow
def test_brock_mirman_in_closed_form(brock_mirman):
    """K' = alpha beta z K^alpha. Source: Brock and Mirman (1972), JET 4(3)."""
    series = hm.simulate(brock_mirman, periods=200, burn=0, asset_points=100).series
    exact = 0.36 * 0.95 * series["productivity"] * series["capital"] ** 0.36
    np.testing.assert_allclose(series["capital"][1:], exact[:-1], rtol=1e-3)
    np.testing.assert_allclose(series["savings"] / series["output"], 0.36 * 0.95, rtol=1e-3)
    assert series["capital"].std() > 0.03 * series["capital"].mean()  # thirty times the error allowed


@pytest.mark.slow
def test_a_representative_household_has_no_stationary_distribution_to_find():
    """Guards `steady_state`: SteadyStateError where the stationary distribution is not determined."""
    with pytest.raises(hm.SteadyStateError, match="The stationary mass is not determined"):
        hm.steady_state(BrockMirman(), asset_points=50)


# ------------------------------------------------------------------------------------------------------ memory


@pytest.mark.slow
def test_with_and_without_memory_the_same_code_learns(limit, brock_mirman, trained):
    """Guards docs/start.md, 'What is solved': memory (LSTM, GRU, none) is a property of the policy."""
    for solution, encoder, memory in ((limit, LSTM, 16), (brock_mirman, NoMemory, 0), (trained, GRU, 8)):
        assert isinstance(solution.policy.encoder, encoder)
        assert solution.states.memory.shape == (solution.settings.paths, memory)
        assert np.all(np.asarray(solution.states.memory) != 0.0)
    errors = brock_mirman.history["euler_error"]
    assert errors[-3:].mean() < 0.3 * errors[:3].mean()
    rough = trained.history["euler_error"]  # training starts below what so few knots and paths can keep
    assert rough[:3].mean() < 0.005 and rough[-3:].mean() < 0.02


# ------------------------------------------------------------------------------------------------ interrupted


def interrupt_after(updates):
    def watch(history):
        if len(history["update"]) >= updates:
            raise KeyboardInterrupt

    return watch


@pytest.fixture(scope="module")
def interrupted(small, tmp_path_factory):
    """A run that was interrupted after the first of two compiled calls."""
    folder = tmp_path_factory.mktemp("runs") / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        solve_run("krusell_smith", folder, small, callback=interrupt_after(1), save_every=0.0)
    return folder


def test_an_interrupted_run_keeps_its_checkpoint_and_is_no_solution(interrupted, small):
    assert read_config(interrupted)["status"] == "UNFINISHED"
    with np.load(interrupted / "checkpoint" / "latest.npz") as checkpoint:
        np.testing.assert_array_equal(checkpoint["history/update"], np.arange(1, 12))
    with pytest.raises(RunError, match="unfinished run.*--resume"):
        load_run(interrupted)
    with pytest.raises(RunError, match="already holds a run"):
        solve_run("krusell_smith", interrupted, small)


def test_not_a_number_stops_training_and_keeps_the_last_good_checkpoint(interrupted, monkeypatch):
    """The third path's mass is spoilt between two updates."""
    checkpoint = interrupted / "checkpoint" / "latest.npz"
    before = checkpoint.read_bytes()

    def spoilt(*arguments):
        training, history = read_checkpoint(*arguments)
        where = lambda t: t.states.aggregate.mass  # noqa: E731
        return eqx.tree_at(where, training, training.states.aggregate.mass.at[2].set(jnp.nan)), history

    monkeypatch.setattr(run, "read_checkpoint", spoilt)
    with pytest.raises(hm.SolveError, match=r"^Update 12, path 2: prices and signals became NaN or infinite"):
        solve_run("", interrupted, resume=True)
    assert checkpoint.read_bytes() == before
    assert read_config(interrupted)["status"] == "UNFINISHED"
    with pytest.raises(RunError, match="unfinished run"):
        load_run(interrupted)


# ------------------------------------------------------------------------------------------------ how it stops


@pytest.mark.slow
def test_the_status_says_whether_the_tolerance_was_reached(limit, trained):
    """Guards docs/how_it_works.md: training stops below `tolerance`, or says that updates are used up."""
    assert limit.status is hm.Status.CONVERGED and limit.updates < limit.settings.updates
    assert limit.history["euler_error"][-20:].mean() < limit.settings.tolerance
    assert trained.status is hm.Status.UPDATES_EXHAUSTED and trained.updates == trained.settings.updates


def test_training_that_did_not_converge_warns_where_it_was_called(trained, monkeypatch):
    monkeypatch.setattr(solving, "train_economy", lambda *_: trained)
    with pytest.warns(hm.NotConvergedWarning, match="ran out: after 22, the Euler error, .* RSPG.updates=44") as caught:
        assert hm.solve(trained.model, trained.settings).status is hm.Status.UPDATES_EXHAUSTED
    assert caught[0].filename == __file__
    assert trained.history["euler_error"][-1] > trained.settings.tolerance
    np.testing.assert_array_equal(trained.history["update"], 1 + np.arange(22))


@pytest.mark.parametrize(("updates", "length"), [(400, 20), (22, 11), (23, 1), (7, 7), (1, 1)])
def test_updates_are_compiled_in_equal_parts(updates, length):
    assert chunk_length(updates) == length


def reports(loss=0.1):
    finite = np.ones((4, 5, 3), bool)  # updates, quantities, paths
    market = Market(np.zeros((4, 3), int), *np.zeros((4, 4, 3, 0)))
    return Progress(np.full(4, loss), *np.zeros((3, 4)), finite, market)


def test_what_is_no_number_is_named_by_update_path_and_quantity(trained):
    economy = trained.steady.economy
    check_reports(economy, reports(), done=10)
    bad = reports()
    bad.finite[2, 3, 1] = bad.finite[3, 0, 0] = False
    with pytest.raises(hm.SolveError, match=r"^Update 13, path 1: mass became NaN or infinite.*lower learning_rate"):
        check_reports(economy, bad, done=10)
    bad = reports()
    bad.loss[3] = np.inf
    with pytest.raises(hm.SolveError, match=r"^Update 14: the loss is not a number"):
        check_reports(economy, bad, done=10)


def test_a_price_that_is_no_number_in_some_aggregate_state_is_named(trained, small):
    class Broken(type(trained.model)):
        def prices(self, today):
            return {**super().prices(today), "wage": jnp.sqrt(today.productivity - 1.0)}

    model = Broken(**trained.model.parameters())
    message = r"path \d: prices and signals became NaN.*check prices\(\)"
    with jax.enable_x64(True), pytest.raises(hm.SolveError, match=message):
        prepare(model, small, trained.steady, seed=0)


@pytest.mark.slow
def test_a_learning_rate_that_blows_up_is_named(small, tmp_path):
    """Guards `solve_run`: SolveError with update, path and cure; the last finite checkpoint is kept."""
    settings = dataclasses.replace(small, learning_rate=1e6, updates=23)
    with pytest.raises(hm.SolveError, match=r"^Update 2, path \d: .*lower learning_rate"):
        solve_run("krusell_smith", tmp_path / "run", settings, save_every=0.0)
    with np.load(tmp_path / "run" / "checkpoint" / "latest.npz") as checkpoint:
        np.testing.assert_array_equal(checkpoint["history/update"], [1])
        assert all(np.isfinite(array).all() for array in checkpoint.values())
    assert read_config(tmp_path / "run")["status"] == "UNFINISHED"


def test_an_economy_without_aggregate_shocks_has_nothing_to_train():
    with pytest.raises(ValueError, match=r"Aiyagari declares no aggregate_shocks\(\).*hm\.steady_state"):
        hm.solve(hm.load_model("aiyagari"))


BAD_SETTINGS = {
    "paths": 0, "horizon": 2.5, "updates": -1, "epochs": 0, "units": 0, "width": 0, "warmup": 0, "knots": 9,
    "asset_points": 5, "second_points": 5, "learning_rate": 0.0, "clip_norm": -1.0, "max_step": 0.0,
    "tolerance": float("nan"), "td_lambda": 1.5, "uniform_weight": -0.1, "final_rate": 2,
    "final_step": 1.1, "precision": "float16", "memory": "transformer", "price_noise": -0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_settings_are_refused_by_name(name, refuses):
    value = BAD_SETTINGS[name]
    refuses(lambda: hm.RSPG(**{name: value}), f"RSPG({name}={value!r}): {name} must be")


def test_every_setting_is_checked():
    assert set(BAD_SETTINGS) == {field.name for field in dataclasses.fields(hm.RSPG)}


def test_spg_is_rspg_without_memory():
    assert hm.SPG(paths=3) == hm.RSPG(memory="none", paths=3)


def test_rounding_noise_is_not_standardized_into_a_signal():
    """A signal that never moves stays small, also where none of the signals moves."""
    still = 1.0 + 1e-7 * np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    assert np.abs(fit_whitening(still)(still)).max() < 1e-3
    moving = np.random.default_rng(1).normal(2.0, 0.01, size=(1000, 3))
    moving[:, 2] = 1.0
    standard = np.asarray((moving - moving.mean(axis=0)) @ np.asarray(fit_whitening(moving.astype(np.float32)).matrix))
    np.testing.assert_allclose(np.sort(standard.std(axis=0)), [0.0, 1.0, 1.0], atol=1e-3)


@pytest.mark.slow
def test_the_last_update_goes_only_part_of_the_way(trained, small):
    """Nothing but the last move of the network depends on `final_step`; a cosine is at its end after all updates."""
    before = trained.training()
    moved = {}
    for part in (1.0, 0.25):
        settings = dataclasses.replace(small, final_step=part)
        play = trained.play(small.asset_points, jnp.float32)
        after, _ = eqx.filter_jit(update)(play, before, settings)
        moved[part] = jax.tree.map(lambda new, old: new - old, after.policy.head, before.policy.head)
    for whole, quarter in zip(*(jax.tree.leaves(moved[part]) for part in (1.0, 0.25)), strict=True):
        assert np.abs(whole).max() > 0
        np.testing.assert_allclose(quarter, 0.25 * whole, atol=1e-6)
