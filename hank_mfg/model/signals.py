"""Signals of one's own: what each household alone is told about the aggregate state, and how much of it it remembers.

Given the path of the aggregate state all households' signals are independent, and the population is a continuum. So a
signal is one more individual state, drawn given the aggregate state, and the mass over it is exact: who was told what
is integrated like who earns what, not sampled. A memory of the last k signals is an individual state as well, one of
S^k where a signal takes S values.
"""

from typing import Any

import numpy as np

from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.shocks import ConditionalChain
from hank_mfg.sizes import require_room, shown


def private_signals(name: str, chances: Any, *, memory: int = 1) -> ConditionalChain:
    """The last `memory` signals that a household was told, as an idiosyncratic chain, the newest outermost.

    `chances[z, s]` is the probability of signal s when the aggregate state is z (of all combinations, when there are
    several shocks, the first one slowest); rows sum to one. With w = (s_0, ..., s_{k-1}), newest first,

        P(w' | w, z, z') = chances[z', s'_0] 1{ (s'_1, ..., s'_{k-1}) = (s_0, ..., s_{k-2}) }.

    The quantities `name`_0 (today's), `name`_1 (that of a period ago), ... are the numbers of the signals, from 0 on.
    What came before is forgotten. The number of individual states grows as S^k, and with it the time of an update: it
    is good for a few signals.

    Raises ValueError for chances that are no table, for rows that do not sum to one, and for a memory below one.
    """
    xp: Any = array_module(chances)
    table = xp.asarray(chances, dtype=float)
    if table.ndim != 2:
        raise ValueError(
            f"private_signals({name!r}): chances have shape {table.shape}: give a row per aggregate state and a column "
            "per signal."
        )
    if int(memory) != memory or memory < 1:
        raise ValueError(f"private_signals({name!r}): memory = {memory}: give a whole number of signals, 1 or more.")
    shocks, signals = table.shape
    worst = concrete(chances) is not None and np.abs(table.sum(axis=1) - 1.0)
    if np.any(worst > 1e-8):
        row = int(np.argmax(worst))
        raise ValueError(
            f"private_signals({name!r}): chances[{row}] sums to {table[row].sum():.8g}, not 1: a household is told one "
            "signal in every aggregate state."
        )
    states = signals ** int(memory)
    require_room(
        f"private_signals({name!r}, memory={memory}): {signals}^{memory} = {shown(states)} individual states",
        "remember fewer signals, 1 to 4 are usual", numbers=3.0 * shocks * float(states) ** 2,
    )  # fmt: skip
    window = np.arange(states)
    kept = window[:, None] // signals == np.arange(states // signals)  # all but the oldest, one period older
    moves = (table[:, None, :, None] * kept[None, :, None, :]).reshape(shocks, states, states)
    told = {f"{name}_{age}": window // (states // signals ** (age + 1)) % signals for age in range(int(memory))}
    return ConditionalChain(xp.broadcast_to(moves, (shocks, *moves.shape)), **told)
