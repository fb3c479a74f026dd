"""Chains from declared shocks: moments, products, and the average over aggregate risk."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import hank_mfg as hm
from hank_mfg.environment.markov import average_out, combine, discretize_ar1, stationary_distribution, to_chain
from hank_mfg.environment.states import describe_states


def moments(chain, name):
    """Mean, standard deviation and autocorrelation of a quantity under the stationary distribution."""
    transition, values = np.asarray(chain.transition), np.asarray(chain.values[name])
    share = np.asarray(stationary_distribution(transition))
    mean = share @ values
    deviation = values - mean
    variance = share @ deviation**2
    return mean, np.sqrt(variance), share @ (deviation * (transition @ deviation)) / variance


@pytest.mark.parametrize("persistence", [-0.5, 0.0, 0.6, 0.99])
@pytest.mark.parametrize("states", [2, 7])
def test_rouwenhorst_has_the_moments_of_the_ar1_exactly(float64, persistence, states):
    chain = discretize_ar1(hm.AR1("x", persistence, stationary_sd=0.2, mean=1.5, states=states))
    np.testing.assert_allclose(moments(chain, "x"), (1.5, 0.2, persistence), atol=1e-10)


def test_either_standard_deviation_declares_the_same_chain():
    one = discretize_ar1(hm.AR1("x", 0.8, innovation_sd=0.2))
    other = discretize_ar1(hm.AR1("x", 0.8, stationary_sd=0.2 / np.sqrt(1 - 0.8**2)))
    np.testing.assert_allclose(one.values.x, other.values.x, atol=1e-14)
    np.testing.assert_allclose(one.transition, other.transition, atol=1e-14)


def test_tauchen_is_close_and_gets_closer_with_more_states(float64):
    errors = []
    for states in (7, 31):
        chain = discretize_ar1(hm.AR1("x", 0.6, stationary_sd=0.2, states=states, method="tauchen", tolerance=0.1))
        errors.append(abs(moments(chain, "x")[1] - 0.2))
        assert chain.values.x[-1] == pytest.approx(3 * 0.2)
    assert errors[1] < errors[0] < 0.02


@pytest.mark.parametrize("persistence", [0.999, 0.9999])
def test_the_two_tails_of_tauchen_are_mirror_images(persistence):
    """Where a move is rarer than 1e-16 its complement holds no digit: both tails come from the nearer end, and shares
    are found without subtractions."""
    shock = hm.AR1("x", persistence, stationary_sd=0.2695, states=7, method="tauchen", tolerance=None)
    chain = discretize_ar1(shock)
    transition, share = np.asarray(chain.transition), stationary_distribution(chain.transition)
    np.testing.assert_allclose(transition, transition[::-1, ::-1], rtol=1e-9)
    np.testing.assert_allclose(share, share[::-1], rtol=1e-9)
    flows = share[:, None] * transition
    np.testing.assert_allclose(np.diag(flows, 1), np.diag(flows, -1), rtol=1e-9)  # what goes up comes down
    assert hm.chain_moments(shock)["x"].sd == pytest.approx(np.sqrt(share @ chain.values.x**2), rel=1e-12)
    assert share.min() > 0.01


@pytest.mark.parametrize(("persistence", "states"), [(0.9999, 9), (0.9999999, 15), (0.6, 60), (0.98, 301)])
def test_shares_of_rouwenhorst_are_binomial_to_rounding_of_their_own(persistence, states):
    """Kopecky and Suen (2010), proposition 3; so the mean of a long tail is right: exp of sd 5 on 301 states."""
    chain = discretize_ar1(hm.AR1("x", persistence, stationary_sd=5.0, states=states, exponential=True, unit_mean=True))
    binomial = scipy.stats.binom.pmf(np.arange(states), states - 1, 0.5)
    np.testing.assert_allclose(stationary_distribution(chain.transition), binomial, rtol=1e-8)
    assert binomial @ np.asarray(chain.values.x) == pytest.approx(1.0, rel=1e-8)


def test_shares_are_zero_outside_what_is_never_left():
    slow = np.array([[0.5, 0.25, 0.25], [0.0, 1 - 1e-9, 1e-9], [0.0, 3e-9, 1 - 3e-9]])
    np.testing.assert_allclose(stationary_distribution(slow), [0.0, 0.75, 0.25], rtol=1e-12)


@pytest.mark.parametrize(
    ("persistence", "states", "sd", "says"),
    [(0.98, 7, 0.2, "0.2588 instead of 0.2 .*0.99624 instead of 0.98"), (0.99, 5, 0.4, "0.5448 instead of 0.4")],
)
def test_a_chain_that_is_not_what_was_asked_for_says_so(persistence, states, sd, says):
    shock = hm.AR1("x", persistence, stationary_sd=sd, states=states, method="tauchen", exponential=True)
    with pytest.warns(UserWarning, match=f"{says}.* of the log: use method='rouwenhorst'"):
        discretize_ar1(shock)
    discretize_ar1(dataclasses.replace(shock, tolerance=None))
    found = hm.chain_moments(dataclasses.replace(shock, method="rouwenhorst"))["x"]
    assert (found.log_sd, found.log_autocorrelation) == pytest.approx((sd, persistence), rel=1e-9)
    assert (found.asked_sd, found.asked_autocorrelation, found.exponential) == (sd, persistence, True)
    assert found.autocorrelation != pytest.approx(persistence, rel=1e-6)  # that of the level is another number


def test_moments_of_a_chain_by_hand_and_of_several():
    by_hand = hm.chain_moments(hm.MarkovChain([[0.9, 0.1], [0.1, 0.9]], z=[-1.0, 1.0]))["z"]
    assert (by_hand.mean, by_hand.sd, by_hand.autocorrelation) == pytest.approx((0.0, 1.0, 0.8))
    assert (by_hand.log_sd, by_hand.asked_sd) == (None, None)
    both = hm.chain_moments(hm.independent_chains(hm.permanent_types([0.5, 0.5], b=[1, 2]), hm.AR1("x", 0.5, 0.1)))
    assert both["b"].autocorrelation == pytest.approx(1.0) and both["b"].asked_sd is None
    assert both["x"].asked_sd == pytest.approx(0.1 / np.sqrt(0.75)) and both["x"].sd == pytest.approx(
        both["x"].asked_sd
    )
    with pytest.raises(TypeError, match="ConditionalChain"):
        hm.chain_moments(hm.ConditionalChain(np.full((1, 1, 2, 2), 0.5), x=[0.0, 1.0]))


@pytest.mark.parametrize(
    ("declared", "pieces"),
    [
        ({"persistence": 0.9999999, "states": 9, "method": "tauchen"}, ("never leaves its states", "rouwenhorst")),
        ({"stationary_sd": 300.0, "exponential": True}, ("exp(734.8)", "log points")),
        ({"unit_mean": True}, ("mean=0.0", "zero")),
        ({"mean": float("nan")}, ("mean=nan", "finite")),
        ({"width": -3.0, "method": "tauchen"}, ("width=-3.0", "positive")),
        ({"persistence": [0.9, 0.8]}, ("persistence=[0.9, 0.8]", "one number")),
        ({"persistence": "high"}, ("persistence='high'", "a number")),
        ({"tolerance": -1.0}, ("tolerance=-1.0", "None")),
    ],
)
def test_chains_that_cannot_be_are_refused(refuses, declared, pieces):
    refuses(lambda: discretize_ar1(hm.AR1("x", **{"persistence": 0.9, "stationary_sd": 0.1, **declared})), *pieces)


@pytest.mark.parametrize("method", ["rouwenhorst", "tauchen"])
@pytest.mark.parametrize(("persistence", "states"), [(-0.5, 2), (0.0, 3), (0.6, 7), (0.98, 15), (0.99, 5)])
@pytest.mark.filterwarnings("ignore")  # of moments that are off; quantecon's rouwenhorst, of the order of arguments
def test_chains_are_those_of_quantecon(method, persistence, states):
    import quantecon.markov as qe  # slow to import: only the process that runs this needs it

    chain = discretize_ar1(hm.AR1("x", persistence, innovation_sd=0.2, mean=1.5, states=states, method=method))
    constant = 1.5 * (1.0 - persistence)
    if method == "rouwenhorst":
        theirs = qe.rouwenhorst(states, persistence, 0.2, constant)
    else:
        theirs = qe.tauchen(states, persistence, 0.2, constant, 3.0)
    np.testing.assert_allclose(chain.transition, theirs.P, atol=1e-14)
    np.testing.assert_allclose(chain.values.x, theirs.state_values, atol=1e-14)


@pytest.mark.slow
def test_a_chain_may_be_differentiated_in_every_number_of_its_process(float64):
    """Guards `discretize_ar1`: differentiable in persistence and standard deviation, against differences."""

    def second(persistence, spread):
        chain = discretize_ar1(hm.AR1("x", persistence, stationary_sd=spread, exponential=True, unit_mean=True))
        return chain.transition[1, 2] * chain.values.x[2]

    slopes = jax.grad(second, argnums=(0, 1))(0.6, 0.3)
    by_difference = [
        (second(0.6 + 1e-6, 0.3) - second(0.6 - 1e-6, 0.3)) / 2e-6,
        (second(0.6, 0.3 + 1e-6) - second(0.6, 0.3 - 1e-6)) / 2e-6,
    ]
    np.testing.assert_allclose(slopes, by_difference, rtol=1e-7)


def test_an_exponential_chain_with_unit_mean(float64):
    declared = hm.AR1("labor", 0.9, stationary_sd=0.5, exponential=True, unit_mean=True)
    mean, _, _ = moments(discretize_ar1(declared), "labor")
    assert mean == pytest.approx(1.0, abs=1e-12)
    plain = discretize_ar1(hm.AR1("labor", 0.9, stationary_sd=0.5))
    ratio = np.log(discretize_ar1(declared).values.labor) - plain.values.labor
    np.testing.assert_allclose(ratio, ratio[0], atol=1e-12)


def test_the_stationary_distribution_of_two_states_in_closed_form(float64):
    chain = [[0.9, 0.1], [0.3, 0.7]]
    np.testing.assert_allclose(stationary_distribution(jnp.asarray(chain)), [0.75, 0.25], atol=1e-15)


def test_independent_shocks_multiply_with_the_first_slowest(float64):
    slow = hm.MarkovChain([[0.9, 0.1], [0.2, 0.8]], productivity=[0.98, 1.02], rate=[1.0, 2.0])
    fast = hm.MarkovChain(np.full((3, 3), 1 / 3), markup=[0.1, 0.2, 0.3])
    chain = combine((slow, fast))
    assert list(chain.values) == ["productivity", "rate", "markup"]
    np.testing.assert_array_equal(chain.values.productivity, [0.98] * 3 + [1.02] * 3)
    np.testing.assert_array_equal(chain.values.rate, [1.0] * 3 + [2.0] * 3)
    np.testing.assert_array_equal(chain.values.markup, [0.1, 0.2, 0.3] * 2)
    np.testing.assert_allclose(chain.transition, np.kron(slow.transition, fast.transition), atol=1e-16)
    share = np.kron(*(np.asarray(stationary_distribution(jnp.asarray(s.transition))) for s in (slow, fast)))
    np.testing.assert_allclose(stationary_distribution(chain.transition), share, atol=1e-14)


def test_one_shock_or_none_needs_no_tuple():
    alone = hm.MarkovChain([[0.9, 0.1], [0.2, 0.8]], z=[0.0, 1.0])
    np.testing.assert_allclose(combine(alone).transition, alone.transition)
    nothing = combine(())
    assert nothing.transition.shape == (1, 1) and not nothing.values


def test_averaging_over_aggregate_risk_keeps_the_long_run_share_of_every_own_state(float64):
    joint = hm.load_model("krusell_smith").joint_transition
    aggregate, conditional = hm.split_joint_chain(joint, own_states=2)
    long_run = np.asarray(stationary_distribution(jnp.asarray(joint))).reshape(2, 2).sum(axis=0)
    average = average_out(jnp.asarray(conditional), jnp.asarray(aggregate))
    np.testing.assert_allclose(np.asarray(average).sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(stationary_distribution(average), long_run, atol=1e-6)
    np.testing.assert_allclose(long_run, [0.07, 0.93], atol=1e-5)  # half of 10 and 4 percent, Krusell and Smith (1998)


def test_averaging_changes_nothing_where_moves_are_unconditional(float64):
    own, aggregate = jnp.asarray([[0.6, 0.4], [0.1, 0.9]]), jnp.asarray([[0.9, 0.1], [0.3, 0.7]])
    average = average_out(jnp.broadcast_to(own, (2, 2, 2, 2)), aggregate)
    np.testing.assert_allclose(average, own, atol=1e-14)


def test_where_nobody_is_the_average_is_that_of_a_few_put_there(float64):
    """Good and bad years take turns, and all are told so: no two signals in a row are the same. As people err less the
    chain tends to the one without errors, from those windows on as well."""
    turns = np.array([[0.0, 1.0], [1.0, 0.0]])

    def average(error, xp=np):
        probabilities = xp.asarray([[1.0 - error, error], [error, 1.0 - error]])
        return average_out(hm.private_signals("word", probabilities, memory=2).transition, turns)

    sure = average(0.0)
    np.testing.assert_allclose(sure, [[0.5, 0, 0.5, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0.5, 0, 0.5]], atol=1e-15)
    np.testing.assert_allclose(average(1e-6), sure, atol=1e-5)
    np.testing.assert_allclose(stationary_distribution(sure), [0.0, 0.5, 0.5, 0.0], atol=1e-15)
    np.testing.assert_allclose(average(jnp.asarray(0.0), jnp), sure, atol=1e-15)


def test_what_is_not_a_shock_is_refused():
    with pytest.raises(TypeError, match="3.0 is not a shock: declare a MarkovChain, an AR1, a VAR1 or a Cond"):
        to_chain(3.0)
    conditional = hm.ConditionalChain(np.full((1, 1, 2, 2), 0.5), e=[0, 1])
    with pytest.raises(TypeError, match="only idiosyncratic shocks can be conditional"):
        combine(conditional)
    twice = hm.MarkovChain([[1.0]], z=[1.0])
    with pytest.raises(ValueError, match="declares 'z' twice: give each quantity its own name"):
        combine((twice, twice))


def test_a_transition_may_be_differentiated():
    def mean(stay):
        transition = jnp.array([[1.0, 0.0], [0.5, 0.5]]) + stay * jnp.array([[-1.0, 1.0], [0.0, 0.0]])
        chain = combine(hm.MarkovChain(transition, z=[0.0, 1.0]))
        return stationary_distribution(chain.transition) @ chain.values.z

    with jax.enable_x64(True):  # share of the second state is stay / (stay + 1/2)
        assert float(jax.grad(mean)(0.25)) == pytest.approx(0.5 / 0.75**2, rel=1e-9)


def test_the_states_of_a_model_are_described():
    """Krusell and Smith: states that last eight quarters; work as in the long run of the joint chain."""
    model = hm.load_model("krusell_smith")
    found = describe_states(model)
    assert (found["aggregate_states"], found["individual_states"], found["permanent_types"]) == (2, 2, [1.0])
    productivity, employed = found["aggregate_shocks"]["productivity"], found["individual_shocks"]["employed"]
    assert productivity["values"] == [0.99, 1.01] and employed["values"] == [0.0, 1.0]
    assert productivity["autocorrelation"] == pytest.approx(0.75, abs=1e-5)
    joint, works = np.asarray(model.joint_transition), np.array([0.0, 1.0, 0.0, 1.0])
    share = np.linalg.matrix_power(joint, 1000)[0]
    mean = share @ works
    expected = (share @ (works * (joint @ works)) - mean**2) / (mean - mean**2)
    assert employed["autocorrelation"] == pytest.approx(expected, abs=1e-5)  # the published chain is rounded


def test_several_shocks_and_permanent_types_are_described():
    """Every quantity has its own values and moments, whatever it is combined with; patience never changes."""

    class Patient(type(hm.load_model("one_asset_hank"))):
        def idiosyncratic_shock(self):
            types = hm.permanent_types([0.25, 0.75], patience=[0.99, 0.97], home=[1.0, 1.0])
            return hm.independent_chains(hm.AR1("skill", 0.9, stationary_sd=0.5, states=3), types)

    found = describe_states(Patient(**hm.load_model("one_asset_hank").parameters()))
    assert (found["aggregate_states"], found["individual_states"]) == (30, 6)
    assert found["permanent_types"] == [0.25, 0.75]
    shocks, own = found["aggregate_shocks"], found["individual_shocks"]
    assert {name: len(shock["values"]) for name, shock in shocks.items()} == {
        "patience": 5, "productivity": 2, "monetary": 3,
    }  # fmt: skip
    assert shocks["monetary"]["autocorrelation"] == pytest.approx(0.6, abs=1e-10)
    np.testing.assert_allclose(shocks["monetary"]["values"], np.array([-1, 0, 1]) * np.sqrt(2) * 0.001, atol=1e-15)
    assert own["skill"]["autocorrelation"] == pytest.approx(0.9, abs=1e-10)
    assert own["skill"]["asked"] == {"sd": 0.5, "autocorrelation": 0.9, "of": "level"}
    assert (own["patience"]["values"], own["patience"]["autocorrelation"]) == ([0.97, 0.99], 1.0)
    assert (own["home"]["values"], own["home"]["autocorrelation"], own["home"]["asked"]) == ([1.0], None, None)
