"""Encoders of the public history: what a policy remembers. Memory is a property of the policy, not of a solver.

An encoder carries a memory h: h_t = remember(h_{t-1}, o_t), and hands features to the head. `NoMemory` gives SPG,
`GRU`, `LSTM`, `LRU` and `Attention` give RSPG; nothing else in the library knows the difference.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.precision import in_jax

FASTEST = 4.0  # periods that the fastest oscillator of an LRU takes to go round at the start


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
        """Pass the signal on; nothing is remembered."""
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
        return in_jax(np.zeros(self.cell.hidden_size, self.cell.weight_hh.dtype))

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


class LRU(AbstractEncoder):
    """Linear recurrent unit (Orvieto et al. 2023, arXiv 2303.06349): a bank of damped oscillators, units/2 of them.

    Oscillator k is a complex number,

        h_t = lambda_k h_{t-1} + sqrt(1 - |lambda_k|^2) B_k o_t + drive_k,    lambda_k = exp(-1/age_k + i angle_k),

    and features are the signal and the real and imaginary parts. At the start ages are twice `span`, a turn takes from
    `FASTEST` periods to twice `span` in equal ratios, and the drive is 1 - exp(i angle_k): but for damping and signals,
    h_t = 1 - exp(i angle_k t), sines and cosines of the time since the start, which tell periods apart even where
    signals stand still. A gated cell has to learn to count.
    """

    age: Array
    angle: Array
    drive: Array
    take: eqx.nn.Linear
    span: int = eqx.field(static=True)

    def __init__(self, signals: int, units: int, *, span: int, key):
        if units % 2:
            raise ValueError(f"units = {units} is odd, but oscillators have two parts: give an even number.")
        half = units // 2
        self.age, self.angle, self.drive = jnp.zeros(half), jnp.zeros(half), jnp.zeros(units)
        self.take = eqx.nn.Linear(signals, units, use_bias=False, key=key)
        self.span = span

    def initial(self) -> Array:
        """Zeros: real parts, then imaginary parts."""
        return jnp.zeros(2 * self.age.shape[0], self.age.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """One step of every oscillator; `age`, `angle` and `drive` are what training added to the start's."""
        turns = 2.0 * np.pi / np.geomspace(FASTEST, max(2.0 * self.span, FASTEST), self.age.shape[0])
        start = np.concatenate([1.0 - np.cos(turns), -np.sin(turns)])  # 1 - exp(i angle)
        rate, angle = jnp.exp(-self.age) / (2.0 * self.span), self.angle + turns.astype(self.angle.dtype)
        size = jnp.exp(-rate)
        cosine, sine = size * jnp.cos(angle), size * jnp.sin(angle)
        real, imaginary = jnp.split(memory, 2)
        gain = jnp.sqrt(-jnp.expm1(-2.0 * rate))
        taken = jnp.concatenate([gain, gain]) * self.take(signal) + self.drive + start.astype(self.drive.dtype)
        memory = taken + jnp.concatenate([cosine * real - sine * imaginary, sine * real + cosine * imaginary])
        return memory, jnp.concatenate([signal, memory])

    @property
    def feature_count(self) -> int:
        """Signals plus the parts of the oscillators."""
        return int(self.take.in_features) + 2 * self.age.shape[0]


class Attention(AbstractEncoder):
    """Causal attention over a window of the last signals (Vaswani et al. 2017), one layer, several heads.

    Memory holds the last `window` signals, the latest first, and how many of them are real. The current signal asks,
    past signals and their ages answer: features are the signal and sum_j softmax_j(q . k_j / sqrt(d)) v_j. Unlike a
    recurrent cell it reaches every signal of the window in one step; what is older is forgotten.
    """

    ask: eqx.nn.Linear
    key: eqx.nn.Linear
    value: eqx.nn.Linear
    age: Array
    window: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)

    def __init__(self, signals: int, units: int, *, window: int, heads: int = 4, key):
        if units % heads:
            raise ValueError(f"units = {units} is not a multiple of the {heads} heads of attention: give one.")
        ask_key, key_key, value_key = jax.random.split(key, 3)
        self.ask = eqx.nn.Linear(signals, units, key=ask_key)
        self.key = eqx.nn.Linear(signals, units, key=key_key)
        self.value = eqx.nn.Linear(signals, units, key=value_key)
        self.age = jnp.zeros((window, units))
        self.window, self.heads = window, heads

    def initial(self) -> Array:
        """An empty window."""
        return jnp.zeros(self.window * int(self.ask.in_features) + 1, self.age.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Shift the window by one signal and attend to it."""
        count = jnp.minimum(memory[-1] + 1.0, self.window)
        window = memory[: -1 - signal.shape[0]]
        signals = jnp.concatenate([signal, window]).reshape(self.window, -1)
        split = lambda x: x.reshape(*x.shape[:-1], self.heads, -1)  # noqa: E731
        asked = split(self.ask(signal))
        keys, values = split(jax.vmap(self.key)(signals) + self.age), split(jax.vmap(self.value)(signals) + self.age)
        scores = jnp.einsum("hd,whd->hw", asked, keys) / jnp.sqrt(jnp.asarray(asked.shape[-1], signal.dtype))
        real = jnp.arange(self.window) < count
        weights = jax.nn.softmax(jnp.where(real[None, :], scores, -jnp.inf), axis=1)
        seen = jnp.einsum("hw,whd->hd", weights, values).reshape(-1)
        return jnp.concatenate([signals.reshape(-1), count[None]]), jnp.concatenate([signal, jnp.tanh(seen)])

    @property
    def feature_count(self) -> int:
        """Signals plus units."""
        return int(self.ask.in_features) + int(self.ask.out_features)


ENCODERS = {"none": NoMemory, "gru": GRU, "lstm": LSTM, "lru": LRU, "attention": Attention}


def make_encoder(memory: str, signals: int, units: int, *, span: int, key: jax.Array) -> AbstractEncoder:
    """The encoder called `memory`, one of `ENCODERS`. Raises ValueError for another name.

    `span` is how many periods back it should reach: the window of attention, the slow end of an LRU's oscillators.
    """
    if memory not in ENCODERS:
        raise ValueError(f"memory = {memory!r} is not an encoder: choose one of {', '.join(map(repr, ENCODERS))}.")
    if memory == "none":
        return NoMemory(signals)
    reach = {"attention": {"window": span}, "lru": {"span": span}}.get(memory, {})
    return ENCODERS[memory](signals, units, **reach, key=key)
