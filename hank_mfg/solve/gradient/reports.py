"""Check the reports of training: stop where a quantity is not finite or a market has no price."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.errors import SolveError
from hank_mfg.solve.gradient.spg import QUANTITIES, Progress
from hank_mfg.solve.play.market import first_missed

UNCLEARED = 1e-3  # excess demand that training does not accept


def broken(report: Progress) -> jax.Array:
    """Whether training cannot go on after an update: a quantity is not a number, or a market has no price."""
    finite = jnp.all(report.finite) & jnp.isfinite(report.loss)
    return ~(finite & jnp.all(jnp.abs(report.market.excess) <= UNCLEARED))


def check_reports(
    economy: Economy, reports: Progress, done: int, name: Callable[[int, int], str] = "path {1}".format
) -> None:
    """Raise SolveError at the first update, path and quantity that is not a number, and at a market without a price;
    `name(update, path)` says which path it is."""
    missed = first_missed(economy, reports.market, UNCLEARED)
    if missed is not None:
        (update, path), problem = missed
        period = int(reports.market.period[update, path])
        raise SolveError(f"Update {done + update + 1}, {name(done + update, path)}, period {period}: {problem}")
    finite = np.asarray(reports.finite)
    if finite.all() and np.isfinite(np.asarray(reports.loss)).all():
        return
    where = np.argwhere(~finite)
    if len(where) == 0:
        raise SolveError(f"Update {done + int(np.argmin(np.isfinite(reports.loss))) + 1}: the loss is not a number.")
    first, quantity, path = (int(x) for x in where[0])
    raise SolveError(
        f"Update {done + first + 1}, {name(done + first, path)}: {QUANTITIES[quantity]} became NaN or infinite. The "
        "last good checkpoint is kept; lower learning_rate or max_step, or check prices() and resources() at extreme "
        "states."
    )
