"""Budgets that are not concave are refused, and a search over choices finds what first-order conditions lose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import hank_mfg as hm
from hank_mfg.environment.concavity import explain_rise, steepest_rise
from hank_mfg.evaluate.welfare import consumption_percent
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary import best_savings
from hank_mfg.solve.stationary.diagnosis.sufficiency import require_sufficient

Aiyagari = type(hm.load_model("aiyagari"))
VALUES = {**hm.load_model("aiyagari").parameters(), "borrowing_limit": -1.0, "maximum_assets": 400.0}


class Outside(Aiyagari):
    """Aiyagari's economy in which some income comes from outside, so that no accounting identity is stated."""

    def goods_market(self, today, choices, tomorrow):
        return None


class Cliff(Outside):
    """Whoever holds less than 2 assets gets a benefit of .3."""

    def resources(self, assets, own, today):
        return super().resources(assets, own, today) + 0.3 * (assets < 2.0)


class Risky(Outside):
    """Productivity moves prices, its mean is zero."""

    def aggregate_shocks(self):
        return hm.AR1("productivity", persistence=0.8, stationary_sd=0.002, states=2)

    def prices(self, today):
        found = super().prices(today)
        return {name: value + 0.02 * today.productivity for name, value in found.items()}


class Slump(Risky):
    """Whoever holds less than 2 assets gets a benefit of .3 in slumps, when productivity is below its mean of zero."""

    def resources(self, assets, own, today):
        return super().resources(assets, own, today) + 0.3 * (assets < 2.0) * (today.productivity < 0.0)


class Withdrawn(Outside):
    """A benefit of .3 is withdrawn at 50 percent of assets above 1."""

    def resources(self, assets, own, today):
        benefit = jnp.clip(0.3 - 0.5 * jnp.maximum(assets - 1.0, 0.0), 0.0, 0.3)
        return super().resources(assets, own, today) + benefit


class Debt(Outside):
    """Debt costs `more` than savings earn."""

    more: float = hm.parameter("interest on debt beyond that on savings")

    def resources(self, assets, own, today):
        return super().resources(assets, own, today) + self.more * jnp.minimum(assets, 0.0)


@pytest.fixture(scope="module")
def cliff():
    return hm.steady_state(Cliff(**VALUES), asset_points=60, nonconcave="allow", others=False)


def searched_by_hand(steady) -> float:
    """Lifetime utility gained by the best asset points, value iteration in NumPy: mean over the mass."""
    model, points = steady.economy.model, np.asarray(steady.economy.grid.points)
    own, chain = np.asarray(steady.economy.own.labor), np.asarray(steady.economy.income_transition)[0, 0]
    rate, wage, beta = float(steady.prices.interest_rate), float(steady.prices.wage), float(model.discount_factor)
    cash = (1.0 + rate) * points[:, None] + wage * own + 0.3 * (points[:, None] < 2.0)
    curvature = 1.0 - float(model.risk_aversion)

    def utility(c):
        log = np.log(np.where(c > 0, c, 1.0))
        value = log if abs(curvature) < 1e-9 else np.expm1(curvature * log) / curvature
        return np.where(c > 0, value, -np.inf)

    def lottery(savings):
        low = np.clip(np.searchsorted(points, savings, side="right") - 1, 0, len(points) - 2)
        return low, (savings - points[low]) / (points[low + 1] - points[low])

    def ahead(value, choice):
        low, weight = choice
        expected, income = value @ chain.T, np.arange(len(own))
        return (1 - weight) * expected[low, income] + weight * expected[low + 1, income]

    own_choice, flow = lottery(steady.savings), utility(cash - steady.savings)
    policy = best = np.zeros_like(flow)
    choices = utility(cash[:, :, None] - points)  # (assets, income, choices)
    for _ in range(1200):
        policy = flow + beta * ahead(policy, own_choice)
        there = choices + beta * (best @ chain.T).T[None]
        best = np.maximum(there.max(axis=2), flow + beta * ahead(best, own_choice))
    return float(np.sum(steady.mass * (best - policy)))


@pytest.mark.slow
def test_the_search_is_value_iteration(cliff):
    """Guards `search_gain`: the gain on asset points is that of value iteration by hand."""
    found = hm.search_gain(cliff)
    by_hand = searched_by_hand(cliff)
    assert found.percent > found.percent_on_points > 1.0
    assert consumption_percent(cliff, by_hand) == pytest.approx(found.percent_on_points, rel=1e-6)


@pytest.mark.slow
def test_a_cliff_is_refused_with_the_state_and_the_slope():
    """Guards `steady_state`: where the slope of resources() rises it refuses, with state, slope and loss."""
    where = r"rises from -\d+(\.\d+)? to 1\.0\d+ at assets = 2\.\d+, labor = .*income state \d"
    with pytest.raises(hm.SteadyStateError, match=where + r".*would gain \d+\.?\d* % of consumption.*nonconcave"):
        hm.steady_state(Cliff(**VALUES), asset_points=60, others=False)
    with pytest.raises(ValueError, match="nonconcave = 'yes'"):
        hm.steady_state(Cliff(**VALUES), nonconcave="yes")


@pytest.mark.slow
def test_a_cliff_in_slumps_alone_is_refused(cliff, float64):
    """Productivity at its mean has no benefit and no cliff; that an equilibrium is not one then does not matter."""
    economy = hm.discretize(Slump(**VALUES), 60, jnp.float64, aggregate_risk=False)
    public = cliff.public._replace(shocks=Named("shocks", {"productivity": np.float64(0.0)}))
    where = r"rises from -\d+(\.\d+)? to 1\.0\d+ at assets = 2\.\d+, labor = .*, productivity = -0\.002 \(income"
    with pytest.raises(hm.SteadyStateError, match=where + r".*that aggregate state.*would gain \d+\.?\d* % of cons"):
        require_sufficient(economy, public, cliff.savings, cliff.mass)


@pytest.mark.slow
def test_what_is_allowed_carries_a_mark(cliff, tmp_path):
    """Saved and loaded too."""
    message = "resources() is not concave in assets: d resources / d assets rises from"
    loaded = hm.load(hm.save(cliff, tmp_path / "cliff.npz"))
    for found in (cliff, loaded):
        assert message in found.nonconcave and message in repr(found) and "not sufficient" in repr(found)
    right = loaded._replace(economy=hm.discretize(Outside(**VALUES), 60))
    assert right.nonconcave == "" and repr(right).endswith("residual 2e-10)")


def test_resources_that_are_no_number_are_named():
    class Hole(Outside):
        def resources(self, assets, own, today):
            return super().resources(assets, own, today) + np.where(np.abs(assets - 3.0) < 0.1, np.nan, 0.0)

    prices = Named("prices", {"interest_rate": 0.04, "wage": 1.2})
    own, model = Named("own", {"labor": np.ones(2)}), Hole(**VALUES)
    rise = steepest_rise(model, own, prices, Named("shocks", {}))
    assert rise is not None and 2.8 < rise.assets < 3.2 and "is not finite at assets = " in explain_rise(model, rise)


@pytest.mark.slow
def test_the_search_in_blocks_is_the_search_at_once(cliff, monkeypatch, float64):
    """The claim that memory is saved and nothing else: the same bits."""
    ahead, chosen = jnp.cumsum(jnp.asarray(cliff.mass), axis=0), jnp.asarray(cliff.savings)
    whole = best_savings.best_choice(cliff.economy, cliff.public, ahead, chosen, 4)
    monkeypatch.setattr(best_savings, "TOGETHER", 7 * chosen.size)
    blocks = best_savings.best_choice(cliff.economy, cliff.public, ahead, chosen, 4)
    np.testing.assert_array_equal(blocks.savings, whole.savings)
    np.testing.assert_array_equal(blocks.value, whole.value)


def lost_by_hand(steady, parts: int) -> float:
    """What households lose by first-order conditions, percent of consumption, at the same prices: policy iteration in
    NumPy on every asset point and `parts` - 1 points between neighbors."""
    model, coarse = steady.economy.model, np.asarray(steady.economy.grid.points)
    points = np.interp(np.arange(parts * (len(coarse) - 1) + 1) / parts, np.arange(len(coarse)), coarse)
    own, chain = np.asarray(steady.economy.own.labor), np.asarray(steady.economy.income_transition)[0, 0]
    rate, wage, beta = float(steady.prices.interest_rate), float(steady.prices.wage), float(model.discount_factor)
    cash = (1.0 + rate) * points[:, None] + wage * own + 0.3 * (points[:, None] < 2.0)
    curvature, size, states = 1.0 - float(model.risk_aversion), len(points), np.arange(len(own))

    def utility(c):
        positive = np.where(c > 0, c, 1.0)
        value = np.log(positive) if abs(curvature) < 1e-9 else (positive**curvature - 1.0) / curvature
        return np.where(c > 0, value, -np.inf)

    def moves(savings):
        low = np.clip(np.searchsorted(points, savings, side="right") - 1, 0, size - 2)
        weight = (savings - points[low]) / (points[low + 1] - points[low])
        rows = np.arange(size * len(own)).reshape(size, -1)[..., None]
        pieces = []
        for at, share in ((low, 1.0 - weight), (low + 1, weight)):
            columns = at[..., None] * len(own) + states
            pieces.append((np.broadcast_to(rows, columns.shape), columns, share[..., None] * chain[None]))
        row, column, value = (np.concatenate([piece[k].ravel() for piece in pieces]) for k in range(3))
        return scipy.sparse.csr_matrix((value, (row, column)), shape=(size * len(own),) * 2)

    def value_of(savings):
        system = scipy.sparse.eye(size * len(own)) - beta * moves(savings)
        return scipy.sparse.linalg.spsolve(system.tocsc(), utility(cash - savings).ravel()).reshape(size, -1)

    consumed = [np.interp(cash[:, e], steady.policy.cash[:, e], steady.policy.composite[:, e]) for e in states]
    first_order = np.clip(cash - np.minimum(np.stack(consumed, axis=1), cash - points[0]), points[0], points[-1])
    value = before = value_of(first_order)
    for _ in range(60):
        ahead = beta * value @ chain.T
        best = np.stack([
            points[np.argmax(utility(cash[:, e, None] - points) + ahead[:, e], axis=1)] for e in states
        ], axis=1)  # fmt: skip
        improved = value_of(best)
        if np.max(improved - value) < 1e-9:
            break
        value = np.maximum(value, improved)
    mass = np.zeros(points.shape + own.shape)
    mass[::parts] = steady.mass
    gain, welfare = float(np.sum(mass * (value - before))), float(np.sum(mass * before))
    constant = 1.0 / (1.0 - beta)
    percent = np.expm1(gain / constant) if abs(curvature) < 1e-9 else (
        (1.0 + gain / (welfare + constant / curvature)) ** (1.0 / curvature) - 1.0
    )  # fmt: skip
    return 100.0 * float(percent)


@pytest.mark.slow
def test_what_is_lost_at_a_cliff_is_that_of_value_iteration_on_a_finer_grid():
    """The claim that first-order conditions lose 7.4 percent of consumption there, and that the search finds it."""
    steady = hm.steady_state(Cliff(**VALUES), asset_points=150, nonconcave="allow", others=False)
    percent = lost_by_hand(steady, 5)
    assert percent == pytest.approx(7.4, abs=0.15)
    assert hm.search_gain(steady).percent == pytest.approx(percent, abs=0.15)


@pytest.mark.slow
def test_many_equilibria_and_traced_ones_carry_a_mark():
    """The claim that `steady_states`, `equilibrium` and `household`, which do not refuse, are not silent."""
    model = Cliff(**VALUES)
    at_prices = hm.household(model, {"interest_rate": 0.04, "wage": 1.2}, asset_points=60)
    assert "resources() is not concave" in at_prices.nonconcave and at_prices.nonconcave in repr(at_prices)
    found = hm.steady_states(model, asset_points=60, discount_factor=np.array([0.955, 0.96]))
    assert "in 2 of 2 equilibria, the first at discount_factor=0.955" in found.nonconcave
    right = hm.steady_states(Outside(**VALUES), asset_points=60, discount_factor=np.array([0.96]))
    assert right.nonconcave == ""
    with jax.enable_x64(True):
        assert float(hm.equilibrium(model, asset_points=60).rise) > 0.1
        assert float(hm.equilibrium(Outside(**VALUES), asset_points=60).rise) < 1e-6


@pytest.mark.slow
def test_a_benefit_withdrawn_is_refused_for_the_right_reason():
    """A benefit withdrawn with assets makes the slope rise where it ends, whether or not an equilibrium is found."""
    with pytest.raises(hm.SteadyStateError, match=r"is not concave in assets: .* at assets = 1\.\d+"):
        hm.steady_state(Withdrawn(**VALUES), asset_points=60)


@pytest.mark.slow
@pytest.mark.parametrize("more", [-0.01, 0.01])
def test_another_rate_on_debt_stays_right(more):
    """A higher rate on debt keeps budgets concave; a lower one does not, but costs nobody anything."""
    steady = hm.steady_state(Debt(more=more, **VALUES), asset_points=100, others=False)
    assert 0.0 <= hm.search_gain(steady).percent < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aiyagari", "krusell_smith_stochastic_beta", "huggett", "one_asset_hank"])
def test_shipped_economies_lose_nothing(name):
    """No search finds more than .001 percent of consumption in the stationary equilibria of the shipped economies; with
    three discount factors a coarse grid costs more, .006 percent at 100 points."""
    points = 300 if name == "krusell_smith_stochastic_beta" else 100
    assert 0.0 <= hm.search_gain(hm.steady_state(hm.load_model(name), asset_points=points)).percent < 1e-3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # twenty updates train little
def test_evaluate_finds_what_is_lost_at_a_cliff():
    """The accuracy report of a global solution finds the loss at a cliff, known at stationary prices, within half a
    point, where the clairvoyant best response by first-order conditions does not."""

    class RiskyCliff(Cliff, Risky):
        pass

    steady = hm.steady_state(RiskyCliff(**VALUES), asset_points=100, nonconcave="allow", others=False)
    settings = hm.RSPG(updates=20, paths=4, horizon=20, asset_points=60)
    solution = hm.solve(steady.economy.model, settings, steady=steady)
    accuracy = hm.evaluate(solution, periods=1000)
    lost = hm.search_gain(steady).percent
    report = accuracy.to_dict()
    assert report["search"]["percent"] == pytest.approx(lost, abs=0.5)
    assert report["exploitability"]["consumption_percent"]["clairvoyant"] < 0.5 * lost
