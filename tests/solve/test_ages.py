"""Lives that end: against closed forms, plain loops, dense matrices, and lives that do not end."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_generations import Generations, LifeCycle, generations_path, life_cycle_by_loops, saving_shares

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.life import Chain, Life
from hank_mfg.environment.lottery import push_forward
from hank_mfg.solve.stationary.clearing.mass import mass_response

AT_FIRST = np.array([0.0, 0.1, 0.1, 0.1, 0.1, 0.1])


@pytest.fixture(scope="module")
def generations() -> hm.SteadyState:
    return hm.steady_state(Generations(), asset_points=60)


@pytest.fixture(scope="module")
def life_cycle() -> hm.SteadyState:
    return hm.steady_state(LifeCycle(), asset_points=150)


def test_the_chain_of_ages_is_its_dense_matrix(float64):
    draw = np.random.default_rng(0)
    income, birth = draw.dirichlet(np.ones(3), size=3), draw.dirichlet(np.ones(3), size=3)
    survival = np.array([0.9, 0.7, 0.4, 0.0])
    dense, household = np.zeros((12, 12)), np.zeros((12, 12))
    for age in range(4):
        here = slice(3 * age, 3 * age + 3)
        dense[here, :3] += (1 - survival[age]) * birth
        if age < 3:
            household[here, 3 * age + 3 : 3 * age + 6] = survival[age] * income
    dense += household
    chain = Chain(jnp.asarray(income), Life(*map(jnp.asarray, (survival, birth, 0.0, np.zeros(4)))))
    mass, values = draw.dirichlet(np.ones(24)).reshape(2, 12), draw.normal(size=(2, 12))
    np.testing.assert_allclose(chain.move(jnp.asarray(mass)), mass @ dense, atol=1e-15)
    np.testing.assert_allclose(chain.expect(jnp.asarray(values)), values @ household.T, atol=1e-14)
    np.testing.assert_allclose(chain.adjoint(jnp.asarray(values)), values @ dense.T, atol=1e-14)
    np.testing.assert_allclose(chain.population(), dense, atol=1e-15)
    np.testing.assert_allclose(chain.household(), household, atol=1e-15)
    places, probabilities = map(np.asarray, chain.branches())
    branched = np.zeros((12, 12))
    np.add.at(branched, (np.arange(12)[:, None], places), probabilities)
    np.testing.assert_allclose(branched, household, atol=1e-15)


def test_generations_save_the_known_share_of_their_wealth(generations, float64):
    economy = generations.economy
    held = generations_path(np.ones(500), AT_FIRST.copy(), 0.7, 0.3)[1]
    assert float(generations.aggregates.capital) == pytest.approx(held.sum() / 6, rel=1e-7)
    wealth = np.asarray(economy.resources(jax.tree.map(jnp.asarray, generations.public)))
    known = np.tile(saving_shares(0.7, 6), (50, 1))  # poorer ones feel the little that they earn when old
    np.testing.assert_allclose(generations.savings[10:] / wealth[10:], known, atol=3e-7)


def test_a_path_of_generations_is_that_of_their_cohorts(generations):
    deviations = 0.05 * np.sin(np.arange(30))
    path = hm.transition(generations, productivity=deviations, horizon=60)
    held = generations_path(np.ones(500), AT_FIRST.copy(), 0.7, 0.3)[1]
    known = generations_path(1 + deviations, held, 0.7, 0.3)[0]
    np.testing.assert_allclose(path.series["capital"][:30], known, rtol=2e-7)


def test_a_life_cycle_is_that_of_backward_induction(life_cycle):
    savings, mass = life_cycle_by_loops(life_cycle)
    points = np.asarray(life_cycle.economy.grid.points)
    shape = (len(points), 8, 3)
    found = life_cycle.mass.reshape(shape)
    could = points[:, None] >= np.array([-1.0, *[-0.2] * 4, 0.0, 0.0, 0.0])  # have saved as little
    np.testing.assert_allclose(life_cycle.savings.reshape(shape)[could], savings[could], atol=1e-9)
    np.testing.assert_allclose(found[:, 1:], mass[:, 1:], atol=1e-12)
    np.testing.assert_allclose(found[:, 0].sum(axis=1), mass[:, 0].sum(axis=1), atol=1e-12)
    capital, estates = (float((each * points).sum()) for each in (mass.sum(axis=(1, 2)), mass[:, 0].sum(axis=1)))
    assert float(life_cycle.aggregates.capital) == pytest.approx(capital, rel=1e-8)
    assert float(life_cycle.aggregates.estates) == pytest.approx(estates, rel=1e-8) and estates > 0.005
    assert savings[:, :4].min() == pytest.approx(-0.2) and life_cycle.savings[:, 12:].min() == 0.0
    held = life_cycle.economy.held(life_cycle.mass)
    assert held.sum() == pytest.approx(1.0) and float((held[:, :3].sum(axis=1) * points).sum()) == pytest.approx(
        0.05 * held[:, :3].sum(), rel=1e-10
    )


def test_the_profile_of_ages_is_that_of_plain_loops(life_cycle):
    """Means, a percentile and who is constrained, against sums over the households of an age."""
    savings, mass = life_cycle_by_loops(life_cycle)
    points, profile = np.asarray(life_cycle.economy.grid.points), hm.stats.age_profile(life_cycle)
    assert list(profile.index) == list(range(20, 28)) and profile["share"].sum() == pytest.approx(1.0)
    limits = [-0.2] * 4 + [0.0] * 4
    for place, age in enumerate(profile.index):
        mine = mass[:, place] / mass[:, place].sum()
        held = 0.05 if place == 0 else float((mine.sum(axis=1) * points).sum())
        assert profile["assets"][age] == pytest.approx(held, rel=1e-8)
        bound = mine[savings[:, place] <= limits[place] + 1e-13].sum()
        assert profile["constrained"][age] == pytest.approx(bound, abs=1e-9)
        if place:
            reached, median = np.cumsum(mine.sum(axis=1)), profile["assets_p50"][age]
            after = int(np.searchsorted(points, median))
            assert reached[after] >= 0.5 - 1e-9 and (after == 0 or reached[max(after - 2, 0)] <= 0.5)
    assert profile["constrained"][27] == pytest.approx(1.0)
    goods = float((life_cycle.mass * life_cycle.consumption).sum())
    assert (profile["share"] * profile["consumption"]).sum() == pytest.approx(goods, rel=1e-10)
    with pytest.raises(ValueError, match="a stationary equilibrium has none"):
        hm.stats.age_profile(life_cycle, period=0)
    with pytest.raises(ValueError, match=r"declares no ages\(\)"):
        hm.stats.age_profile(hm.steady_state("aiyagari", asset_points=40))
    with pytest.raises(ValueError, match=r"lacks assets_p10: give stats.age_profile"):
        hm.plot.age_profile(profile.drop(columns="assets_p10"))
    assert len(hm.plot.age_profile({"one": profile, "other": profile}).axes) == 2


@pytest.mark.slow
def test_linear_responses_with_bequests_are_those_of_a_small_path(life_cycle):
    """Guards docs/ages.md: linear responses and paths where lives end, estates among what prices follow from."""
    size = 1e-5 * 0.8 ** np.arange(40)
    linear = hm.linearize(life_cycle, horizon=60).response(productivity=size)
    path = hm.transition(life_cycle, productivity=size, horizon=60)
    for name in ("capital", "estates", "output", "consumption"):
        moved = path.series[name][:40] - path.series[name][-1]
        assert np.abs(moved - linear[name][:40]).max() < 2e-4 * np.abs(moved).max(), name


def test_what_is_added_every_period_changes_the_stationary_mass(life_cycle, float64):
    economy = life_cycle.economy
    draw = np.random.default_rng(1).normal(size=life_cycle.mass.shape) * life_cycle.mass
    flow = jnp.asarray(draw - life_cycle.mass * draw.sum())
    savings, mass = jnp.asarray(life_cycle.savings), jnp.asarray(life_cycle.mass)
    change = mass_response(economy, savings, mass, flow)
    left = change - push_forward(change, economy.lottery(savings), economy.chain())
    np.testing.assert_allclose(left, flow, atol=1e-14)
    assert abs(float(change.sum())) < 1e-13


def test_one_age_that_nobody_leaves_is_a_life_without_end():
    endless = hm.load_model("krusell_smith")

    class OneAge(type(endless)):
        def ages(self):
            return hm.Ages([1.0])

    one = hm.steady_state(OneAge(**endless.parameters()), asset_points=80)
    other = hm.steady_state(endless, asset_points=80)
    assert float(one.aggregates.capital) == float(other.aggregates.capital)
    np.testing.assert_array_equal(one.mass, other.mass)


def test_a_type_is_followed_by_its_own_type(float64):
    class Types(LifeCycle):
        def idiosyncratic_shock(self):
            return hm.independent_chains(hm.permanent_types(shares=[0.3, 0.7], patience=[0.9, 0.98]),
                                         LifeCycle.idiosyncratic_shock(self))  # fmt: skip

        def discounting(self, own, today):
            return own.patience

    economy = discretize(Types(), 20, jnp.float64)
    share = np.asarray(economy.long_run())
    np.testing.assert_allclose(share.sum(axis=0)[economy.types == 0].sum(), 0.3, atol=1e-12)
    moved = economy.chain(0, 1).move(jnp.asarray(share.sum(axis=0)))
    np.testing.assert_allclose(moved, share.sum(axis=0), atol=1e-12)  # income does not depend on the aggregate
    by_age = share.sum(axis=0).reshape(8, -1).sum(axis=1)
    np.testing.assert_allclose(by_age[1:] / by_age[:-1], LifeCycle.survival[:-1], rtol=1e-12)


@pytest.mark.slow
def test_generations_with_aggregate_risk_save_the_known_share():
    """Guards docs/ages.md: the global solution against the closed form, every age, along a path of shocks."""
    with pytest.warns(hm.NotConvergedWarning):  # to a tolerance that single precision does not reach
        solution = hm.solve(Generations(), hm.RSPG(asset_points=60, updates=600, tolerance=1e-7, final_rate=1e-3))
    path = hm.simulate(solution, periods=200, seed=4)
    worst = 0.0
    for end in range(20, 200, 20):
        history = {name: path.series[name][:end] for name in ("capital", "estates")} | {"shock": path.shock[:end]}
        gross, wage = (float(path.series[name][end - 1]) for name in ("gross", "wage"))
        assets = np.linspace(0.02, 0.3, 8)[:, None]
        own = np.arange(6)[None]
        wealth = np.where(own == 0, wage, gross * assets + 1e-9 * wage)
        saved = solution.savings(assets, own, history)
        worst = max(worst, float(np.abs(saved / wealth - saving_shares(0.7, 6)).max()))
    assert worst < 1.5e-5


def test_a_search_finds_nothing_better_and_keeps_limits_by_age(life_cycle):
    """A search over all choices, which knows no first-order condition: a last year in debt would gain .3 goods."""
    assert hm.search_gain(life_cycle).percent < 0.01


def test_policies_are_read_where_limits_bind_later(life_cycle):
    """Age 25 was not allowed to owe the year before; cash on hand between points of the grid is linear in assets."""
    assets, functions = np.linspace(0.0, 4.0, 20), hm.policy_functions(life_cycle)
    cash = functions.cash(assets, own=15)
    slope = 1 + float(life_cycle.prices.rate)
    np.testing.assert_allclose(np.diff(cash), slope * np.diff(assets), rtol=1e-10)


def test_where_nobody_dies_early_nothing_is_left(generations):
    """Estates are zero and no unknown, though prices may read them."""

    class Paying(Generations):
        def prices(self, today):
            return {**Generations.prices(self, today), "bequest": today.estates}

    assert float(generations.aggregates.estates) == 0.0
    paying = hm.steady_state(Paying(), asset_points=60)
    assert float(paying.aggregates.capital) == pytest.approx(float(generations.aggregates.capital), rel=1e-12)


def test_what_is_for_lives_without_end_refuses_ages(life_cycle):
    model = life_cycle.economy.model
    with pytest.raises(ValueError, match="games made of an economy are for lives without end"):
        hm.as_game(model)
    with pytest.raises(ValueError, match="moves ages|ages"):
        hm.transition(life_cycle, debt=[-0.1, -0.1], horizon=40)


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        ({"survival": [0.9, 0.5]}, r"0.5 of those of the last age live on.*let the last entry of survival be 0"),
        ({"survival": [0.9, 1.2, 0.0]}, r"age number 1 is 1.2: it lies between 0 and 1"),
        ({"survival": [0.9, 0.0, 0.0]}, r"nobody lives on from age number 1.*leave out the ages after it"),
        ({"survival": []}, r"give a list, the probability of living on"),
        ({"survival": [0.9, 0.0], "first": 1.5}, r"first=1.5\): the first age is a whole number"),
        ({"survival": [0.9, 0.0], "newborn": [0.5, 0.6]}, r"that add up to one"),
    ],
)
def test_ages_that_make_no_sense_are_refused(ages, words):
    with pytest.raises(ValueError, match=words):
        hm.Ages(**ages)


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        ({"survival": [0.9, 0.0], "limits": [0.0]}, r"limits has 1 entries for 2 ages"),
        ({"survival": [0.9, 0.0], "limits": [-3.0, 0.0]}, r"lower the borrowing limit there, or raise the limits"),
        ({"survival": [0.9, 0.0], "limits": [-0.1, -0.1]}, r"limit at the last age is -0.1: nobody may die in debt"),
        ({"survival": [0.9, 0.0], "newborn": [0.5, 0.5]}, r"newborn has 2 probabilities, but .* has 3 states"),
        ({"survival": [0.9, 0.0], "newborn_assets": 50.0}, r"newborn_assets = 50 lies outside asset_space\(\)"),
    ],
)
def test_ages_that_do_not_fit_the_model_are_refused(ages, words):
    class Wrong(LifeCycle):
        def ages(self):
            return hm.Ages(**ages)

    with pytest.raises(ValueError, match=words):
        hm.steady_state(Wrong(), asset_points=20)


def test_estates_belong_to_the_library():
    class Own(LifeCycle):
        def aggregates(self, assets, own, today):
            return {**LifeCycle.aggregates(self, assets, own, today), "estates": assets}

    with pytest.raises(ValueError, match="returns 'estates', which ages"):
        hm.steady_state(Own(), asset_points=20)
