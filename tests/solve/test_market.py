"""Prices that clear inside the period: the root finder against known roots, and Huggett's economy against truths."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_household as household
from reference_bonds import Promised

import hank_mfg as hm
from hank_mfg.environment.clearing import accuracy, clear
from hank_mfg.environment.economy import Aggregate
from hank_mfg.environment.markov import to_chain
from hank_mfg.model.named import Named
from hank_mfg.solve.gradient.economies import prepare
from hank_mfg.solve.play.market import Market, explain_market
from hank_mfg.solve.play.rollout import State
from hank_mfg.solve.stationary.steady_state import stationary_of

# ------------------------------------------------------------------------------------------------------- root finder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "root"),
    [
        (lambda x: 3.0 * (x - 0.25), 0.25),
        (lambda x: jnp.expm1(4.0 * (x - 0.7)), 0.7),
        (lambda x: 0.3 - x, 0.3),  # falling
        (lambda x: jnp.cbrt(x - 0.1), 0.1),  # Newton's method runs away
        (lambda x: jnp.tanh(200.0 * (x + 0.9)), -0.9),  # flat but for a narrow step
        (lambda x: jnp.where(x < 0.6, x - 0.6, 1e4 * (x - 0.6)), 0.6),  # a kink
        (lambda x: jnp.where(x < 0.0, -1.0, x - 0.5), 0.5),  # no slope on one side
    ],
)
def test_one_price_is_found_from_anywhere_in_the_bracket(function, root, float64):
    """Guards docs/huggett.md: a Newton step and secants, else false position, find the root to 1e-9."""
    ends = jnp.asarray([-1.0]), jnp.asarray([1.0])
    find = jax.jit(jax.vmap(lambda start: clear(function, start, *ends)))
    found = find(jnp.asarray([[-1.0], [-0.3], [0.11], [0.99], [jnp.nan]]))
    np.testing.assert_allclose(found.x[:, 0], root, atol=1e-9)
    assert np.all(np.abs(found.excess) <= accuracy(jnp.float64))


def test_a_linear_excess_demand_takes_one_step(float64):
    found = clear(lambda x: 2.0 * x - 1.0, jnp.asarray([0.0]), jnp.asarray([-1.0]), jnp.asarray([1.0]))
    assert int(found.evaluations) == 2 and float(found.excess[0]) == 0.0


def test_without_a_root_the_excess_at_the_better_end_is_returned(float64):
    found = clear(lambda x: 1.0 + x**2, jnp.asarray([0.3]), jnp.asarray([-1.0]), jnp.asarray([2.0]))
    assert float(found.excess[0]) >= 1.0
    found = clear(lambda x: x * jnp.nan, jnp.asarray([0.3]), jnp.asarray([-1.0]), jnp.asarray([2.0]))
    assert not np.abs(found.excess[0]) <= 1.0


def test_several_prices_are_those_of_an_independent_solver(float64):
    def excess(x, xp=jnp):
        return xp.stack([xp.exp(x[0]) + x[1] - 2.0, x[0] - x[1] ** 3])

    truth = scipy.optimize.root(lambda x: excess(x, np), [0.0, 1.0], tol=1e-13).x
    ends = jnp.asarray([-3.0, 0.0]), jnp.asarray([3.0, 3.0])
    for start in ([0.0, 1.0], [2.5, 2.5], [-2.0, 0.1]):
        found = clear(excess, jnp.asarray(start), *ends)
        np.testing.assert_allclose(found.x, truth, atol=1e-9)


def test_prices_are_found_beyond_the_kinks_that_floors_make(float64):
    """Piecewise linear equations with one root: slopes A on one side of a kink in each unknown and A + B on the other,
    all of whose mixtures have positive determinants; the search starts with the slopes of one side only."""
    draws, ends = np.random.default_rng(0), (jnp.full(3, -50.0), jnp.full(3, 50.0))

    @jax.jit
    def found(first, more, kink, root, start):
        value = lambda x: first @ x + more @ jnp.maximum(x - kink, 0.0)  # noqa: E731
        return clear(lambda x: value(x) - value(root), start, *ends, jnp.linalg.inv(first)).x

    for _ in range(200):
        first = np.eye(3) + 0.25 * draws.uniform(-1, 1, (3, 3))
        more = 4.0 * np.eye(3) + draws.uniform(-1, 1, (3, 3))  # rows dominated by their diagonal: one root
        root, kink, start = draws.uniform(-1, 1, 3), draws.uniform(-1, 1, 3), draws.uniform(-3, 3, 3)
        np.testing.assert_allclose(found(first, more, kink, root, start), root, atol=1e-9)


def test_searches_side_by_side_end_where_each_ends_alone(float64):
    """Easy and hard ones at once, and one that starts at its root; what has ended stays as it is."""
    ends = jnp.asarray([-3.0, -3.0]), jnp.asarray([3.0, 3.0])

    def search(hardness, start):
        return clear(lambda x: jnp.stack([jnp.sinh(hardness * x[0]) + 0.3 * x[1], x[1] - 0.5 * x[0]]), start, *ends)

    hardness, starts = jnp.asarray([0.1, 1.0, 4.0, 1.0]), jnp.asarray([[2.0, 1.0], [-2.0, 2.0], [1.5, 0.0], [0.0, 0.0]])
    together = jax.vmap(search)(hardness, starts)
    np.testing.assert_allclose(together.x, 0.0, atol=1e-10)
    assert int(together.evaluations[3]) < int(together.evaluations[2])
    for place in range(4):
        alone = search(hardness[place], starts[place])
        np.testing.assert_allclose(together.x[place], alone.x, atol=1e-13)


def test_several_prices_that_do_not_clear_are_named_together(float64):
    """Output at the end of its bracket, the equations in their order."""
    economy = hm.discretize(hm.load_model("one_asset_hank"), 10, jnp.float64)
    x, excess = np.array([0.8, 1.5, 0.01]), np.array([1e-12, 0.02, -0.003])
    assert explain_market(economy, Market(3, x, 1e-9 * excess, x, x), 1e-6) is None
    message = explain_market(economy, Market(3, x, excess, x, x), 1e-6)
    for piece in (
        "wage, output, inflation do not clear together",
        "output at 1.5",
        "1e-12, 0.02, -0.003",
        "firms last",
    ):
        assert piece in message


# ------------------------------------------------------------------------------------------------- Huggett's economy


@pytest.mark.slow
def test_the_stationary_rate_is_that_of_an_independent_solution():
    """Guards docs/accuracy.md, 'Huggett', stationary rate: .562 percent per period on the tutorials' 200 points
    between 0 and 50, and that of independent code."""
    model = hm.load_model("huggett")
    steady = hm.steady_state(model)
    assert 100 * steady.prices.interest_rate == pytest.approx(0.562, abs=0.001)
    assert steady.residual < 1e-9 and steady.aggregates.bonds == pytest.approx(5.6, abs=1e-9)
    points, chain = np.asarray(steady.economy.grid.points), to_chain(model.idiosyncratic_shock())
    transition, income = np.asarray(chain.transition), np.asarray(chain.values["income"])

    def bonds(rate):
        savings = household.stationary_savings(points, rate, income, transition, 0.98, 2.0)
        return (household.stationary_mass(savings, points, transition, method="solve") * points[:, None]).sum() - 5.6

    rate = scipy.optimize.brentq(bonds, 0.004, 0.008, xtol=1e-9)
    assert steady.prices.interest_rate == pytest.approx(rate, abs=1e-7)


@pytest.fixture(scope="module")
def promised():
    return Promised(**hm.load_model("huggett").parameters())


@pytest.fixture(scope="module")
def brief():
    return hm.RSPG(asset_points=60, updates=20, paths=4, knots=10, units=8, width=8, warmup=50, epochs=4)


@pytest.mark.slow
def test_what_is_carried_rests_where_it_leaves_what_it_found(promised):
    """Guards docs/huggett.md: with an income tax that pays the interest the rate is .50 percent a period."""
    steady = hm.steady_state(promised)
    assert steady.aggregates.promised_rate == pytest.approx(steady.prices.interest_rate, abs=1e-15)
    taxed = 100 * steady.prices.interest_rate
    assert taxed == pytest.approx(0.501, abs=0.001)  # independent: the same household with the interest taxed away
    with jax.enable_x64(True):
        slopes = hm.steady_state_derivatives(promised)["bond_supply"]
    assert float(slopes["promised_rate"]) == pytest.approx(float(slopes["interest_rate"]), rel=1e-9)


@pytest.mark.slow
def test_people_respond_to_a_promised_rate_as_the_euler_equation_says(promised):
    """Tomorrow as at rest but for the promise, u'(c) = beta (1 + r) E u'(c'): for given savings near zero, whose return
    does not matter, consumption falls by 1/(sigma (1 + r)) percent per point, for given cash by 1 - mpc times that."""
    model = promised.with_parameters(bond_supply=0.0, borrowing_limit=-2.0, maximum_assets=30.0)
    steady = hm.steady_state(model, asset_points=400)
    response = np.asarray(stationary_of(steady).response)
    assert response.shape == (1, *steady.savings.shape)
    free = np.abs(steady.savings) < 0.01
    with jax.enable_x64(True):
        cash = jnp.asarray(steady.consumption + steady.savings)
        mpc = np.asarray(steady.policy(cash + 1e-3) - steady.policy(cash - 1e-3)) / 2e-3
    expected = -(1.0 - mpc[free]) / (2.0 * (1.0 + steady.prices.interest_rate))
    np.testing.assert_allclose(response[0][free], expected, rtol=0.03)
    assert response[0].max() > response[0][free].max()  # the rich have a windfall to spend


@pytest.mark.slow
@pytest.mark.parametrize("which", ["huggett", "promised"])
def test_markets_clear_in_every_period_of_every_path(which, promised, brief, float64):
    """Guards docs/accuracy.md, 'Huggett', excess demand: bonds and goods clear in training, to 1e-9."""
    model = promised if which == "promised" else hm.load_model("huggett")
    settings = dataclasses.replace(brief, precision="float64")
    play, training = prepare(model, settings, hm.steady_state(model, asset_points=120), seed=0)
    state = jax.tree.map(lambda x: x[0], training.states)._replace(price_noise=None)
    now = play.decide(state)
    assert np.abs(now.excess) < 1e-10
    saved = float(jnp.sum(now.state.aggregate.mass * now.savings))
    assert saved == pytest.approx(model.bond_supply, abs=1e-9)
    spent = float(jnp.sum(now.state.aggregate.mass * (now.cash - now.savings)))
    aggregates, prices = now.public.aggregates, now.public.prices  # price noise has moved bonds off their supply
    rate = prices.promise if which == "promised" else prices.interest_rate
    tax = prices.tax if which == "promised" else 0.0
    held = (1.0 + rate) * aggregates.bonds - tax
    assert spent == pytest.approx(float(aggregates.income + held - model.bond_supply), abs=1e-9)
    following = play.follow(play.act(now, jnp.asarray(2)), jnp.asarray(2))
    if which == "promised":
        assert float(following.aggregate.state_variables.promised_rate) == float(now.public.prices.interest_rate)
    assert float(following.guess.interest_rate) == float(now.public.prices.interest_rate)


@pytest.mark.slow
def test_solving_simulating_and_measuring(brief):
    """Guards docs/huggett.md: no law of motion is measured; bonds and goods clear to 1e-8."""
    solution = hm.solve(hm.load_model("huggett"), brief)
    assert solution.history["euler_error"][-1] < solution.history["euler_error"][0]
    accuracy = hm.evaluate(solution, periods=200, deviations=False).to_dict()
    assert accuracy["variable"] == "interest_rate" and accuracy["law_of_motion"] is None
    assert accuracy["market_clearing_residual_max"] < 1e-8 and accuracy["goods_market_residual_max"] < 1e-8
    assert np.isfinite(accuracy["euler_error_mean_percent"])


@pytest.mark.slow
def test_without_a_price_in_the_bracket_the_period_the_price_and_both_ends_are_named(brief):
    """Guards docs/huggett.md: a period without a root is an error with period, price and both ends."""
    model = hm.load_model("huggett", highest_rate=0.0065)
    steady = hm.steady_state(model, asset_points=120)
    with pytest.raises(
        hm.SolveError, match=r"period \d+: interest_rate does not clear.*lower end -0.2.*upper end 0.0065"
    ):
        hm.solve(model, brief, steady=steady)


@pytest.mark.slow
@pytest.mark.parametrize(("low", "high"), [(-0.2, 0.005), (0.006, 0.03)])
def test_a_stationary_rate_outside_its_bracket_is_refused(low, high):
    """Guards docs/when_it_does_not_converge.md, step 2: a bracket that misses the rate is named."""
    model = hm.load_model("huggett", lowest_rate=min(low, -1e-9), highest_rate=high)
    if low > 0:

        class Narrow(type(model)):
            def clearing_prices(self):
                return {"interest_rate": hm.Bracket(low, high)}

        model = Narrow(**model.parameters())
    with pytest.raises(hm.SteadyStateError, match=r"outside its bracket|could not be cleared"):
        hm.steady_state(model, asset_points=60)


@pytest.mark.slow
def test_dear_debt_does_not_bound_the_rate():
    """What bounds the rate is the return at the top of the grid: a spread on debt lowers it for debtors only."""

    class Spread(type(hm.load_model("huggett"))):
        def resources(self, assets, own, today):
            rate = today.interest_rate + jnp.where(assets < 0.0, 0.05, 0.0)
            return (1.0 + rate) * assets + own.income * today.aggregate_income

        def goods_market(self, today, choices, tomorrow):
            return None  # what borrowers pay beyond the rate goes to nobody in the model

    fields = hm.load_model("huggett", borrowing_limit=-1.0, bond_supply=0.0, maximum_assets=30.0).parameters()
    steady = hm.steady_state(Spread(**fields), asset_points=200)
    assert -0.04 < steady.prices.interest_rate < 0.02 and steady.residual < 1e-6


def test_the_classical_algorithm_needs_closed_forms_and_says_so(refuses):
    refuses(
        lambda: hm.solve(hm.load_model("huggett"), hm.KSAlgorithm()),
        "interest_rate, which clears inside the period", "RSPG()",
    )  # fmt: skip


def at(model, level):
    """An economy on a coarse grid in which everybody holds `level`."""
    economy = hm.discretize(model, 20, jnp.float64)
    mass = jnp.zeros(economy.shape).at[level].set(1.0 / economy.shape[1])
    return economy, State(Aggregate(mass, jnp.asarray(0)), jnp.zeros(0), Named("clearing_prices", interest_rate=0.0))


def test_prices_read_what_is_looked_for_among_their_aggregates(float64):
    class Spread(type(hm.load_model("huggett"))):
        def prices(self, today):
            return {"lending_rate": today.interest_rate + 0.01}

    economy, state = at(Spread(**hm.load_model("huggett").parameters()), 3)
    public = economy.public(state.aggregate, Named("clearing_prices", interest_rate=jnp.asarray(0.02)))
    assert dict(public.prices) == {"interest_rate": 0.02, "lending_rate": pytest.approx(0.03)}
    assert set(public.aggregates) == {"bonds", "income"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clearing_prices": lambda self: {"interest_rate": 0.01}}, r"interest_rate is 0.01: give hm.Bracket"),
        (
            {"clearing_prices": lambda self: {}},
            r"clearing_prices\(\) names nothing but excess_demand\(\) names bonds|no 'interest",
        ),
        (
            {"state_variables": lambda self: {"debt": 1.0}},
            r"state_variables\(\) names debt but next_state\(\) returns nothing",
        ),
        ({"prices": lambda self, today: {"bonds": 1.0}}, "declares 'bonds' in aggregates.*prices"),
    ],
)
def test_mistakes_in_the_declaration_are_named(changes, message):
    wrong = type("Wrong", (type(hm.load_model("huggett")),), changes)
    with pytest.raises(ValueError, match=message):
        hm.check_model(wrong(**hm.load_model("huggett").parameters()))


def test_a_bracket_has_two_ends(refuses):
    refuses(lambda: hm.Bracket(0.1, 0.0), "Bracket(lower=0.1, upper=0.0)", "the lower one first")
