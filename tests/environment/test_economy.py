"""The discretized economy: timing, switches, derivatives, batching, and one trace."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.markov import stationary_distribution
from hank_mfg.model.named import Named

POINTS = 30
BAD, GOOD = 0, 1


@pytest.fixture
def economy(float64):
    return hm.discretize(hm.load_model("krusell_smith"), POINTS, jnp.float64)


def spread_out(economy, unemployed=0.1):
    """A mass with the given unemployment rate, falling in assets."""
    weights = jnp.exp(-economy.grid.points / 30.0)
    return jnp.outer(weights / weights.sum(), jnp.array([unemployed, 1 - unemployed]))


def thrifty(economy, public):
    """Everybody saves nine tenths of what there is above the borrowing limit."""
    lower, upper = economy.bounds(economy.resources(public), public)
    return jnp.minimum(lower + 0.9 * (upper - lower), economy.grid.upper)


def test_prices_form_from_the_mass_at_the_start_of_the_period_and_todays_shock(economy):
    mass = spread_out(economy)
    public = economy.public(Aggregate(mass, BAD))
    capital = float(jnp.sum(mass * economy.grid.points[:, None]))
    firm = hm.CobbDouglas(0.36, 0.025)
    assert float(public.aggregates.capital) == pytest.approx(capital, rel=1e-12)
    assert float(public.aggregates.labor) == pytest.approx(0.9 / 0.9, rel=1e-12)
    assert float(public.shocks.productivity) == 0.99
    assert float(public.prices.wage) == pytest.approx(firm.wage(capital, 1.0, 0.99), rel=1e-12)
    np.testing.assert_allclose(
        economy.signal(public), [0.99, public.prices.interest_rate, public.prices.wage], rtol=1e-12
    )


def test_resources_follow_the_budget_of_the_model_page(economy):
    public = economy.public(Aggregate(spread_out(economy), GOOD))
    r, w, tax = (float(public.prices[name]) for name in ("interest_rate", "wage", "tax"))
    cash = economy.resources(public)
    points = np.asarray(economy.grid.points)
    np.testing.assert_allclose(cash[:, 0], (1 + r) * points + 0.15 * w, rtol=1e-12)
    np.testing.assert_allclose(cash[:, 1], (1 + r) * points + (1 - tax) * w / 0.9, rtol=1e-12)
    assert tax * float(public.aggregates.labor) == pytest.approx(0.15 * 0.1)  # the benefits are paid for


def test_next_periods_mass_moves_with_todays_choices_and_the_aggregate_move(economy):
    unemployment = {BAD: 0.1, GOOD: 0.04}
    for shock in (BAD, GOOD):
        now = Aggregate(spread_out(economy, unemployment[shock]), shock)
        choice = thrifty(economy, economy.public(now))
        for shock_next in (BAD, GOOD):
            after = economy.advance(now, choice, shock_next)
            chain = economy.chain(shock, shock_next)
            expected = push_forward(now.mass, economy.lottery(choice), chain)
            np.testing.assert_allclose(after.mass, expected, atol=1e-15)
            assert int(after.shock) == shock_next
            assert float(after.mass.sum()) == pytest.approx(1.0, abs=1e-13)
            # Krusell and Smith's chain keeps unemployment at 10 and 4 percent from the first period of each state on
            assert float(after.mass[:, 0].sum()) == pytest.approx(unemployment[shock_next], abs=1e-5)
            saved = float(jnp.sum(now.mass * choice))
            assert float(economy.public(after).aggregates.capital) == pytest.approx(saved, rel=1e-12)


def test_goods_are_neither_made_nor_lost(economy):
    """Consumption and tomorrow's capital add up to output and what is left of today's capital (Walras)."""
    now = Aggregate(spread_out(economy), BAD)
    public = economy.public(now)
    choice = thrifty(economy, public)
    consumed = jnp.sum(now.mass * (economy.resources(public) - choice))
    tomorrow = economy.public(economy.advance(now, choice, GOOD)).aggregates
    outcomes = economy.model.outcomes(public.today)
    today = Named("today", {**public.aggregates, **outcomes})
    choices = Named("choices", {"consumption": consumed})
    assert abs(float(economy.model.goods_market(today, choices, tomorrow))) < 1e-12


def test_the_reward_and_its_derivatives(economy):
    public = economy.public(Aggregate(spread_out(economy), GOOD))
    choice, step = thrifty(economy, public), 1e-5
    first, second, twice = economy.marginal_rewards(choice, public)
    up, down = economy.reward(choice + step, public), economy.reward(choice - step, public)
    np.testing.assert_allclose(second, (up - down) / (2 * step), rtol=1e-5)
    cash = economy.resources(public)
    np.testing.assert_allclose(economy.reward(choice, public), jnp.log(cash - choice), rtol=1e-12)
    np.testing.assert_allclose(first, (1 + public.prices.interest_rate) / (cash - choice), rtol=1e-10)
    np.testing.assert_allclose(twice, -1 / (cash - choice) ** 2, rtol=1e-10)


def test_choices_lie_between_the_borrowing_limit_and_what_there_is(economy):
    public = economy.public(Aggregate(spread_out(economy), BAD))
    lower, upper = economy.bounds(economy.resources(public), public)
    assert np.all(lower == economy.grid.lower) and np.all(upper <= economy.grid.upper)
    assert np.all(upper > lower)


def test_drawn_shocks_follow_the_chain(economy):
    path = economy.draw_shocks(BAD, 20_000, key=jax.random.key(0))
    again = economy.draw_shocks(BAD, 20_000, key=jax.random.key(0))
    np.testing.assert_array_equal(path, again)
    before, after = np.append(BAD, path[:-1]), np.asarray(path)
    for shock in (BAD, GOOD):
        share = np.mean(after[before == shock] == shock)
        assert share == pytest.approx(0.875, abs=4 * np.sqrt(0.875 * 0.125 / np.sum(before == shock)))


def everything(economy):
    """Whatever an economy can answer, at one mass and a fixed choice."""
    public = economy.public(Aggregate(spread_out(economy), BAD))
    resources = economy.resources(public)
    outcomes = economy.model.outcomes(public.today)
    choice = jnp.full(economy.shape, 0.5 * resources.min())
    fixed = (economy.grid, economy.own, economy.income_transition, economy.shock_values, economy.shock_transition)
    answers = (public, resources, outcomes, economy.reward(choice, public), economy.discount_factor)
    return jax.tree.leaves((fixed, answers))


SWITCHES = {
    "discount_factor": 0.98, "risk_aversion": 2.0, "capital_share": 0.3, "depreciation": 0.02, "time_endowment": 1.0,
    "unemployment_benefit": 0.2, "productivity": [0.98, 1.01], "borrowing_limit": -0.1, "maximum_assets": 200.0,
    "joint_transition": [[0.25] * 4] * 4,
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_each_parameter_changes_something(economy, name):
    model = hm.load_model("krusell_smith", **{name: SWITCHES[name]})
    changed = everything(hm.discretize(model, POINTS, jnp.float64))
    same = [np.array_equal(a, b) for a, b in zip(everything(economy), changed, strict=True)]
    assert not all(same)


def test_every_parameter_of_the_model_has_a_switch_above():
    assert set(SWITCHES) == set(hm.load_model("krusell_smith").parameters())


def test_without_aggregate_risk_shocks_are_at_their_means(economy):
    calm = hm.discretize(economy.model, POINTS, jnp.float64, aggregate_risk=False)
    assert calm.shock_count == 1 and float(calm.shocks(0).productivity) == pytest.approx(1.0)
    share = stationary_distribution(calm.income_transition[0, 0])
    np.testing.assert_allclose(share, [0.07, 0.93], atol=1e-5)


def test_point_count_and_precision_are_choices_of_the_solver():
    small = hm.discretize(hm.load_model("aiyagari"), 12, jnp.float32)
    assert small.shape == (12, 7) and small.dtype == jnp.float32
    arrays = jax.tree.leaves(eqx.filter(small, eqx.is_inexact_array))
    assert {leaf.dtype.name for leaf in arrays} == {"float32"}


@pytest.mark.slow
def test_batches_agree_with_a_loop(economy):
    """Guards `RSPG.paths`: a period of a batch of paths is that of each path alone, to 1e-12."""
    states = [(0.1, BAD), (0.05, GOOD), (0.2, GOOD)]
    each = [Aggregate(spread_out(economy, share), jnp.asarray(shock)) for share, shock in states]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)

    def period(aggregate):
        public = economy.public(aggregate)
        following = economy.advance(aggregate, thrifty(economy, public), GOOD)
        return public, economy.signal(public), following.mass

    together = jax.vmap(period)(batch)
    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[period(aggregate) for aggregate in each])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), together, alone)


def test_an_economy_is_traced_once_for_all_parameters_and_states(float64):
    traces = []

    @eqx.filter_jit
    def period(economy, aggregate):
        traces.append(1)
        public = economy.public(aggregate)
        return economy.advance(aggregate, thrifty(economy, public), aggregate.shock)

    for discount_factor in (0.99, 0.98):
        for source in ("krusell_smith", "krusell_smith_1998"):
            model = hm.load_model(source, discount_factor=discount_factor)
            economy = hm.discretize(model, POINTS, jnp.float64)
            for shock in (BAD, GOOD):
                period(economy, Aggregate(spread_out(economy), jnp.asarray(shock)))
    assert len(traces) == 1


def test_a_chain_conditional_on_other_aggregate_states_is_refused(refuses):
    class Mismatched(type(hm.load_model("krusell_smith"))):
        def aggregate_shocks(self):
            return hm.MarkovChain(np.full((3, 3), 1 / 3), productivity=[0.9, 1.0, 1.1])

    model = Mismatched(**hm.load_model("krusell_smith").parameters())
    for judge in (hm.discretize, hm.check_model):
        refuses(lambda judge=judge: judge(model), "conditional on 2 aggregate states", "has 3")
