"""Linear responses against the sequence-jacobian package, transition paths, and the definition."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_sequence_space import SERIES, Economy, economy, gap, linear, steady, stored, value

import hank_mfg as hm

PERIODS = np.arange(300)


@pytest.mark.slow
def test_the_stationary_equilibrium_is_that_of_the_package():
    """Guards docs/accuracy.md, 'stationary capital': within 1e-8 of sequence-jacobian, policies 1e-9."""
    found = steady()
    assert float(found.aggregates.capital) == pytest.approx(value("K"), rel=1e-8)
    assert float(found.prices.wage) == pytest.approx(value("w"), rel=1e-8)
    cells = stored("stationary_household")
    np.testing.assert_allclose(found.economy.grid.points, stored("grid")["asset"], atol=1e-11)
    for ours, name in ((found.savings, "savings"), (found.mass, "mass")):
        np.testing.assert_allclose(ours, cells[name].to_numpy().reshape(7, 500).T, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["C", "A"])
@pytest.mark.parametrize("price", ["r", "w"])
def test_household_jacobians_are_those_of_the_package(output, price):
    """Guards docs/yardsticks.md, 'How right', household Jacobians. The package dates capital by the end of the
    period; its own derivatives are differences, good to some 1e-8."""
    ours = linear().household["consumption" if output == "C" else "capital", SERIES[price]]
    for column in (0, 1, 10, 100):
        theirs = stored("household_jacobian")[f"{output}_{price}_{column}"].to_numpy()
        pair = (ours[:, column], theirs) if output == "C" else (ours[1:, column], theirs[:-1])
        assert gap(*pair) < 1e-7
    assert output == "C" or np.all(ours[0] == 0.0)  # assets brought into period 0 are given


@pytest.mark.parametrize(("prefix", "path"), [("", 0.01 * 0.8**PERIODS), ("news_", 0.01 * (PERIODS == 10))])
def test_linear_responses_are_those_of_the_package(prefix, path):
    response, theirs = linear().response(productivity=path), stored("responses")
    assert gap(response["capital"][1:], theirs[f"{prefix}K"].to_numpy()[:-1]) < 1e-8
    for name, ours in SERIES.items():
        assert gap(response[ours], theirs[prefix + name].to_numpy()) < 1e-8, name
    np.testing.assert_array_equal(response["productivity"], path)


def test_the_parts_of_a_response_add_up_and_know_their_prices():
    response = linear().response(productivity=0.01 * 0.8**PERIODS)
    parts = linear().decompose(response)
    assert set(parts) == {"interest_rate", "wage"}  # productivity moves nobody's cash but through prices
    np.testing.assert_allclose(sum(parts.values()), response["consumption"], atol=1e-15)
    capital = linear().decompose(response, "capital")
    np.testing.assert_allclose(sum(capital.values()), response["capital"], atol=1e-12)
    with pytest.raises(ValueError, match="household Jacobian of 'wage'.*consumption"):
        linear().decompose(response, "wage")


@pytest.fixture(scope="module")
def original():
    """Krusell and Smith (1998), several prices, a chain of income that depends on the aggregate state."""
    found = hm.steady_state(hm.load_model("krusell_smith"), asset_points=100)
    return found, hm.linearize(found, horizon=200)


@pytest.mark.slow
def test_responses_are_derivatives_of_transition_paths(original):
    """Guards docs/yardsticks.md, 'How right': responses are the derivative of transition paths."""
    found, solution = original
    path = 1e-4 * 0.7 ** np.arange(200)
    up, down = (
        hm.transition(found, horizon=200, linear=solution, productivity=sign * path).series for sign in (1.0, -1.0)
    )
    response = solution.response(productivity=path)
    for name in ("capital", "consumption", "interest_rate", "wage", "tax", "output", "labor", "unemployment"):
        assert gap(0.5 * (up[name] - down[name]), response[name]) < 1e-5, name  # kinks between grid points


@pytest.mark.slow
def test_employment_follows_the_joint_chain(original):
    """A shock that dies out as the chain expects: people move by P(z', e' | z, e), from an impact on everybody."""
    model, impact = original[0].economy.model, 1e-3
    joint = np.asarray(model.joint_transition)
    aggregate, own = hm.split_joint_chain(joint, own_states=2)
    long_run = np.linalg.matrix_power(joint, 4000)[0].reshape(2, 2)
    persistence = aggregate[1, 1] - aggregate[0, 1]
    belief = np.array([-impact, impact]) / 0.02  # productivity is .99 or 1.01
    mass = np.einsum("ze,zx,zxef->xf", long_run, aggregate + belief, own)
    expected = []
    for _ in range(50):
        expected.append(mass[:, 0].sum() - long_run[:, 0].sum())
        mass = (mass.reshape(-1) @ joint).reshape(2, 2)
    response = original[1].response(productivity=impact * persistence ** np.arange(200))
    np.testing.assert_allclose(response["unemployment"][:50], expected, atol=1e-9)
    assert expected[0] == pytest.approx(-0.06 / 0.02 * impact, rel=1e-3)  # .10 against .04 unemployed


class Revalued(Economy):
    """Capital that is worth more in good times: the same assets add up to more."""

    def aggregates(self, assets, own, today):
        return {"capital": assets * today.productivity}


@pytest.mark.slow
def test_a_shock_to_what_the_same_assets_add_up_to_is_felt_at_once():
    """Guards docs/yardsticks.md, 'Timing': capital responds on impact where a shock revalues assets."""
    found = hm.steady_state(Revalued(**economy().parameters()), asset_points=60)
    solution = hm.linearize(found, horizon=150)
    path = 1e-4 * 0.8 ** np.arange(150)
    up, down = (
        hm.transition(found, horizon=150, linear=solution, productivity=sign * path).series for sign in (1.0, -1.0)
    )
    response = solution.response(productivity=path)
    for name in ("capital", "consumption", "interest_rate", "wage"):
        assert gap(0.5 * (up[name] - down[name]), response[name]) < 1e-5, name
    assert response["capital"][0] == pytest.approx(path[0] * float(found.aggregates.capital) / value("Z"), rel=1e-9)


def test_the_parts_of_a_response_add_up_to_it(original):
    for solution, beyond in ((original[1], True), (linear(), False)):
        path = 1e-3 * 0.75 ** np.arange(solution.horizon)
        response = solution.response(productivity=path)
        for output in ("consumption", "capital"):
            parts = solution.decompose(response, output)
            assert gap(np.sum(list(parts.values()), axis=0), response[output]) < 1e-9
            assert ("productivity, beyond prices" in parts) == beyond


@pytest.mark.slow
def test_what_does_not_fit_is_named(original):
    """Guards `linearize`, `response` and `second_moments`: ValueError with the value that does not fit."""
    found, solution = original
    with pytest.raises(ValueError, match="horizon = 1"):
        hm.linearize(found, horizon=1)
    with pytest.raises(ValueError, match="no shock 'money': its shocks are productivity"):
        solution.response(money=0.1)
    with pytest.raises(ValueError, match=r"shape \(201,\).*at most 200"):
        solution.response(productivity=np.zeros(201))
    with pytest.raises(ValueError, match="path of productivity holds nan"):
        solution.response(productivity=[0.1, np.nan])
    with pytest.raises(ValueError, match="lags = 200"):
        hm.second_moments(solution, lags=200)
    calm = hm.linearize(hm.steady_state(hm.load_model("aiyagari"), asset_points=50), horizon=20)
    for ask in (calm.response, lambda: hm.second_moments(calm)):
        with pytest.raises(ValueError, match="Aiyagari declares no aggregate shock"):
            ask()


@pytest.mark.slow
def test_a_horizon_that_cuts_responses_off_is_not_taken_for_a_wrong_equation():
    """The accounts of one_asset_hank close; at 20 periods they do not by truncation, and do with the horizon named."""
    steady = hm.steady_state(hm.load_model("one_asset_hank"), asset_points=40)
    with pytest.raises(ValueError, match="because horizon = 20 cuts responses off: with horizon=80 goods") as caught:
        hm.linearize(steady, horizon=20)
    assert "equation is wrong" not in str(caught.value)
    hm.linearize(steady, horizon=80)
