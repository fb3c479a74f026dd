"""The figure of a trained policy: what households do near the mean of the aggregate state, beside what they would do
without aggregate risk."""

from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import names_of
from hank_mfg.evaluate.simulate import Simulation
from hank_mfg.precision import float64_allowed
from hank_mfg.report import figures
from hank_mfg.solve.play.policy_query import ask_policy
from hank_mfg.solve.solution import Solution
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEN = 200  # periods of public history before the one that is drawn, for the memory of the policy


@float64_allowed
def policy_figure(solution: Solution, simulation: Simulation, labels: list[str]) -> "Figure":
    """The trained policy in the period of a long path nearest to its mean, and, thin, the policy it started from."""
    steady = solution.steady
    points = np.asarray(steady.economy.grid.points)
    top = int(np.searchsorted(np.cumsum(steady.mass.sum(axis=1)), 0.999)) + 1
    history, today = _nearest_to_the_mean(steady.economy, simulation)
    asked = ask_policy(solution, points[:, None], np.arange(len(labels))[None, :], history)
    note = (
        f"Thick: trained policy where the aggregate state is nearest to its mean, {today}. Thin: stationary policy, "
        f"without aggregate risk. {len(points)} asset points, float64; 99.9 percent of households are inside the axis."
    )
    trained = {"consumption": asked.consumption, "savings": asked.savings}
    before = {"consumption": steady.consumption, "savings": steady.savings}
    end = float(points[min(top, len(points) - 1)])
    return figures.plot_policy(points, trained, labels, note, end, what="Trained policy", beside=before)


def _nearest_to_the_mean(economy: Economy, simulation: Simulation) -> tuple[dict[str, np.ndarray], str]:
    """The public history up to the period in which what moves of the aggregate state is nearest to its mean over the
    path, by the sum of squared distances in standard deviations; and that state in words."""
    names = names_of(economy)
    shocks = [name for name in economy.shock_values if name in simulation.series]
    first = min(simulation.periods // 2, SEEN)
    moving = {
        name: simulation.series[name]
        for name in (*names.unknown, *names.state_variables, *names.clearing, *shocks)
        if np.std(simulation.series[name]) > 1e-10 * np.abs(simulation.series[name]).max()
    }
    far = sum(((values - values.mean()) / values.std()) ** 2 for values in moving.values())
    today = first + int(np.argmin(np.broadcast_to(far, simulation.periods)[first:]))
    stretch = slice(today - first, today + 1)
    history = {name: values[stretch] for name, values in simulation.series.items()}
    words = ", ".join(f"{display_name(name).lower()} {values[today]:.4g}" for name, values in moving.items())
    return {**history, "shock": simulation.shock[stretch]}, words
