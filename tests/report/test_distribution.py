"""Truths: closed forms for two points, a uniform and a Pareto distribution, and the definition of the Gini."""

# The type stubs of pandas and matplotlib are wider than what these calls return.
# pyright: reportArgumentType=false
# pyright: reportCallIssue=false
# pyright: reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false
# pyright: reportIndexIssue=false

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hank_mfg.evaluate.distribution.groups import inequality
from hank_mfg.evaluate.distribution.statistics import (
    distribution_table,
    gini,
    gini_where_defined,
    has_shares,
    lorenz_curve,
    marginal_propensities_by_wealth,
    quantile,
    top_share,
)

TWO_POINTS = np.array([0.75, 0.25]), np.array([1.0, 5.0])  # mean 2; the rich quarter holds 1.25 / 2


def uniform(points=2001):
    return np.full(points, 1.0 / points), np.linspace(0.0, 1.0, points)


def pareto(tail=2.5, points=20_000):
    """Equal masses at the conditional means of a Pareto distribution with minimum one: exact Lorenz curve at nodes."""
    edges = np.linspace(0.0, 1.0, points + 1)
    wealth = 1.0 - (1.0 - edges) ** (1.0 - 1.0 / tail)
    return np.full(points, 1.0 / points), np.diff(wealth) * points * tail / (tail - 1.0)


@st.composite
def populations(draw):
    """A population over a grid that may reach into debt, with positive mean wealth, and atoms and holes."""
    size = draw(st.integers(2, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    assets = draw(st.sampled_from([0.0, -1.0])) + np.cumsum(random.exponential(size=size))
    mass = random.exponential(size=size) * (random.uniform(size=size) < 0.7)
    mass[-1] += 1.0
    mass /= mass.sum()
    assets[-1] += max(0.0, 0.1 - mass @ assets) / mass[-1]
    return mass, assets


def test_two_point_distribution_in_closed_form():
    population, wealth = lorenz_curve(*TWO_POINTS)
    np.testing.assert_allclose(population, [0.0, 0.75, 1.0], atol=1e-15)
    np.testing.assert_allclose(wealth, [0.0, 0.375, 1.0], atol=1e-15)
    assert gini(*TWO_POINTS) == pytest.approx(
        0.625 - 0.25, abs=1e-14
    )  # wealth share minus population share of the rich
    assert top_share(*TWO_POINTS, 0.25) == pytest.approx(0.625, abs=1e-14)
    assert top_share(*TWO_POINTS, 0.1) == pytest.approx(0.25, abs=1e-14)  # the atom at five is split
    assert top_share(*TWO_POINTS, 0.5) == pytest.approx(0.625 + 0.125, abs=1e-14)


def test_uniform_distribution_in_closed_form():
    mass, assets = uniform()
    # On n equally likely, evenly spaced points from zero G = (n + 1) / (3 n), and 1/3 in the limit.
    assert gini(mass, assets) == pytest.approx(2002 / (3 * 2001), abs=1e-12)
    np.testing.assert_allclose(top_share(mass, assets, np.array([0.1, 0.5])), [0.19, 0.75], atol=2e-4)
    np.testing.assert_allclose(quantile(mass, assets, np.array([0.1, 0.5, 0.9])), [0.1, 0.5, 0.9], atol=1e-3)


def test_pareto_distribution_in_closed_form():
    mass, assets = pareto(tail=2.5)
    assert gini(mass, assets) == pytest.approx(1.0 / (2 * 2.5 - 1.0), abs=1e-5)
    np.testing.assert_allclose(top_share(mass, assets, [0.01, 0.2]), np.array([0.01, 0.2]) ** 0.6, atol=1e-12)
    assert quantile(mass, assets, 0.9) == pytest.approx(0.1 ** (-1 / 2.5), rel=1e-3)


def test_gini_is_one_when_one_percent_of_the_population_hold_everything():
    assert gini([0.99, 0.01], [0.0, 3.0]) == pytest.approx(0.99, abs=1e-14)


@settings(max_examples=25, deadline=None)
@given(populations())
def test_gini_equals_its_definition_over_all_pairs(population):
    mass, assets = population
    pairs = mass @ np.abs(assets[:, None] - assets) @ mass
    assert gini(mass, assets) == pytest.approx(pairs / (2 * mass @ assets), rel=1e-10, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(populations(), st.floats(0.5, 20.0))
def test_lorenz_curve_properties(population, scale):
    mass, assets = population
    share, wealth = lorenz_curve(mass, assets)
    assert (share[0], wealth[0]) == (0.0, 0.0)
    assert share[-1] == pytest.approx(1.0) and wealth[-1] == pytest.approx(1.0)
    assert np.all(np.diff(share) >= 0) and np.all(wealth <= share + 1e-12)
    slopes = np.diff(wealth)[mass > 0] / np.diff(share)[mass > 0]
    np.testing.assert_allclose(slopes, assets[mass > 0] / (mass @ assets), rtol=1e-6, atol=1e-9)  # so it is convex
    np.testing.assert_allclose(lorenz_curve(mass, scale * assets)[1], wealth, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(populations(), st.floats(0.001, 0.999))
def test_quantile_inverts_the_cumulative_mass(population, probability):
    mass, assets = population
    level = quantile(mass, assets, probability)
    at_or_below = np.interp(level, assets, np.cumsum(mass))
    assert at_or_below == pytest.approx(max(probability, mass[0]), abs=1e-9)
    assert mass[assets < level - 1e-9].sum() <= probability + 1e-9 <= mass[assets <= level].sum() + mass.max() + 1e-9


def test_quantile_convention_at_the_borrowing_limit_and_across_a_gap():
    mass, assets = np.array([0.4, 0.0, 0.6]), np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(quantile(mass, assets, [0.1, 0.4, 0.7]), [-1.0, -1.0, 1.0], atol=1e-12)


def test_debt_puts_the_lorenz_curve_below_zero_and_the_gini_above_one():
    mass, assets = np.array([0.5, 0.5]), np.array([-1.0, 1.5])
    assert lorenz_curve(mass, assets)[1][1] == pytest.approx(-2.0)
    assert gini(mass, assets) == pytest.approx(2.5)  # 0.25 * 2.5 * 2 / (2 * 0.25)


def test_time_axis_gives_the_answer_of_every_period():
    random = np.random.default_rng(0)
    assets = np.linspace(-0.5, 4.0, 7)
    mass = random.dirichlet(np.ones(14), size=5).reshape(5, 7, 2)
    flat = mass.sum(axis=-1)
    for function, argument in ((gini, ()), (top_share, (0.1,)), (quantile, (np.array([0.2, 0.5]),))):
        each = np.stack([function(period, assets, *argument) for period in flat])
        np.testing.assert_allclose(function(flat, assets, *argument), each, rtol=1e-13)
        np.testing.assert_allclose(function(mass, assets, *argument), each, rtol=1e-12)
    assert lorenz_curve(flat, assets)[0].shape == (5, 8)


def test_square_arrays_are_told_apart_by_what_sums_to_one():
    assets = np.array([0.0, 1.0, 2.0])
    by_income = np.full((3, 3), 1 / 9)
    by_time = np.full((3, 3), 1 / 3)
    assert np.ndim(gini(by_income, assets)) == 0
    assert np.shape(gini(by_time, assets)) == (3,)


def test_single_precision_population_is_accepted():
    mass = np.random.default_rng(1).dirichlet(np.ones(400)).astype(np.float32)
    assert gini(mass, np.linspace(0, 9, 400)) == pytest.approx(gini(mass.astype(float), np.linspace(0, 9, 400)))


def test_marginal_propensities_split_atoms_and_average_to_the_whole():
    assets = np.array([0.0, 1.0, 2.0])
    mass = np.array([[0.2, 0.1], [0.2, 0.1], [0.1, 0.3]])
    mpc = np.array([[0.9, 0.6], [0.3, 0.3], [0.1, 0.1]])
    table = marginal_propensities_by_wealth(mass, assets, mpc)
    at_the_limit = (0.2 * 0.9 + 0.1 * 0.6) / 0.3
    column = table["mean MPC per period"]
    assert column["0 to 20 percent"] == pytest.approx(at_the_limit)
    assert column["20 to 40 percent"] == pytest.approx((at_the_limit + 0.3) / 2)  # half of it at the limit
    assert column["80 to 100 percent"] == pytest.approx(0.1)
    assert column["everybody"] == pytest.approx(np.sum(mass * mpc))
    np.testing.assert_allclose(column.iloc[:5].mean(), column["everybody"])
    np.testing.assert_array_equal(table["highest assets (level)"], [0.0, 1.0, 1.0, 2.0, np.nan, np.nan])
    assert table["mean assets (level)"]["everybody"] == pytest.approx(1.1)


def test_marginal_propensities_by_uneven_groups():
    mass, assets = uniform()
    table = marginal_propensities_by_wealth(mass, assets, 1.0 - assets, groups=(0.5, 0.9))
    assert list(table.index) == ["0 to 50 percent", "50 to 90 percent", "90 to 100 percent", "everybody"]
    np.testing.assert_allclose(table["population (percent)"], [50.0, 40.0, 10.0, 100.0])
    np.testing.assert_allclose(table["mean MPC per period"], [0.75, 0.3, 0.05, 0.5], atol=1e-3)


def test_distribution_table_agrees_with_the_functions_and_names_units():
    mass, assets = uniform()
    table = distribution_table(mass, assets)["value"]
    assert table["Gini coefficient"] == pytest.approx(gini(mass, assets))
    assert table["Wealth of the top 10 % (percent)"] == pytest.approx(100 * top_share(mass, assets, 0.1))
    assert table["At the borrowing limit (percent)"] == pytest.approx(100 / 2001)
    assert table["Percentile 50 (level)"] == pytest.approx(0.5, abs=1e-3)
    assert all(name.endswith(("(percent)", "(level)")) for name in table.index.drop("Gini coefficient"))


def test_distribution_table_of_bonds_in_zero_net_supply_leaves_wealth_shares_out():
    table = distribution_table([0.5, 0.5], [-1.0, 1.0])["value"]
    assert table["In debt (percent)"] == pytest.approx(50.0)
    assert not any("Gini" in str(name) or "top" in str(name) for name in table.index)


@pytest.mark.parametrize("assets", [[-1.0, 1.0], [-3.0, 1.0]])
def test_wealth_that_is_not_positive_on_average_is_an_error(assets):
    for function in (gini, lorenz_curve):
        with pytest.raises(ValueError, match="mean assets = .* is not positive, so shares of wealth have no meaning"):
            function([0.5, 0.5], assets)


@pytest.mark.parametrize(
    ("mass", "assets", "message"),
    [
        ([0.5, 0.4], [0.0, 1.0], "mass sums to 0.9 instead of 1"),
        ([1.5, -0.5], [0.0, 1.0], "mass has the entry -0.5"),
        ([np.nan, 0.5], [0.0, 1.0], "mass has the entry nan"),
        ([0.5, 0.5], [1.0, 0.0], "strictly ascending"),
        ([0.0, 1.0, 2.0], [0.2, 0.5, 0.3], "seem to be swapped, give the mass first"),
        ([0.0, 1.0, 2.0], [[0.2, 0.1], [0.2, 0.2], [0.1, 0.2]], "seem to be swapped"),
        ([0.5, 0.5], [0.0, 0.5, 1.0], r"mass has shape \(2,\) but assets has 3 points"),
    ],
)
def test_malformed_populations_are_errors(mass, assets, message):
    with pytest.raises(ValueError, match=message):
        gini(mass, assets)


@pytest.mark.parametrize("value", [0.0, 1.0, 10.0, np.nan])
def test_fractions_must_be_inside_zero_and_one(value):
    with pytest.raises(ValueError, match="fraction = .* strictly between 0 and 1: write 10 percent as 0.1"):
        top_share(*TWO_POINTS, value)
    with pytest.raises(ValueError, match="probability = .* strictly between 0 and 1"):
        quantile(*TWO_POINTS, value)


def test_errors_of_the_table_of_propensities():
    mass, assets = TWO_POINTS
    with pytest.raises(ValueError, match=r"mpc has shape \(3,\): give one finite number per entry of mass"):
        marginal_propensities_by_wealth(mass, assets, np.ones(3))
    with pytest.raises(ValueError, match=r"groups = \(0.9, 0.5\) must be"):
        marginal_propensities_by_wealth(mass, assets, np.ones(2), groups=(0.9, 0.5))
    with pytest.raises(ValueError, match="groups = 0 must be a positive number of groups"):
        marginal_propensities_by_wealth(mass, assets, np.ones(2), groups=0)
    with pytest.raises(ValueError, match="with a time axis: pass the population of one period"):
        distribution_table(np.stack([mass, mass]), assets)


def test_without_net_wealth_there_are_no_shares():
    """Bonds in zero net supply: half owes what the other half holds."""
    assets, mass = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.0, 0.5])
    assert not has_shares(mass, assets) and gini_where_defined(mass, assets) is None
    assert inequality(np.stack([mass, mass]), assets) == {}
    richer = np.array([0.25, 0.0, 0.75])
    assert gini_where_defined(richer, assets) == gini(richer, assets)
    assert set(inequality(richer[None], assets)) == {"gini", "top_1_percent_share", "top_10_percent_share"}
