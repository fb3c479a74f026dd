"""Private signals about the aggregate state, and how many of them a household remembers.

Conditional on the path of the aggregate state the signals of households are independent, and the population is a
continuum. A signal is therefore an individual state drawn given the aggregate state, and the mass over it is exact: it
is integrated like income, not sampled. A memory of the last k signals is one of S^k individual states, where a signal
takes S values.
"""

from typing import Any

import numpy as np

from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.shocks import ConditionalChain
from hank_mfg.sizes import require_room, shown


def private_signals(name: str, probabilities: Any, *, memory: int = 1) -> ConditionalChain:
    """The last `memory` private signals of a household, as an idiosyncratic chain, the newest signal outermost.

    `probabilities[z, s]` is the probability of signal s when the aggregate state is z (of all combinations, when there
    are several shocks, the first one slowest); rows sum to one. With w = (s_0, ..., s_{k-1}), newest first,

        P(w' | w, z, z') = probabilities[z', s'_0] 1{ (s'_1, ..., s'_{k-1}) = (s_0, ..., s_{k-2}) }.

    The quantities `name`_0 (today's), `name`_1 (that of a period ago), ... are the numbers of the signals, from 0 on.
    Older signals are forgotten. The number of individual states, and with it the time of an update, grows as S^k: use
    this for a few signals.

    Raises ValueError for probabilities that are no table, for rows that do not sum to one, and for a memory below one.
    """
    xp: Any = array_module(probabilities)
    table = xp.asarray(probabilities, dtype=float)
    if table.ndim != 2:
        raise ValueError(
            f"private_signals({name!r}): probabilities have shape {table.shape}: give a row per aggregate state and "
            "a column per signal."
        )
    if int(memory) != memory or memory < 1:
        raise ValueError(f"private_signals({name!r}): memory = {memory}: give a whole number of signals, 1 or more.")
    shocks, signals = table.shape
    worst = concrete(probabilities) is not None and np.abs(table.sum(axis=1) - 1.0)
    if np.any(worst > 1e-8):
        row = int(np.argmax(worst))
        raise ValueError(
            f"private_signals({name!r}): probabilities[{row}] sums to {table[row].sum():.8g}, not 1: a household "
            "observes one signal in every aggregate state."
        )
    states = signals ** int(memory)
    require_room(
        f"private_signals({name!r}, memory={memory}): {signals}^{memory} = {shown(states)} individual states",
        "remember fewer signals, 1 to 4 are usual", numbers=3.0 * shocks * float(states) ** 2,
    )  # fmt: skip
    window = np.arange(states)
    remembered = window[:, None] // signals == np.arange(states // signals)  # all but the oldest, one period older
    moves = (table[:, None, :, None] * remembered[None, :, None, :]).reshape(shocks, states, states)
    values = {f"{name}_{age}": window // (states // signals ** (age + 1)) % signals for age in range(int(memory))}
    return ConditionalChain(xp.broadcast_to(moves, (shocks, *moves.shape)), **values)
