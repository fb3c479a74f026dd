"""What households see: the Bayesian filter against brute force, and what information is worth."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.information import information_value
from hank_mfg.model.named import Named


def noisy(information="prices", **changes):
    return hm.load_model("krusell_smith_noisy", information=information, **changes)


def brute_force(model, productivity):
    """The probability of a boom in the last period, summed over every history of the persistent part."""
    count, stay, noise, gap = len(productivity), model.stay, np.asarray(model.noise), model.gap
    steps = 2 * gap * (np.arange(len(noise)) - (len(noise) - 1) / 2)
    weight = {True: 0.0, False: 0.0}
    for number in range(2**count):
        booms = [bool(number >> t & 1) for t in range(count)]
        probability = 0.5
        for before, after in itertools.pairwise(booms):
            probability *= stay if before == after else 1 - stay
        for boom, z in zip(booms, productivity, strict=True):
            left = z - 1.0 - (gap if boom else -gap)
            probability *= noise[np.abs(steps - left) < 1e-9].sum()
        weight[booms[-1]] += probability
    return weight[True] / (weight[True] + weight[False])


def test_the_filter_is_bayes_rule_over_all_histories(float64):
    model = noisy("filter")
    draws = np.random.default_rng(0)
    boom, prior, seen = True, 0.5, []
    for _ in range(8):
        boom = boom if draws.random() < model.stay else not boom
        place = draws.choice(len(model.noise), p=model.noise)
        shocks = Named(
            "shocks", persistent=model.gap if boom else -model.gap,
            transitory=float(2 * model.gap * np.asarray(model.steps())[place]),
        )  # fmt: skip
        seen.append(float(model.productivity(shocks)))
        assert float(model.posterior(prior, shocks)) == pytest.approx(brute_force(model, seen), abs=1e-12)
        today = Named("today", {**shocks, "prior": prior})
        prior = float(model.next_state(today)["prior"])


def test_the_argument_decides_what_is_seen(float64):
    seen = {}
    for information in ("prices", "lagged", "filter", "state"):
        economy = hm.discretize(noisy(information), 20, jnp.float64)
        assert economy.shock_count == 10
        known = {"capital": 30.0, "labor": 1.0, "prior": 0.3, "last_productivity": 0.9, "interest_rate": 0.01}
        signal = economy.model.signal(Named("today", {**known, "wage": 2.0, **economy.shocks(3)}))
        seen[information] = set(signal)
    prices = {"interest_rate", "wage"}
    assert seen["prices"] == prices and seen["lagged"] == {"last_productivity"}
    assert seen["filter"] == {*prices, "boom"} and seen["state"] == {*prices, "persistent"}


def test_a_word_that_is_no_option_is_refused(refuses):
    message = "information = 'everything': information (what households see) is one of 'prices', 'lagged'"
    refuses(lambda: noisy("everything"), message)
    refuses(lambda: hm.load_model("krusell_smith_noisy", informed="state"), "no parameter 'informed'", "information")


@pytest.fixture(scope="module")
def brief():
    return hm.RSPG(asset_points=60, updates=10, paths=4, horizon=10, knots=10, units=8, width=8, warmup=50, epochs=4)


@pytest.fixture(scope="module")
def solved(brief):
    return hm.solve(noisy("filter"), dataclasses.replace(brief, memory="none"))


SIZES = {"paths": 2, "horizon": 20, "burn_in": 10}


@pytest.mark.slow
def test_the_best_informed_loses_nothing_and_others_cannot_gain(solved, brief):
    """Guards docs/krusell_smith_noisy.md: no loss is negative, and that of the best informed is zero."""
    blind = dataclasses.replace(brief, memory="none")
    kinds = {
        "prices": (noisy(), blind), "memory": (noisy(), brief), "filter": (noisy("filter"), blind),
        "again": (noisy("filter"), blind),
    }  # fmt: skip
    found = information_value(solved, kinds, updates=3, **SIZES)
    assert list(found.kinds) == list(kinds)
    assert found.kinds["again"].loss == 0.0 and found.kinds["filter"].loss == pytest.approx(0.0, abs=1e-12)
    assert found.kinds["prices"].loss > 0.0 and found.kinds["memory"].percent > 0.0
    assert found.recovered("filter", least="prices", most="again") == pytest.approx(1.0)


@pytest.mark.slow
def test_another_economy_is_refused(solved, brief, refuses):
    """Guards `information_value`: ValueError for a model that differs in more than what households see."""
    refuses(
        lambda: information_value(solved, {"patient": (noisy(discount_factor=0.985), brief)}, updates=1, **SIZES),
        "The household 'patient' is of another economy (discount_factor)",
    )


@pytest.mark.slow
def test_words_are_not_a_world(solved, refuses):
    """Guards `under`: a choice such as `information` is no parameter and is refused with the cure."""
    refuses(lambda: hm.under(solved, information="state"), "leave out information")


@pytest.mark.slow
def test_a_run_remembers_what_was_seen(tmp_path, brief):
    """Guards docs/keeping_results.md: a run folder keeps a `choice`, such as `information`."""
    settings = dataclasses.replace(brief, updates=2, memory="none")
    solution = hm.solve_run("krusell_smith_noisy", tmp_path / "run", settings, overrides={"information": "filter"})
    assert hm.load_run(tmp_path / "run").model.information == solution.model.information == "filter"


@pytest.mark.slow
def test_memory_recovers_most_of_what_the_filter_is_worth():
    """Guards docs/accuracy.md, 'Information': memory recovers at least 80 percent of the filter's gain; a filter
    that sees prices as well cannot do worse than prices alone."""
    solution = hm.solve(noisy("filter"), hm.SPG(paths=32))
    taught = {"epochs": 16, "final_rate": 0.1, "final_step": 0.1}
    blind, recalls = hm.SPG(**taught), hm.RSPG(units=64, **taught)
    kinds = {
        "prices": (noisy(), blind), "memory": (noisy(), recalls), "filter": (noisy("filter"), blind),
        "state": (noisy("state"), blind),
    }  # fmt: skip
    found = information_value(solution, kinds, paths=8)
    losses = {name: kind.loss for name, kind in found.kinds.items()}
    assert losses["prices"] > losses["memory"] > 0.9 * losses["filter"] > 0.0
    assert found.recovered("memory", least="prices", most="filter") >= 0.8
