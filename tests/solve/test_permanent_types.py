"""Permanent types: against one type, each type alone, types that hardly ever change, and differences."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.lottery import push_forward
from hank_mfg.solve.stationary.clearing.mass import mass_response, stationary_mass
from hank_mfg.solve.stationary.household import solve_household

POINTS = 80
SHARE = 0.3
QUICK = {"discount_factor": 0.95, "maximum_assets": 150.0}


class Types(type(hm.load_model("aiyagari"))):
    """Aiyagari's economy with a `share` of less patient households."""

    gap: Any = hm.parameter("by which the first type is less patient", at_least=0, below=1, default=0.02)
    share: Any = hm.parameter("of the first type", above=0, below=1, default=SHARE)

    def types(self):
        return hm.permanent_types([self.share, 1.0 - self.share], patience=self.patience())

    def patience(self):
        return [self.discount_factor - self.gap, self.discount_factor]

    def idiosyncratic_shock(self):
        return hm.independent_chains(self.types(), super().idiosyncratic_shock())

    def discounting(self, own, today):
        return own.patience


class Switching(Types):
    """The same, but a household's type is drawn anew with a probability every period."""

    probability: float = hm.parameter("of a new draw", above=0, below=1, default=1e-4)

    def types(self):
        draws = self.probability * np.array([self.share, 1.0 - self.share])
        return hm.MarkovChain((1.0 - self.probability) * np.eye(2) + draws, patience=self.patience())


class AggregateRisk(type(hm.load_model("krusell_smith"))):
    """Krusell and Smith's economy with two types, the first less patient by `gap`."""

    gap: float = hm.parameter("by which the first type is less patient", at_least=0, below=1, default=0.0)
    share: float = hm.parameter("of the first type", above=0, below=1, default=SHARE)

    def idiosyncratic_shock(self):
        patience = [self.discount_factor - self.gap, self.discount_factor]
        types = hm.permanent_types([self.share, 1.0 - self.share], patience=patience)
        return hm.independent_chains(types, super().idiosyncratic_shock())

    def discounting(self, own, today):
        return own.patience


def declare(kind: type[hm.Model], name: str, **changes) -> hm.Model:
    return kind(**{**hm.load_model(name).parameters(), **changes})


def by_type(mass) -> np.ndarray:
    """Mass (..., assets, income) of each of two types: (2, ..., assets, own)."""
    mass = np.asarray(mass, np.float64)
    return np.moveaxis(mass.reshape(*mass.shape[:-1], 2, -1), -2, 0)


def share_of_each(mass) -> np.ndarray:
    """Mass (..., assets, income) summed within each of two types: (2, ...)."""
    return by_type(mass).sum(axis=(-2, -1))


@pytest.fixture(scope="module")
def steady():
    return hm.steady_state(declare(Types, "aiyagari"), asset_points=POINTS)


@pytest.mark.slow
def test_two_types_that_are_alike_are_one():
    """Guards docs/yardsticks.md: permanent types that are alike are one type, to 1e-10."""
    both = hm.steady_state(declare(Types, "aiyagari", gap=0.0), asset_points=POINTS)
    one = hm.steady_state(hm.load_model("aiyagari"), asset_points=POINTS)
    for name in ("capital", "labor"):
        assert float(both.aggregates[name]) == pytest.approx(float(one.aggregates[name]), rel=1e-10)
    for mass, share in zip(by_type(both.mass), (SHARE, 1.0 - SHARE), strict=True):
        np.testing.assert_allclose(mass, share * one.mass, atol=1e-10)


@pytest.mark.slow
def test_each_type_has_its_share_and_the_mass_it_would_have_alone(steady):
    """Guards docs/yardsticks.md: each type has its share and the mass that it would have alone, to 1e-10."""
    np.testing.assert_allclose(share_of_each(steady.mass), [SHARE, 1.0 - SHARE], atol=1e-14)
    capital = by_type(steady.mass).sum(axis=-1) @ np.asarray(steady.economy.grid.points)
    assert capital[0] / SHARE < 0.5 * capital[1] / (1.0 - SHARE)  # patience makes rich
    with jax.enable_x64(True):
        public = jax.tree.map(jnp.asarray, steady.public)
        for mass, share, gap in zip(by_type(steady.mass), (SHARE, 1.0 - SHARE), (0.02, 0.0), strict=True):
            model = hm.load_model("aiyagari", discount_factor=0.96 - gap)
            alone = hm.discretize(model, POINTS, jnp.float64, aggregate_risk=False)
            resources = alone.resources(public)
            found = solve_household(alone, public, 0.1 * resources, tolerance=1e-13)
            there = stationary_mass(alone, resources - found.consumption)
            np.testing.assert_allclose(mass, share * np.asarray(there), atol=1e-10)


@pytest.mark.slow
def test_types_that_hardly_ever_change_are_nearly_permanent(steady):
    """The distance shrinks with the probability of a change, in proportion."""
    away = []
    for probability in (1e-4, 5e-5):
        slow = hm.steady_state(declare(Switching, "aiyagari", probability=probability), asset_points=POINTS)
        rate = float(slow.prices.interest_rate - steady.prices.interest_rate)
        away.append((rate, np.abs(slow.mass - steady.mass).sum()))
    (rate, mass), (half_rate, half_mass) = away
    assert rate / half_rate == pytest.approx(2.0, abs=0.05) and mass / half_mass == pytest.approx(2.0, abs=0.05)


@pytest.mark.slow
def test_what_is_added_every_period_changes_the_mass_within_each_type(steady):
    """Guards `mass_response`: dm - P' dm = flow within each permanent type, differentiable."""
    economy = steady.economy
    with jax.enable_x64(True):
        savings, mass = jnp.asarray(steady.savings), jnp.asarray(steady.mass)
        draw = np.random.default_rng(0).normal(size=economy.shape) * steady.mass
        flow = draw - steady.mass * np.repeat(share_of_each(draw) / [SHARE, 1.0 - SHARE], 7)
        change = mass_response(economy, savings, mass, jnp.asarray(flow))
        left = change - push_forward(change, economy.lottery(savings), economy.chain())
        np.testing.assert_allclose(left, flow, atol=1e-14)
        np.testing.assert_allclose(share_of_each(change), 0.0, atol=1e-12)
        weights = jnp.asarray(np.random.default_rng(1).normal(size=economy.shape))
        slope = jax.grad(lambda x: jnp.sum(weights * mass_response(economy, savings, mass, x)))(jnp.asarray(flow))
        assert float(jnp.sum(slope * flow)) == pytest.approx(float(jnp.sum(weights * change)), rel=1e-9)


@pytest.fixture(scope="module")
def derivatives():
    return hm.steady_state_derivatives(declare(Types, "aiyagari"), asset_points=POINTS, tolerance=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), [("share", 1e-3), ("gap", 1e-5), ("discount_factor", 1e-4)])
def test_derivatives_are_those_of_differences(derivatives, name, step):
    """Guards docs/yardsticks.md: derivatives in the shares of types, and in patience, are differences."""
    total = np.zeros(2)
    for move, weight in {-2: 1.0, -1: -8.0, 1: 8.0, 2: -1.0}.items():
        model = declare(Types, "aiyagari")
        model = model.with_parameters(**{name: getattr(model, name) + move * step})
        found = hm.steady_state(model, asset_points=POINTS, tolerance=1e-13)
        total += weight * np.array([float(found.prices.interest_rate), float(found.aggregates.capital)])
    for what, difference in zip(("interest_rate", "capital"), total / (12.0 * step), strict=True):
        # the impatient sit at few points of the grid, kinks that allow no larger step
        assert float(derivatives[name][what]) == pytest.approx(difference, rel=3e-6 if name == "gap" else 1e-7)


@pytest.mark.slow
def test_a_grid_of_shares_gives_what_each_gives_alone(steady):
    """Guards `steady_states` along the share of a permanent type: each member is the one solved alone."""
    shares = np.array([0.1, SHARE, 0.6])
    many = hm.steady_states(declare(Types, "aiyagari"), asset_points=POINTS, share=shares)
    np.testing.assert_allclose(share_of_each(many.mass), [shares, 1.0 - shares], atol=1e-14)
    np.testing.assert_allclose(many.mass[1], steady.mass, atol=1e-8)


@pytest.mark.slow
def test_a_coarse_grid_first_leads_to_the_same_equilibrium(steady, monkeypatch):
    """As for economies of many states: where the people of every type are tells where to start."""
    monkeypatch.setattr(sys.modules["hank_mfg.solve.stationary.clearing.clearing"], "LARGE", 1000)
    found = hm.steady_state(declare(Types, "aiyagari"), asset_points=POINTS)
    np.testing.assert_allclose(found.mass, steady.mass, atol=1e-8)


def test_a_chain_that_does_not_connect_is_refused_unless_types_are_declared(refuses):
    class Undeclared(Types):
        def types(self):
            return hm.MarkovChain(np.eye(2), patience=self.patience())

    model = declare(Undeclared, "aiyagari")
    said = ("2 closed sets of states that are never left", "around states 0 and 7", "hm.permanent_types(shares=[")
    refuses(lambda: hm.steady_state(model, asset_points=POINTS), *said)
    refuses(lambda: hm.check_model(model), "Undeclared.idiosyncratic_shock()", *said)


@pytest.mark.slow
def test_types_without_risk_have_no_mass_to_find():
    """Guards docs/yardsticks.md: a chain that does not connect within a type is refused."""

    class Safe(Types):
        def idiosyncratic_shock(self):
            return hm.permanent_types([0.5, 0.5], patience=self.patience(), labor=[1.0, 1.0])

    with pytest.raises(hm.SteadyStateError, match="households of one type stay forever in several separate sets"):
        hm.steady_state(declare(Safe, "aiyagari"), asset_points=POINTS)


# ----------------------------------------------------------------------------------------------------- aggregate risk


@pytest.fixture(scope="module")
def alike():
    return hm.steady_state(declare(AggregateRisk, "krusell_smith"), asset_points=POINTS)


@pytest.fixture(scope="module")
def one():
    return hm.steady_state(hm.load_model("krusell_smith"), asset_points=POINTS)


@pytest.mark.slow
def test_responses_and_paths_of_two_types_that_are_alike_are_those_of_one(alike, one):
    """Income risk moves with the aggregate state here, and with it the chain of each type."""
    many, single = (hm.linearize(each, horizon=500) for each in (alike, one))
    np.testing.assert_allclose(many.general["productivity"], single.general["productivity"], atol=1e-8)
    shock = -0.005 * 0.9 ** np.arange(500)
    paths = [hm.transition(each.steady, horizon=500, linear=each, productivity=shock) for each in (many, single)]
    np.testing.assert_allclose(paths[0].series["capital"], paths[1].series["capital"], rtol=1e-8)
    expected = np.broadcast_to([[SHARE], [1.0 - SHARE]], (2, 500))
    np.testing.assert_allclose(share_of_each(paths[0].mass), expected, atol=1e-13)


@pytest.mark.slow
def test_a_path_cannot_start_with_other_shares(alike, refuses):
    """Guards docs/yardsticks.md: each type keeps its share; a path that starts with others is refused."""
    wrong = alike.mass * np.repeat([1.1, (1.0 - 1.1 * SHARE) / (1.0 - SHARE)], 2)
    refuses(lambda: hm.transition(alike, horizon=60, initial=wrong), "[0.33 0.67]", "[0.3 0.7]", "types never change")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The mean of capital moves")  # a short simulation of a policy that is hardly trained
def test_training_keeps_every_type_at_its_share(tiny, refuses):
    """Guards docs/yardsticks.md: each type keeps its share in training; other shares are refused."""
    solution = hm.solve(declare(AggregateRisk, "krusell_smith", gap=0.01, **QUICK), hm.RSPG(**tiny))
    accuracy = hm.evaluate(solution, periods=200, asset_points=60)
    paths = np.asarray(solution.states.aggregate.mass)
    expected = np.broadcast_to([[SHARE], [1.0 - SHARE]], (2, len(paths)))
    np.testing.assert_allclose(share_of_each(paths), expected, atol=1e-6)
    numbers = [value for value in accuracy.to_dict().values() if isinstance(value, float)]
    assert len(numbers) > 10 and np.isfinite(numbers).all()
    refuses(lambda: hm.under(solution, share=0.5), "share", "[0.5, 0.5]", "households never change type")
    family = hm.Family({"share": [0.5]})
    refuses(lambda: family.worlds(solution.model, 2, 20, "float32"), "share = 0.5", "households never change type")
    later = accuracy.simulation.end.aggregate.mass
    np.testing.assert_allclose(share_of_each(later), share_of_each(paths[0]) / paths[0].sum(), atol=1e-7)


def test_long_run_shares_of_income_states_are_those_of_one_type_in_every_aggregate_state():
    models = (declare(AggregateRisk, "krusell_smith"), hm.load_model("krusell_smith"))
    with jax.enable_x64(True):
        many, one = (np.asarray(hm.discretize(model, POINTS, jnp.float64).long_run()) for model in models)
    expected = np.concatenate([SHARE * one, (1.0 - SHARE) * one], axis=1)
    np.testing.assert_allclose(many, expected, atol=1e-15)


@pytest.mark.slow
def test_the_law_of_two_types_that_are_alike_is_that_of_one():
    """Guards docs/yardsticks.md, types that are alike: the classical law is that of one type, to 1e-4."""
    settings = {"asset_points": 60, "histogram_points": 80, "periods": 400, "burn_in": 100, "capital_points": 6}
    many, one = (
        hm.solve(declare(kind, "krusell_smith", **QUICK), hm.KSAlgorithm(**settings, tolerance=1e-6))
        for kind in (AggregateRisk, type(hm.load_model("krusell_smith")))
    )
    np.testing.assert_allclose(many.law.slope, one.law.slope, atol=1e-4)
    np.testing.assert_allclose(many.law.intercept, one.law.intercept, atol=1e-4)
