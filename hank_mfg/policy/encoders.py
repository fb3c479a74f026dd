"""Encoders of the public history: what a policy remembers. Memory is a property of the policy, not of a solver.

An encoder carries a memory h: h_t = remember(h_{t-1}, o_t), and hands features to the head. `NoMemory` gives SPG,
`GRU` and `LSTM` give RSPG; nothing else in the library knows the difference.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array


class AbstractEncoder(eqx.Module):
    """Turns the stream of public signals into features; `signal` (signals,) standardized, `features` (features,)."""

    @abstractmethod
    def initial(self) -> Array:
        """The memory before the first signal, a flat array (memory,)."""

    @abstractmethod
    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Take in one signal; return the new memory and the features for the head."""

    @property
    @abstractmethod
    def feature_count(self) -> int:
        """The number of features handed to the head."""


class NoMemory(AbstractEncoder):
    """Sees the current signal only: h is empty and the features are o_t."""

    signals: int = eqx.field(static=True)

    def initial(self) -> Array:
        """An empty memory."""
        return jnp.zeros(0)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Pass the signal on; nothing is kept."""
        return memory, signal

    @property
    def feature_count(self) -> int:
        """The number of signals."""
        return self.signals


class GRU(AbstractEncoder):
    """Gated recurrent unit (Cho et al. 2014); features are the signal and the hidden state."""

    cell: eqx.nn.GRUCell

    def __init__(self, signals: int, units: int, *, key):
        self.cell = eqx.nn.GRUCell(signals, units, key=key)

    def initial(self) -> Array:
        """Zeros."""
        return jnp.zeros(self.cell.hidden_size, self.cell.weight_hh.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """One step of the cell."""
        memory = self.cell(signal, memory)
        return memory, jnp.concatenate([signal, memory])

    @property
    def feature_count(self) -> int:
        """Signals plus hidden units."""
        return self.cell.input_size + self.cell.hidden_size


class LSTM(AbstractEncoder):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); features are the signal and the hidden state."""

    cell: eqx.nn.LSTMCell

    def __init__(self, signals: int, units: int, *, key):
        self.cell = eqx.nn.LSTMCell(signals, units, key=key)

    def initial(self) -> Array:
        """Zeros: hidden state, then cell state."""
        return jnp.zeros(2 * self.cell.hidden_size, self.cell.weight_hh.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """One step of the cell."""
        hidden, state = self.cell(signal, tuple(jnp.split(memory, 2)))
        return jnp.concatenate([hidden, state]), jnp.concatenate([signal, hidden])

    @property
    def feature_count(self) -> int:
        """Signals plus hidden units."""
        return self.cell.input_size + self.cell.hidden_size


def make_encoder(memory: str, signals: int, units: int, *, key: jax.Array) -> AbstractEncoder:
    """The encoder called `memory`: "none", "gru" or "lstm". Raises ValueError for another name."""
    if memory == "none":
        return NoMemory(signals)
    if memory == "gru":
        return GRU(signals, units, key=key)
    if memory == "lstm":
        return LSTM(signals, units, key=key)
    raise ValueError(f"memory = {memory!r} is not an encoder: choose 'none', 'gru' or 'lstm'.")
