"""Vector autoregressions as chains. Truths: the Lyapunov equation, the persistence that was declared, independent
AR(1)s where nothing is related, and quantecon's own chains."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import quantecon.markov as qe
import scipy.linalg
import scipy.sparse

import hank_mfg as hm
from hank_mfg.environment.markov import combine, stationary_distribution, to_chain
from hank_mfg.model.shocks import split_joint_chain

A, OMEGA = np.array([[0.9, 0.05], [0.0, 0.8]]), np.array([[1e-4, 3e-5], [3e-5, 2e-4]])
BOTH = {"persistence": A, "innovation_covariance": OMEGA}


def long_run(chain, names):
    """Mean, covariance and persistence E[x' x] E[x x]^-1 of quantities of a chain, by plain sums."""
    transition, values = np.asarray(chain.transition), np.stack([np.asarray(chain.values[n]) for n in names], axis=1)
    share = np.asarray(stationary_distribution(transition))
    gaps = values - share @ values
    covariance = sum(p * np.outer(gap, gap) for p, gap in zip(share, gaps, strict=True))
    ahead = sum(p * np.outer(row @ gaps, gap) for p, gap, row in zip(share, gaps, transition, strict=True))
    return share @ values, covariance, ahead @ np.linalg.inv(covariance)


@pytest.mark.parametrize(
    ("persistence", "states"),
    [(A, 7), (A, (9, 5)), ([[0.6, 0.5], [-0.5, 0.6]], 7), ([[-0.5, 0.0], [0.3, 0.4]], 6)],
)
def test_the_chain_has_the_covariance_of_the_lyapunov_equation_and_the_declared_persistence(persistence, states):
    shock = hm.VAR1("z", "g", persistence=persistence, innovation_covariance=OMEGA, mean=[0.3, -1.0], states=states)
    mean, covariance, achieved = long_run(to_chain(shock), ("z", "g"))
    loading = np.linalg.cholesky(OMEGA)
    persistence = np.asarray(persistence)
    np.testing.assert_allclose(covariance, persistence @ covariance @ persistence.T + loading @ loading.T, rtol=1e-9)
    np.testing.assert_allclose(mean, [0.3, -1.0], atol=1e-12)
    slack = 0.05 * (1.0 - np.abs(np.linalg.eigvals(persistence)).max())  # the tolerance, above which it warns
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        achieved * sd / sd[:, None], persistence * sd / sd[:, None], atol=slack * sd.max() / sd.min()
    )


def test_chain_moments_say_what_was_asked_and_what_is_achieved_with_correlations():
    found = hm.chain_moments(hm.VAR1("z", "g", **BOTH, exponential=True, unit_mean=True))
    covariance = scipy.linalg.solve_discrete_lyapunov(A, OMEGA)
    sd, related = np.sqrt(np.diag(covariance)), covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    for place, (name, other) in enumerate([("z", "g"), ("g", "z")]):
        moments = found[name]
        assert moments.mean == pytest.approx(1.0, abs=1e-12) and moments.exponential
        assert moments.log_sd == pytest.approx(sd[place], rel=1e-9) == moments.asked_sd
        assert moments.correlations == {other: pytest.approx(related, rel=1e-9)}
        assert moments.asked_correlations == {other: pytest.approx(related, rel=1e-9)}
        assert moments.log_autocorrelation == pytest.approx(moments.asked_autocorrelation, abs=0.005)
        asked = (A @ covariance)[place, place] / covariance[place, place]
        assert moments.asked_autocorrelation == pytest.approx(asked, rel=1e-12)


def test_without_relations_it_is_as_independent_ar1s():
    persistence, sd = (0.9, 0.6), (0.01, 0.02)
    shock = hm.VAR1("z", "g", persistence=np.diag(persistence), innovation_covariance=np.diag(sd) ** 2, states=7)
    found = hm.chain_moments(shock)
    for name, each, innovation in zip(("z", "g"), persistence, sd, strict=True):
        alone = hm.chain_moments(hm.AR1(name, each, innovation_sd=innovation))[name]
        assert found[name].sd == pytest.approx(alone.sd, rel=1e-9)
        assert found[name].autocorrelation == pytest.approx(alone.autocorrelation, abs=0.05 * (1 - 0.9))
    assert abs(found["z"].correlations["g"]) < 1e-9
    chain = to_chain(shock)
    values, transition = chain.values, np.asarray(chain.transition)
    slopes = np.linalg.lstsq(np.stack([values["z"], values["g"]], axis=1), transition @ values["z"], rcond=None)[0]
    np.testing.assert_allclose(slopes, [0.9, 0.0], atol=0.03)  # tomorrow's mean does not know the other variable


def test_mixed_flags_and_several_shocks():
    shock = hm.VAR1("z", "r", **BOTH, exponential=(True, False), mean=(0.0, 0.01), states=(9, 5))
    values = to_chain(shock).values
    assert min(values["z"]) > 0 > min(values["r"])
    alone = hm.AR1("luck", 0.5, innovation_sd=0.1, states=2)
    assert combine((shock, alone)).transition.shape == (2 * len(values["z"]),) * 2
    assert hm.chain_moments(hm.independent_chains(shock, alone))["z"].asked_sd is not None


def test_the_same_declaration_is_the_same_chain_in_every_precision():
    one = to_chain(hm.VAR1("z", "g", **BOTH))
    other = to_chain(hm.VAR1("z", "g", persistence=A.astype(np.float32), innovation_covariance=OMEGA.astype("f4")))
    np.testing.assert_array_equal(one.transition, other.transition)
    np.testing.assert_allclose(one.values["z"], other.values["z"], rtol=1e-5)


def test_too_few_points_are_told():
    with pytest.warns(UserWarning, match=r"has the persistence .* instead of .*: declare more states"):
        to_chain(hm.VAR1("z", "g", persistence=0.98 * np.eye(2), innovation_covariance=OMEGA, states=2))
    to_chain(hm.VAR1("z", "g", persistence=0.98 * np.eye(2), innovation_covariance=OMEGA, states=2, tolerance=None))


@pytest.mark.parametrize(
    ("names", "change", "pieces"),
    [
        (("z",), {}, ["name two variables or more", "hm.AR1"]),
        (("z", "z"), {}, ["all different"]),
        (("z", "a b"), {}, ["'a b'", "without spaces"]),
        (("z", "g"), {"persistence": [[1.1, 0.0], [0.0, 0.5]]}, ["1.1", "inside the unit circle"]),
        (("z", "g"), {"persistence": [0.9, 0.8]}, ["persistence=[0.9, 0.8]", "shape (2, 2)"]),
        (("z", "g"), {"persistence": [[np.nan, 0.0], [0.0, 0.5]]}, ["finite"]),
        (("z", "g"), {"innovation_covariance": [[1.0, 0.5], [0.0, 1.0]]}, ["symmetric"]),
        (("z", "g"), {"innovation_covariance": [[1.0, 2.0], [2.0, 1.0]]}, ["eigenvalues are not negative"]),
        (("z", "g"), {"persistence": 0.5 * np.eye(2), "innovation_covariance": np.ones((2, 2))}, ["leave that"]),
        (("z", "g"), {"mean": [1.0, 2.0, 3.0]}, ["mean=", "shape (2,)"]),
        (("z", "g"), {"states": (3, 3, 3)}, ["states=(3, 3, 3)", "2, one per variable"]),
        (("z", "g"), {"states": 1}, ["states=1", "2 or more"]),
        (("z", "g"), {"width": -1.0}, ["width=-1.0"]),
        (("z", "g"), {"draws": 5}, ["draws=5", "10000"]),
        (("z", "g"), {"tolerance": 0.0}, ["tolerance=0.0"]),
        (("z", "g"), {"seed": -1}, ["seed=-1"]),
    ],
)
def test_a_wrong_declaration_is_refused_in_one_sentence(refuses, names, change, pieces):
    refuses(lambda: hm.VAR1(*names, **{**BOTH, **change}), *pieces)


def test_values_beyond_numbers_and_means_of_zero_are_refused(refuses):
    refuses(lambda: to_chain(hm.VAR1("z", "g", **BOTH, mean=1e3, exponential=True)), "in log points")
    refuses(lambda: to_chain(hm.VAR1("z", "g", **BOTH, unit_mean=True)), "unit_mean=True", "zero")
    refuses(lambda: to_chain(hm.VAR1("z", "g", **BOTH, states=10**4)), "declare fewer states")


def test_a_companion_form_is_an_autoregression_of_order_two():
    """y' = a y + b lag + e and lag' = y: the covariance of innovations is singular, that of the long run is not."""
    shock = hm.VAR1(
        "y", "lag", persistence=[[0.6, 0.2], [1.0, 0.0]], innovation_covariance=np.diag([1.0, 0.0]), tolerance=0.2
    )
    found = hm.chain_moments(shock)
    first = 0.6 / (1 - 0.2)  # the first autocorrelation of an AR(2)
    assert found["y"].asked_autocorrelation == pytest.approx(first) == found["y"].asked_correlations["lag"]
    assert found["y"].sd == pytest.approx(1 / np.sqrt(1 - 0.6 * first - 0.2 * (0.6 * first + 0.2)), rel=1e-9)
    assert found["y"].correlations["lag"] == pytest.approx(first, rel=1e-9)


def test_chains_of_quantecon_are_chains_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantecon warns of a change of arguments long ago
        theirs = qe.rouwenhorst(5, 0.9, 0.1)
    ours = hm.MarkovChain(theirs, "x")
    np.testing.assert_array_equal(ours.transition, theirs.P)
    np.testing.assert_array_equal(ours.values["x"], theirs.state_values)
    assert hm.chain_moments(ours)["x"].autocorrelation == pytest.approx(0.9, rel=1e-10)
    levels = hm.MarkovChain(theirs, income=np.exp(theirs.state_values))
    assert list(levels.values) == ["income"]
    both = qe.MarkovChain([[0.9, 0.1], [0.2, 0.8]], state_values=[[1.0, 10.0], [2.0, 20.0]])
    assert {k: list(v) for k, v in hm.MarkovChain(both, "a", "b").values.items()} == {"a": [1, 2], "b": [10, 20]}
    sparse = hm.MarkovChain(qe.MarkovChain(scipy.sparse.csr_matrix(both.P)), "place")
    np.testing.assert_array_equal(sparse.transition, both.P)
    assert list(sparse.values["place"]) == [0, 1]
    joint = np.kron(both.P, both.P)
    for one, other in zip(split_joint_chain(qe.MarkovChain(joint), 2), split_joint_chain(joint, 2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_chains_without_names_are_refused(refuses):
    both = qe.MarkovChain([[0.9, 0.1], [0.2, 0.8]], state_values=[[1.0, 10.0], [2.0, 20.0]])
    refuses(lambda: hm.MarkovChain(both, "a"), "has 1 names but every state has 2 values")
    refuses(lambda: hm.MarkovChain(both.P, "a"), "names the states of a quantecon.MarkovChain", "by keyword")
    refuses(lambda: hm.MarkovChain(both, "a", "a"), "different texts")
    refuses(lambda: hm.MarkovChain(both), "names no values")
    with pytest.raises(TypeError, match=r"no names for its values: declare hm.MarkovChain\(chain, 'income'\)"):
        to_chain(both)


def test_the_library_is_imported_without_the_packages_that_few_need():
    """quantecon brings numba; neither is loaded before a VAR(1) is discretized or Hamilton's filter is used."""
    program = (
        "import sys, hank_mfg as hm; from hank_mfg.environment.discretize import discretize;"
        "hm.MarkovChain([[1.0]], x=[1.0]);"
        "hm.VAR1('a', 'b', persistence=[[.5, 0], [0, .5]], innovation_covariance=[[1, 0], [0, 1]]);"
        "print(*{'quantecon', 'numba', 'interpax', 'beartype'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [], found.stdout
