"""Impulse responses: what is known of them without solving anything else."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hank_mfg as hm
from hank_mfg.environment.markov import later
from hank_mfg.evaluate.distribution.date_zero import date_zero, lottery_on_chain, set_apart
from hank_mfg.evaluate.distribution.groups import GROUPS, wealth_groups
from hank_mfg.evaluate.impulse_response import ImpulseResponse, on_the_way, starting_states

BRIEF = {"horizon": 6, "starts": 2, "paths": 64}
SIZE = -0.005


@pytest.fixture(scope="module")
def response(trained):
    return hm.impulse_response(trained, "productivity", SIZE, **BRIEF)


@pytest.mark.slow
def test_no_shock_gives_no_response_at_all(trained):
    """Guards `impulse_response`: size zero gives zero, in means, bands and standard errors."""
    response = hm.impulse_response(trained, "productivity", 0.0, **BRIEF)
    for name, values in response.mean.items():
        assert np.all(values == 0.0), name
        assert all(np.all(each[name] == 0.0) for each in (response.lower, response.upper, response.error)), name


def test_productivity_moves_by_the_size_at_date_zero_and_then_follows_its_chain(response):
    """Mean one: percent of productivity are a hundred times its level. The chain's autocorrelation is 3/4."""
    assert response.units["productivity"] == "percent"
    values = response.mean["productivity"]
    assert values[0] == pytest.approx(100 * SIZE, rel=1e-5)
    np.testing.assert_allclose(values, 100 * SIZE * 0.75 ** np.arange(6), atol=0.03)


def test_capital_is_predetermined_and_then_falls(response):
    capital = response.mean["capital"]
    assert abs(capital[0]) < 1e-9 and np.all(np.diff(capital) < 0.0)
    wealth = response.mean["wealth_initial_top_20"]
    assert abs(wealth[0]) < 1e-9 and wealth[1] < 0.0
    # output falls with productivity and with employment: the joint chain moves both
    output, labor, productivity = (response.mean[name][0] for name in ("output", "labor", "productivity"))
    assert output == pytest.approx(productivity + 0.64 * labor, abs=0.02)


def test_the_response_is_linear_in_the_size_because_sizes_are_lotteries(response, trained):
    """A size between two states mixes the same two worlds; levels without the shock are the same."""
    double = hm.impulse_response(trained, "productivity", 2 * SIZE, **BRIEF)
    for name in ("productivity", "capital", "consumption", "interest_rate", "gini"):
        np.testing.assert_allclose(double.mean[name], 2 * response.mean[name], rtol=1e-9, atol=1e-12)


def test_bands_contain_the_mean_and_everything_is_saved(response):
    for name, values in response.mean.items():
        assert values.shape == (6,)
        assert np.all(response.lower[name] <= values + 1e-12) and np.all(values <= response.upper[name] + 1e-12)
    again = ImpulseResponse.from_saved(response.to_saved())
    assert again.units == response.units and again.size == SIZE
    np.testing.assert_array_equal(again.upper["capital"], response.upper["capital"])
    assert {"interest_rate", "gini", "wealth_p50", "consumption_initial_top_1"} <= set(response.mean)
    assert response.units["interest_rate"] == response.units["gini"] == "percentage points"


def test_responses_by_state_are_parts_of_the_whole(response):
    """Halves of the starting states, told by capital: their means average to the mean, and they are what they say."""
    low, high = response.by_state("capital", 0.5)
    assert low.starts == high.starts == response.starts // 2
    assert low.before["capital"].max() <= high.before["capital"].min()
    for name, values in response.mean.items():
        np.testing.assert_allclose(0.5 * (low.mean[name] + high.mean[name]), values, rtol=1e-9, atol=1e-12)
    assert low.note.endswith(f"to {low.before['capital'].max():.5g}.")
    for arguments, words in (
        (("asset",), "no such series"),
        (("capital", 0.7), "at most .5"),
        (("capital", 1e-3), "raise starts"),
    ):
        with pytest.raises(ValueError, match=words):
            response.by_state(*arguments)


@pytest.mark.slow
def test_how_many_paths_are_followed_at_once_does_not_matter(trained, monkeypatch):
    """Three states in batches of two, the last of which is not full, or all at once."""
    sizes = {"horizon": 4, "starts": 3, "paths": 2}
    whole = hm.impulse_response(trained, "productivity", SIZE, **sizes)
    monkeypatch.setattr("hank_mfg.evaluate.impulse_response.TOGETHER", 4)
    parts = hm.impulse_response(trained, "productivity", SIZE, **sizes)
    for name, values in whole.mean.items():
        np.testing.assert_allclose(parts.mean[name], values, atol=1e-10)
        np.testing.assert_allclose(parts.error[name], whole.error[name], atol=1e-10)


@pytest.mark.slow
def test_the_standard_error_is_that_of_a_mean_over_starting_states(trained, float64):
    """Of two numbers it is half of their distance, and a band that holds everything has them at its ends."""
    response = hm.impulse_response(trained, "productivity", SIZE, **BRIEF, coverage=1.0)
    for name, error in response.error.items():
        np.testing.assert_allclose(error, 0.5 * (response.upper[name] - response.lower[name]), atol=1e-12)
    play = trained.play()
    alone = hm.impulse_response(trained, "productivity", SIZE, horizon=2, paths=2, start=trained.start(play))
    assert alone.starts == 1 and all(np.isnan(error).all() for error in alone.error.values())


def test_an_unknown_shock_is_named(trained):
    with pytest.raises(ValueError, match="There is no shock 'preferences': the aggregate shocks are productivity"):
        hm.impulse_response(trained, "preferences", 0.01, **BRIEF)
    with pytest.raises(ValueError, match="no shock 'produktivity' .did you mean 'productivity'"):
        hm.impulse_response(trained, "produktivity", 0.01, **BRIEF)


def test_a_size_outside_the_chain_is_refused(trained):
    with pytest.raises(
        ValueError, match=r"would reach 1\.5, outside the values 0\.99 to 1\.01 .*choose a smaller size"
    ):
        hm.impulse_response(trained, "productivity", 0.5, **BRIEF)


def test_other_shocks_keep_their_distribution_at_date_zero(trained, float64):
    play = trained.play(10)
    before, after = date_zero(play.economy, "productivity", SIZE)
    levels = np.array([0.99, 1.01])
    assert before.sum() == pytest.approx(1.0, abs=1e-6) and after.sum() == pytest.approx(1.0, abs=1e-6)
    assert after @ levels - before @ levels == pytest.approx(SIZE, abs=1e-8)


def test_another_shock_can_be_held_at_a_level(float64, refuses):
    """The HANK economy's chain: productivity moves as asked, patience stands where it is put, the rest is untouched."""
    economy = hm.discretize(hm.load_model("one_asset_hank"), 10, jnp.float64)
    values = {name: np.asarray(each) for name, each in economy.shock_values.items()}
    level = float(values["patience"].max())
    for probabilities, moved in zip(
        date_zero(economy, "productivity", 0.004, {"patience": level}), (0.0, 0.004), strict=True
    ):
        assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
        assert probabilities @ values["patience"] == pytest.approx(level, abs=1e-12)
        assert probabilities @ values["productivity"] == pytest.approx(1.0 + moved, abs=1e-9)
        assert probabilities @ values["monetary"] == pytest.approx(0.0, abs=1e-12)
    refuses(lambda: date_zero(economy, "patience", 0.0, {"patience": 1.0}), "patience", "leave it out of given")
    refuses(lambda: date_zero(economy, "patience", 0.0, {"mood": 1.0}), "no shock 'mood'", "productivity")
    refuses(lambda: date_zero(economy, "productivity", 0.0, {"patience": "high"}), "'high'", "give a number")


@pytest.mark.slow
@pytest.mark.parametrize("pinned", ["patience", "productivity", "monetary"])
def test_other_shocks_are_the_same_whatever_the_level_and_as_frequent_as_they_follow(float64, pinned):
    """The HANK economy's chain: one uniform number a date, at every level of the shock, whichever is declared first."""
    economy = hm.discretize(hm.load_model("one_asset_hank"), 10, jnp.float64)
    values = {name: np.asarray(each) for name, each in economy.shock_values.items()}
    apart = set_apart(economy, [pinned])
    assert sorted(apart.ravel()) == list(range(economy.shock_count))
    np.testing.assert_array_equal(np.ptp(values[pinned][apart], axis=1), 0.0)
    numbers = jnp.asarray(np.random.default_rng(0).random((8, 50)))
    order = jnp.asarray(apart.T.ravel())
    paths = np.array([[economy.shocks_from(level[2], each, order) for level in apart] for each in numbers])
    even = jnp.asarray((np.arange(100_000) + 0.5) / 100_000)
    following = np.asarray(jax.vmap(lambda u: economy.shocks_from(3, u[None], order)[0])(even))
    np.testing.assert_allclose(
        np.bincount(following, minlength=economy.shock_count) / 100_000, economy.shock_transition[3], atol=2e-5
    )
    for name in set(values) - {pinned}:
        there = values[name][apart]
        np.testing.assert_array_equal(there, np.broadcast_to(there[0], there.shape))
        np.testing.assert_array_equal(np.ptp(values[name][paths], axis=1), 0.0)


@pytest.mark.slow
def test_a_shock_leaves_the_others_alone_at_every_date(float64):
    """The persistent shock is declared first; the transitory one is the same with and without it, up to rounding."""
    solution = hm.solve(hm.load_model("krusell_smith_noisy"), hm.RSPG(paths=2, updates=1, asset_points=20))
    response = hm.impulse_response(solution, "persistent", 0.005, horizon=6, starts=8, paths=2)
    assert response.units["persistent"] == "level"  # it crosses zero
    assert response.mean["persistent"][0] == pytest.approx(0.005, abs=1e-11)
    np.testing.assert_allclose(response.mean["transitory"], np.zeros(6), atol=1e-15)


class Together(type(hm.load_model("huggett"))):
    """A wedge in one chain with income, which depends on where income was and not on where it is; news beside them."""

    def aggregate_shocks(self):
        income = [[0.8, 0.2], [0.3, 0.7]]
        wedge = [[0.9, 0.1], [0.2, 0.8]]  # by income a period ago
        joint = [[income[i][j] * wedge[i][w] for j in (0, 1) for w in (0, 1)] for i in (0, 1) for _ in (0, 1)]
        news = hm.MarkovChain([[0.5, 0.5], [0.5, 0.5]], news=[0.0, 1.0])
        return news, hm.MarkovChain(joint, aggregate_income=[0.99, 0.99, 1.01, 1.01], wedge=[1.0, 0.9, 1.0, 0.9])


def test_what_is_declared_in_one_chain_with_the_shock_is_part_of_it(float64):
    """Every state of that chain is a level; what is declared beside it stays apart."""
    economy = hm.discretize(Together(**hm.load_model("huggett").parameters()), 10, jnp.float64)
    np.testing.assert_array_equal(set_apart(economy, ["aggregate_income"]), np.arange(8).reshape(2, 4).T)
    np.testing.assert_array_equal(set_apart(economy, ["news"]), np.arange(8).reshape(2, 4))
    np.testing.assert_array_equal(set_apart(economy, ["wedge", "news"]), np.arange(8)[:, None])


def test_the_probabilities_of_moves_are_those_of_all_paths_that_arrive():
    """Every path of three moves between three states, one of which is never followed by another."""
    chain = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.6, 0.2, 0.2]])
    for first, target in itertools.product(range(3), range(3)):
        paths = {
            path: np.prod([chain[move] for move in itertools.pairwise((first, *path))])
            for path in itertools.product(range(3), repeat=3)
            if path[-1] == target
        }
        for path, odds in paths.items():
            ours = 1.0
            moves = itertools.pairwise((first, *path))
            for ahead, (now, following) in zip(later(chain, np.eye(3), 3)[::-1], moves, strict=True):
                row = on_the_way(chain, ahead, np.array([now]), np.array([target]))
                ours *= row[0, following]
                if ours == 0.0:
                    break
            assert ours == pytest.approx(odds / sum(paths.values()), abs=1e-14)


def test_a_slump_once_in_a_million_periods_is_as_old_as_slumps_are():
    """Given that there is one, it began k periods ago or before with probability stay^k; between there is none."""
    stay, rare = 0.8, 1e-6
    start = rare * (1 - stay) / (1 - rare)
    chain, share, shares = np.array([[1 - start, start], [1 - stay, stay]]), np.array([1.0, 0.0]), []
    for ahead in later(chain, np.eye(2), 100)[::-1]:
        share = share @ on_the_way(chain, ahead, np.arange(2), np.ones(2, int))
        shares.append(share[1])
    np.testing.assert_allclose(shares[::-1][:10], stay ** np.arange(10), rtol=1e-4)
    assert shares[49] < 1e-4


@pytest.mark.slow
def test_starting_states_are_where_they_may_be(trained, float64, refuses):
    """Guards `starting_states`: each allowed aggregate state as often as it occurs; others are refused."""
    play = trained.play(60)
    for allowed in ([True, False], [False, True]):
        states = starting_states(trained, play, np.array(allowed), count=9, seed=0)
        assert [allowed[int(state.aggregate.shock)] for state in states] == [True] * 9
        masses = np.array([state.aggregate.mass for state in states])
        np.testing.assert_allclose(masses.sum(axis=(1, 2)), 1.0, rtol=1e-9)
        assert len({mass.tobytes() for mass in masses}) == 9
    states = starting_states(trained, play, np.array([True, True]), count=16, seed=0)
    assert [int(state.aggregate.shock) for state in states] == [0] * 8 + [1] * 8  # as often as in the long run
    turns = np.kron([[0.0, 1.0], [1.0, 0.0]], [[0.6, 0.4], [0.05, 0.95]]).tolist()
    fixed = dataclasses.replace(trained, model=trained.model.with_parameters(joint_transition=turns))
    now = int(trained.states.aggregate.shock[0])
    refuses(
        lambda: starting_states(fixed, fixed.play(60), np.arange(2) != now, count=1, seed=0),
        "cannot be reached in 50 periods", "start=",
    )  # fmt: skip


@given(st.integers(0, 2**32 - 1))
def test_the_lottery_on_a_chain_has_the_target_as_its_mean(seed):
    draws = np.random.default_rng(seed)
    values = draws.permutation(np.cumsum(0.1 + draws.random(5)))
    target = draws.uniform(values.min(), values.max())
    probabilities = lottery_on_chain(values, target)
    assert probabilities @ values == pytest.approx(target, rel=1e-12)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-14) and probabilities.min() >= 0.0
    used = np.sort(values[probabilities > 0])
    assert len(used) <= 2
    assert not np.any((values > used[0]) & (values < used[-1]))  # neighbors
    for state, value in enumerate(values):
        np.testing.assert_allclose(lottery_on_chain(values, value), np.eye(5)[state], atol=1e-12)


def population(seed):
    draws = np.random.default_rng(seed)
    mass = draws.random((40, 3)) * (draws.random((40, 1)) < 0.7)
    return mass / mass.sum()


@pytest.mark.parametrize("seed", range(5))
def test_groups_by_wealth_partition_the_population(seed):
    """Weighted by their shares, groups that cover all quantiles add up to the population, state by state."""
    fifths = {f"fifth_{i}": (i / 5, (i + 1) / 5) for i in range(5)}
    mass = population(seed)
    groups = wealth_groups(mass, fifths)
    np.testing.assert_allclose(groups.sum(axis=(1, 2)), 1.0, atol=1e-14)
    np.testing.assert_allclose(0.2 * groups.sum(axis=0), mass, atol=1e-14)
    wealth = (groups * np.arange(40)[:, None]).sum(axis=(1, 2))
    assert np.all(np.diff(wealth) > 0.0)


def test_the_fixed_groups_are_the_quantiles_that_they_are_called_after():
    mass = population(0)
    groups = dict(zip(GROUPS, wealth_groups(mass), strict=True))
    assets = np.arange(40)
    below = np.cumsum(mass.sum(axis=1))
    for name, (start, end) in GROUPS.items():
        held = assets[groups[name].sum(axis=1) > 1e-15]
        assert below[held[0]] > start - 1e-12 and below[held[-1]] - mass[held[-1]].sum() < end + 1e-12
        assert np.all((end - start) * groups[name] <= mass + 1e-15)
