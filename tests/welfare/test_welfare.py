"""Welfare, reforms and the planner: against identities, simulated households, and limit cases with known answers."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from economies import Hours, RiskyUnequal, Taxes, Unequal

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Aggregate
from hank_mfg.environment.externality import external_effects, externality
from hank_mfg.environment.quantities import form_steady_state, names_of
from hank_mfg.welfare.equivalents import _factors

POINTS = 60


@pytest.fixture(scope="module")
def abolished():
    """The tax on capital is abolished, and that on labor pays for it."""
    return hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=POINTS)


def test_the_parts_of_a_gain_add_up(abolished):
    """Level, uncertainty, inequality and hours: their product is the gain, which is found without them."""
    for gains in (abolished.gains, abolished.gains_at_rest):
        assert gains.parts.total == pytest.approx(gains.percent, abs=1e-10)
    before, after = (hm.steady_state(Hours(tax=tax), asset_points=40) for tax in (0.3, 0.2))
    gains = hm.welfare(before, after)
    assert gains.parts.total == pytest.approx(gains.percent, abs=1e-10) and gains.parts.hours < -1.0


def test_nothing_changes_nobody_gains(abolished):
    before = abolished.before
    for after in (before, hm.transition(before, initial=before, horizon=50)):
        gains = hm.welfare(before, after)
        assert abs(gains.percent) < 1e-9 and np.abs(gains.by_state).max() < 1e-8
    assert hm.welfare(before, before).in_favor == 0.0


def test_a_gain_is_what_makes_each_household_as_well_off():
    """With GHH preferences, where no formula says how much: with so many times the goods lifetime utility is that
    after the change, state by state."""
    before, after = (hm.steady_state(Hours(kind="ghh", tax=tax), asset_points=40) for tax in (0.3, 0.2))
    gains = hm.welfare(before, after)
    economy = before.economy
    for place in ((0, 0), (10, 1), (30, 0)):
        factor = 1.0 + gains.by_state[place] / 100.0
        with jax.enable_x64(True):
            public = jax.tree.map(jnp.asarray, before.public)
            budget = economy.budget(public)
            net = budget.unspent(economy.resources(public), jnp.asarray(before.savings))
            flow, value = np.asarray(budget.scaled_flow(net, factor)), np.zeros(before.mass.shape)
            chain, points = np.asarray(economy.income_transition[0, 0]), np.asarray(economy.grid.points)
        beta = float(economy.model.discount_factor)
        for _ in range(600):
            ahead = value @ chain.T
            value = flow + beta * np.stack([np.interp(before.savings[:, e], points, ahead[:, e]) for e in range(2)], 1)
        assert value[place] == pytest.approx(gains.value_after[place], rel=1e-8)


def test_groups_add_up_to_all(abolished):
    gains = abolished.gains
    mean, favor = np.sum(gains.mass * gains.by_state), 100 * np.sum(gains.mass * (gains.by_state > 0))
    for table in (gains.by(), gains.by("wealth", (0.5, 0.9)), gains.by("skill")):
        groups, everybody = table.iloc[:-1], table.loc["all households"]
        weight = groups["population (percent)"] / 100
        assert weight.sum() == pytest.approx(1.0) and everybody["gain (percent)"] == pytest.approx(mean)
        assert weight @ groups["gain (percent)"] == pytest.approx(mean)
        assert weight @ groups["in favor (percent)"] == pytest.approx(favor, rel=1e-9)
    assert gains.in_favor == pytest.approx(favor)
    line = gains.along_wealth(10)
    np.testing.assert_allclose(line["mean"], gains.by("wealth")["gain (percent)"].iloc[:-1], rtol=1e-9)
    assert (line["p10"] <= line["p50"]).all() and (line["p50"] <= line["p90"]).all()


def test_the_budget_holds_in_every_period_of_a_reform(abolished):
    before, path = abolished.before, abolished.path
    tax = path.parameters["labor_tax"]
    np.testing.assert_allclose(path.series["government_budget"], before.outcomes["government_budget"], atol=1e-9)
    rate, capital = path.series["interest_rate"], path.series["capital"]
    revenue = tax * path.series["wage"] * path.series["labor"] + 0.0 * rate * capital
    np.testing.assert_allclose(revenue - 0.3, before.outcomes["government_budget"], atol=1e-9)
    assert tax[-1] == pytest.approx(float(abolished.after.economy.model.labor_tax), abs=1e-6)
    assert abs(path.goods_market).max() < 1e-8
    table = abolished.table()
    assert table.loc["capital_tax", "after"] == 0.0 and abolished.finance == "labor_tax"


def test_a_reform_is_the_path_with_the_tax_that_it_found(abolished):
    """The same path, in the model itself, with the tax that balances the budget given period by period."""
    after, path = abolished.after, abolished.path
    again = hm.transition(after, initial=abolished.before, labor_tax=path.parameters["labor_tax"])
    np.testing.assert_allclose(again.series["capital"], path.series["capital"], rtol=1e-8)
    assert hm.welfare(abolished.before, again).percent == pytest.approx(abolished.gains.percent, abs=1e-7)


def test_an_announced_reform_begins_later(abolished):
    later = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", announced=4, before=abolished.before)
    np.testing.assert_array_equal(later.path.parameters["capital_tax"][:6], [0.2] * 4 + [0.0] * 2)
    assert later.path.series["capital"][1] > later.path.series["capital"][0]  # households save ahead of it
    assert later.after.aggregates.capital == pytest.approx(abolished.after.aggregates.capital, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: hm.reform(Taxes(), {"capital_tx": 0.0}), "capital_tx"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance="capital_tax"), "both changed and solved for"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tx"), "no such parameter"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance="risk_aversion"), "moves preferences"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", budget="deficit", before=r.before),
         "say budget="),
        (lambda r: hm.welfare(r.before, r.before.prices), "Named"),
        (lambda r: hm.welfare(r.before, r.after, paths=3), "global solutions"),
        (lambda r: hm.welfare(r.after, r.path), "another distribution"),
        (lambda r: hm.welfare(r.before, hm.steady_state(Taxes(discount_factor=0.95), asset_points=POINTS)), "patience"),
        (lambda r: hm.welfare(r.before, hm.steady_state(Taxes(risk_aversion=3.0), asset_points=POINTS)), "preferences"),
        (lambda r: r.gains.by("welth"), "did you mean"),
        (lambda r: hm.reform(Taxes(), {"discount_factor": 0.95}), "moves discounting"),
        (lambda r: hm.reform("life_cycle", {"mortality": 0.03}), "moves ages"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": []}), "shape"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": "abc"}), "capital_tax"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance={"labor_tax": 0.3}), "two ends"),
        (lambda r: hm.reform(Taxes(spending=0.2), {"capital_tax": 0.0}, before=r.before), "before is"),
        (lambda r: hm.planner(Unequal(), market=r.before), "market is"),
        (lambda r: hm.welfare(r.before, hm.transition(r.before, initial=r.before, horizon=120,
                                                      discount_factor=[0.95])), "follows a path|patience moves"),
        (lambda r: hm.planner(Hours()), "hours are chosen"),
        (lambda r: hm.planner("life_cycle"), "lives end"),
        (lambda r: hm.planner("huggett"), "clear inside the period"),
        (lambda r: hm.planner(Unequal(spread=0.3, top=100.0), asset_points=60), "top of the (asset )?grid"),
        (lambda r: hm.reform(Taxes(), {"capital_tax": 0.0}, finance={"labor_tax": (0.3, 0.4)}, before=r.before),
         "give other ends, finance="),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*top of the asset grid:UserWarning")
def test_what_makes_no_sense_is_refused(abolished, call, words):
    with pytest.raises((ValueError, TypeError, hm.HankError), match=words):
        call(abolished)


def lived(path, steady, first, seed, *, count, beta, utility, cash):
    """Lifetime utility of simulated households that save as the policies of a path say, then as at rest for ever after:
    assets are any number, and policies are read between grid points; no lottery."""
    rng = np.random.default_rng(seed)
    assets, own = first
    points, chain = np.asarray(steady.economy.grid.points), np.asarray(steady.economy.income_transition[0, 0])
    total, weight, cumulated = np.zeros(count), 1.0, chain.cumsum(axis=1)
    for t in range(600):
        at = min(t, len(path["savings"]) - 1)
        savings = np.empty(count)
        for e in range(chain.shape[0]):
            here = own == e
            savings[here] = np.interp(assets[here], points, path["savings"][at][:, e])
        total += weight * utility(cash(path, at, assets, own) - savings)
        weight *= beta
        assets, own = savings, (rng.random(count)[:, None] > cumulated[own]).sum(axis=1).clip(max=chain.shape[0] - 1)
    return total


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:government_budget is:UserWarning")
@pytest.mark.parametrize("model", [Taxes(), Taxes(risk_aversion=5.0), Taxes(risk_aversion=1.0, capital_tax=0.4)])
def test_gains_are_those_of_simulated_households(model):
    """Guards docs/welfare.md, 'How accurate': 100,000 households drawn from the distribution before the reform, under
    the policies before and along the path, on the same income; within two standard errors."""
    found = hm.reform(model, {"capital_tax": 0.1}, finance="labor_tax", asset_points=400)
    before, path, count = found.before, found.path, 100_000
    curvature, beta = float(model.risk_aversion), float(model.discount_factor)
    skill, points = np.asarray(before.economy.own["skill"]), np.asarray(before.economy.grid.points)
    rng = np.random.default_rng(1)
    share = np.maximum(before.mass.ravel(), 0.0)  # empty states may be negative by rounding
    place = rng.choice(before.mass.size, size=count, p=share / share.sum())
    first = (points[place // before.mass.shape[1]], place % before.mass.shape[1])

    def utility(c):
        return np.log(c) if curvature == 1.0 else (c ** (1 - curvature) - 1) / (1 - curvature)

    def cash(prices, t, assets, own):
        return (1 + prices["net_rate"][t]) * assets + prices["net_wage"][t] * skill[own]

    still = {"savings": [before.savings], "net_rate": [before.prices.net_rate], "net_wage": [before.prices.net_wage]}
    end = found.after
    moved = {
        "savings": [*path.savings, end.savings],
        "net_rate": [*path.series["net_rate"], end.prices.net_rate],
        "net_wage": [*path.series["net_wage"], end.prices.net_wage],
    }
    options = {"count": count, "beta": beta, "utility": utility, "cash": cash}
    old, new = (lived(each, before, first, 2, **options) for each in (still, moved))
    gain, error = (new - old).mean(), (new - old).std() / np.sqrt(count)
    slope = (1 - curvature) * old.mean() + 1 / (1 - beta)
    ours = found.gains
    value = float(np.sum(before.mass * (ours.value_after - ours.value_before)))
    assert abs(value - gain) < 2 * error
    power = 1 - curvature
    percent = 100 * (np.expm1(gain / slope) if power == 0 else (1 + power * gain / slope) ** (1 / power) - 1)
    assert ours.percent == pytest.approx(percent, abs=200 * error / slope)
    assert ours.in_favor == pytest.approx(100 * np.mean(_gains_of(ours, place) > 0), abs=1.0)


def _gains_of(gains, place):
    return gains.by_state.ravel()[place]


@pytest.fixture(scope="module")
def planned():
    return hm.planner(Unequal(), asset_points=200)


def test_the_planner_is_that_of_the_paper(planned):
    """Davila, Hong, Krusell and Rios-Rull (2012), as solved by Han, Yang and E, whose 50 agents carry sampling error:
    the market's capital 30.635 (30.531 by an exact histogram), the planner's 119.741, rates 4.097 and -2.944 percent,
    Gini coefficients of wealth .864 and .862, of consumption .615 and .386."""
    table = planned.table()
    market, best = table["market"], table["planner"]
    assert market["capital"] == pytest.approx(30.531, rel=1e-3) and best["capital"] == pytest.approx(119.741, rel=0.01)
    assert best["interest_rate"] == pytest.approx(-0.02944, abs=5e-4)
    found = table.loc[["Gini coefficient of wealth", "Gini coefficient of consumption"]].to_numpy()
    np.testing.assert_allclose(found, [[0.864, 0.862], [0.615, 0.386]], atol=4e-3)
    assert planned.residual_mean < 0.01 and planned.optimum.residual < 1e-9
    assert hm.welfare(planned.market, planned.optimum).percent > 0


def welfare_of(steady, model, tilt, periods=300):
    """Mean lifetime utility where savings of the first period are tilted and those of later ones are as they were,
    whatever prices do; plain NumPy, with the two sides of the lottery written out."""
    points, chain = np.asarray(steady.economy.grid.points), np.asarray(steady.economy.income_transition[0, 0])
    skill, mass, total = np.asarray(steady.economy.own["skill"]), steady.mass.copy(), 0.0
    alpha, labor = float(model.capital_share), float(np.sum(mass * skill))
    for t in range(periods):
        capital = float(np.sum(mass * points[:, None]))
        output = capital**alpha * labor ** (1 - alpha)
        rate, wage = alpha * output / capital - float(model.depreciation), (1 - alpha) * output / labor
        savings = steady.savings + (tilt if t == 0 else 0.0)
        consumption = (1 + rate) * points[:, None] + wage * skill - savings
        total += float(model.discount_factor) ** t * np.sum(mass * (1 - 1 / consumption))
        below = np.clip(np.searchsorted(points, savings, side="right") - 1, 0, len(points) - 2)
        weight = (savings - points[below]) / (points[below + 1] - points[below])
        saved = np.zeros_like(mass)
        for e in range(mass.shape[1]):
            np.add.at(saved[:, e], below[:, e], mass[:, e] * (1 - weight[:, e]))
            np.add.at(saved[:, e], below[:, e] + 1, mass[:, e] * weight[:, e])
        mass = saved @ chain
    return total


def test_nobody_else_s_saving_would_raise_the_planner_s_welfare(planned):
    """First-order conditions are not asked: savings are tilted in one period, and welfare computed along the path that
    follows. At the market's equilibrium more saving by the rich raises it; at the planner's optimum hardly anything."""
    model, slopes = Unequal(), {}
    for name, steady in (("market", planned.market), ("planner", planned.optimum)):
        held = np.asarray(steady.economy.grid.points)[:, None]
        free = (steady.savings > 1e-6) & (steady.savings < 0.9 * held.max())
        tilts = [free * held / held.max(), free * 1.0, free * (np.arange(3) == 0)]
        size = 1e-4 * float(np.sum(steady.mass * steady.savings))
        both = [[welfare_of(steady, model, sign * size * each) for sign in (1, -1)] for each in tilts]
        rise = [(more - less) / (2 * size) for more, less in both]
        unit = float(np.sum(steady.mass * steady.consumption**-2.0))
        slopes[name] = np.array(rise) / [np.sum(steady.mass * each) for each in tilts] / unit
    assert (slopes["market"] > 0.02).all()
    assert (np.abs(slopes["planner"]) < 0.03 * slopes["market"]).all()


def test_households_that_are_alike_leave_nothing_out(planned):
    """Where all hold the same and earn the same, D is zero: a higher wage costs in returns what it brings."""
    with jax.enable_x64(True):
        economy = discretize(Unequal(spread=0.0), 40, jnp.float64, aggregate_risk=False)
        names, share, shocks = names_of(economy), economy.long_run()[0], economy.shocks(0)
        mass = jnp.zeros(economy.shape).at[20].set(share)
        held = economy.grid.points[20:21]
        public = form_steady_state(economy, names, held, shocks, share)
        found = external_effects(economy, public, mass, jnp.full(economy.shape, held[0]))
    assert abs(float(found["capital"])) < 1e-12
    assert abs(planned.externality["capital"]) > 1e-4


def test_the_effect_of_one_household_on_all_others_is_what_prices_do(planned):
    """Against differences: a little mass moved up by one point changes prices, and these all others' utility; in plain
    NumPy, in a state of an economy with aggregate risk that is not its optimum."""
    model, mass = RiskyUnequal(), planned.market.mass
    with jax.enable_x64(True):
        economy = discretize(model, 200, jnp.float64, planned=True)
        public = economy.public(Aggregate(jnp.asarray(mass), jnp.int32(1)))
        found = np.asarray(externality(economy, public, jnp.asarray(mass), jnp.asarray(planned.market.savings)))
        points, skill = np.asarray(economy.grid.points), np.asarray(economy.own["skill"])
    alpha, labor, level = float(model.capital_share), float(np.sum(mass * skill)), 1.0 + float(model.risk)

    def utility(capital):
        output = level * capital**alpha * labor ** (1 - alpha)
        rate, wage = alpha * output / capital - float(model.depreciation), (1 - alpha) * output / labor
        return np.sum(mass * (1 - 1 / ((1 + rate) * points[:, None] + wage * skill - planned.market.savings)))

    capital, step = float(np.sum(mass * points[:, None])), 1e-3
    slope = (utility(capital + step) - utility(capital - step)) / (2 * step)
    np.testing.assert_allclose(found, slope, rtol=1e-7)


def test_a_planner_s_optimum_is_not_taken_for_a_market_s(planned):
    """What asks for households' own conditions refuses it, and says what to give."""
    model, optimum = Unequal(), planned.optimum
    for call in (lambda: hm.linearize(optimum), lambda: hm.transition(optimum, horizon=50, depreciation=[0.081]),
                 lambda: hm.as_game(model, steady=optimum)):  # fmt: skip
        with pytest.raises(ValueError, match=r"planner's optimum: give the market's equilibrium"):
            call()


@pytest.mark.slow
def test_the_planner_with_aggregate_risk(tmp_path):
    """Guards docs/welfare.md, 'The planner with aggregate risk': small residuals, capital near the stationary optimum,
    and no gain from tilted savings, of which the market's solution has some; kept and read, it is still a planner's."""
    from welfare import gains_of_tilts

    market = hm.solve(RiskyUnequal(), hm.RSPG(), verbose=False)
    planner = hm.planner(RiskyUnequal(), hm.RSPG(), verbose=False)
    errors = hm.euler_errors(planner, periods=1000)
    assert errors.mean < 1e-4 and errors.dynamic_maximum < 5e-3
    assert hm.simulate(planner, periods=3000).series["capital"].mean() == pytest.approx(119.2, rel=0.01)
    hm.save(planner, tmp_path / "planner.npz")
    again = hm.load(tmp_path / "planner.npz")
    assert again.steady.economy.planned and again.play(10).economy.planned
    with pytest.raises(ValueError, match="planner's optimum"):
        hm.exploitability(again)
    (rich, _), (alike, _), (poor, _) = gains_of_tilts(market, 64)
    assert min(rich, alike, poor) > 0.04
    for gain, error in gains_of_tilts(again, 64):
        assert abs(gain) < 0.002 + 3 * error


@pytest.mark.slow
def test_the_planner_s_optimum_does_not_hang_on_the_grid(planned):
    """Guards docs/welfare.md, 'The planner': four times the points move capital by less than a thousandth."""
    finer = hm.planner(Unequal(), asset_points=800)
    assert finer.optimum.aggregates.capital == pytest.approx(planned.optimum.aggregates.capital, rel=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Training stopped:UserWarning", "ignore:Updates ran out")
def test_gains_with_aggregate_risk():
    """Guards docs/welfare.md, 'With aggregate risk': nobody gains from the same policy; a larger benefit insures, its
    parts add up, and the standard error says how far eight states of the ergodic set lie apart."""
    settings = hm.RSPG(asset_points=80, updates=40)
    one = hm.solve("krusell_smith", settings, verbose=False)
    other = hm.solve(hm.load_model("krusell_smith", unemployment_benefit=0.3), settings, verbose=False)
    same = hm.welfare(one, one, starts=2, paths=2, horizon=50)
    assert same.percent == 0.0 and np.abs(same.by_state).max() == 0.0
    gains = hm.welfare(one, other, starts=6, paths=4)
    assert gains.parts.total == pytest.approx(gains.percent, abs=1e-9)
    assert gains.parts.uncertainty > 0.01 and 0 < gains.standard_error < 0.3 * gains.percent
    assert gains.by(groups=5)["population (percent)"].iloc[:-1].sum() == pytest.approx(100.0)
    with pytest.raises(ValueError, match="different units"):
        hm.welfare(one, hm.solve(hm.load_model("krusell_smith", risk_aversion=2.0), settings, verbose=False))


@pytest.mark.parametrize("count", [9, 65])
@pytest.mark.parametrize("true", [(3.0, 0.97), (4.0, 1.02), (1.3, 0.985), (0.9, 1.0)])
def test_factors_are_found_next_to_where_nothing_is_feasible(true, count):
    """u(f c - v) = 1 - 1/(f - v) for efforts .2 and .95 of one good: below f = .95 the second household has nothing."""
    effort = np.array([[0.2, 0.95]])

    def at(factors):
        left = np.asarray(factors)[:, None, None] - effort
        some = np.where(left > 0, left, 1.0)
        return np.stack([np.where(left > 0, 1 - 1 / some, -np.inf), np.where(left > 0, some**-2.0, np.nan)], axis=1)

    total = at(np.array(true))[[0, 1], 0, 0, [0, 1]][None]
    np.testing.assert_allclose(_factors(at, total, count), [true], rtol=1e-7)
