"""Named quantities: a frozen mapping that reads as attributes and is a JAX pytree."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.model.named import Named
from hank_mfg.wording import readable


def test_attribute_and_item_are_the_same_number():
    prices = Named("prices", {"wage": 2.0}, interest_rate=0.04)
    assert prices.wage == prices["wage"] == 2.0
    assert list(prices) == ["wage", "interest_rate"] and len(prices) == 2
    assert dict(prices) == {"wage": 2.0, "interest_rate": 0.04}
    assert repr(prices) == "prices(wage=2, interest_rate=0.04)"


def test_it_is_frozen():
    with pytest.raises(AttributeError, match=r"prices\.wage cannot be set"):
        Named("prices", {"wage": 2.0}).wage = 3.0


def test_it_is_a_pytree_whose_names_are_structure():
    prices = Named("prices", {"wage": jnp.ones(()), "tax": jnp.zeros(())})
    doubled = jax.jit(lambda group: jax.tree.map(lambda value: 2 * value, group))(prices)
    assert doubled.wage == 2 and list(doubled) == ["wage", "tax"]
    assert jax.tree.structure(prices) != jax.tree.structure(Named("prices", {"tax": 1.0, "wage": 1.0}))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(prices)]
    assert paths == ["['wage']", "['tax']"]


def test_python_protocols_are_not_mistaken_for_names():
    assert not hasattr(Named("prices", {"wage": 2.0}), "__jax_array__")


def test_results_print_on_one_screen_and_names_are_what_tab_offers():
    """Arrays by type and shape, numbers with six digits; no line longer than 100 characters."""

    @readable
    class Result(NamedTuple):
        rate: float
        values: np.ndarray
        many: dict

    text = repr(Result(1 / 3, np.zeros((400, 7)), {f"name_{i}": np.zeros(3) for i in range(99)}))
    assert text.splitlines()[:3] == ["Result(", "  rate = 0.333333", "  values = float64 (400, 7)"]
    assert max(map(len, text.splitlines())) <= 100 and len(text.splitlines()) == 5
    assert dir(Named("prices", {"wage": 1.0, "interest_rate": 0.02})) == ["interest_rate", "wage"]
