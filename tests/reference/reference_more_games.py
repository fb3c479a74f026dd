"""The epidemic and the game of predators and prey along one path of common noise: plain NumPy and loops only.

Written from the statements of the games alone, not from the library, which is tested against this file. The loops over
periods, states and actions are those of reference_games.py for one population; `follow_all` and `gains_of_all` are the
same for several, each of which takes the masses of all as given.

Paths of common noise:
- epidemic: (variant_t as 0 or 1, standard normal errors of reports), both for t = 0 .. 51.
- predators_and_prey: (cell of the meadow for t = 0 .. 39, cells where it is sighted, cell of the herd).
"""

import math

import numpy as np
from reference_games import Game, exploitability, follow

__all__ = ["Epidemic", "Predators", "Prey", "exploitability", "follow", "follow_all", "gains_of_all", "report_path"]


class Epidemic(Game):
    """State = 4 age + health; ages young, middle, old; health susceptible, exposed, infectious, recovered."""

    name = "epidemic"
    horizon = 52
    discount = 0.96 ** (1.0 / 52.0)
    state_count = 12
    action_count = 10
    contacts = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    shares = (0.53, 0.26, 0.21)
    fatality = (0.001, 0.01, 0.06)
    latent_days, infectious_days = 3.69, 7.0

    def initial_mass(self, noise_path):
        """Return two in a thousand exposed and two infectious at every age."""
        mass = np.zeros(12)
        for age in range(3):
            for health, share in enumerate((0.996, 0.002, 0.002, 0.0)):
                mass[4 * age + health] = self.shares[age] * share
        return mass

    def aggregate(self, mass, t, noise_path):
        """Return the infectious share with those from abroad."""
        return mass[2] + mass[6] + mass[10] + 0.0001

    def infection(self, state, action, t, aggregate, noise_path):
        """Return the probability that one individual catches the disease this week."""
        if state % 4 != 0:
            return 0.0
        reproduction = 2.5 * 1.97 if noise_path[0][t] == 1 else 2.5
        recovery = 1 - math.exp(-7 / self.infectious_days)
        return 1 - math.exp(-self.contacts[action] * reproduction * recovery * aggregate)

    def transition(self, state, action, t, aggregate, noise_path):
        """Catch the disease or not, then let it take its course."""
        onset, recovery = 1 - math.exp(-7 / self.latent_days), 1 - math.exp(-7 / self.infectious_days)
        waning = 1 - 0.5 ** (1 / (16 / 12 * 52))
        infected = self.infection(state, action, t, aggregate, noise_path)
        first, outcomes = state - state % 4, []
        for health, likely in ((state % 4, 1 - infected), (1, infected)):
            if health == 0:
                course = [(0, 1.0)]
            elif health == 1:
                course = [(1, 1 - onset), (2, onset)]
            elif health == 2:
                course = [(2, 1 - recovery), (3, recovery)]
            else:
                course = [(3, 1 - waning), (0, waning)]
            outcomes += [(first + reached, likely * probability) for reached, probability in course]
        return outcomes

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Value contacts; charge an infection where it happens."""
        contact = self.contacts[action]
        cost = 1.0 + 1500.0 * self.fatality[state // 4]
        return math.log(contact) - contact + 1.0 - cost * self.infection(state, action, t, aggregate, noise_path)

    def deterministic_policy(self, t, aggregate, state):
        """The old have few contacts, the others many."""
        return self.certainly(1 if state // 4 == 2 else 8)


def report_path(game, masses, noise_path):
    """Return the log of the share reported at t = 0 .. 51: last week's, that of the start in week 0."""
    reports = []
    for t in range(game.horizon):
        share = game.aggregate(masses[max(t - 1, 0)], t, noise_path)
        reports.append(math.log(share) + 0.25 * noise_path[1][t])
    return np.array(reports)


def distance(one, other):
    """Return the distance of two cells on the ring of 48."""
    gap = abs(one - other)
    return min(gap, 48 - gap)


class OnRing(Game):
    """What predators and prey share; a path is (meadow, sighted, herd), `masses` are those of both populations."""

    horizon = 40
    discount = 0.95
    state_count = 48
    moves: tuple[int, ...] = ()

    def transition(self, state, action, t, aggregate, noise_path):
        """Move, then drift to one of two neighbors or stay."""
        landed = state + self.moves[action]
        return [((landed + drift) % 48, likely) for drift, likely in ((-1, 0.1), (0, 0.8), (1, 0.1))]


class Prey(OnRing):
    """Prey like the meadow and dislike predators and each other."""

    name = "prey"
    action_count = 5
    moves = (-2, -1, 0, 1, 2)

    def initial_mass(self, noise_path):
        """Return a herd around its cell."""
        weights = np.array([math.exp(-(distance(cell, noise_path[2]) ** 2) / 128.0) for cell in range(48)])
        return weights / weights.sum()

    def reward_of(self, state, action, t, noise_path, masses):
        """Return the reward given the masses of both populations."""
        meadow = 3.0 * math.exp(-(distance(state, noise_path[0][t]) ** 2) / 32.0)
        crowd = math.log(max(48 * masses["prey"][state], 1e-4))
        return meadow - 0.5 * 48 * masses["predators"][state] - crowd - 0.1 * abs(self.moves[action])

    def deterministic_policy(self, t, aggregate, state):
        """Go left by two in the first half, stay in the second."""
        return self.certainly(0 if state < 24 else 2)


class Predators(OnRing):
    """Predators like prey and dislike each other."""

    name = "predators"
    action_count = 7
    moves = (-3, -2, -1, 0, 1, 2, 3)

    def initial_mass(self, noise_path):
        """Return equal mass everywhere."""
        return np.full(48, 1 / 48)

    def reward_of(self, state, action, t, noise_path, masses):
        """Return the reward given the masses of both populations."""
        crowd = math.log(max(48 * masses["predators"][state], 1e-4))
        return 0.5 * 48 * masses["prey"][state] - crowd - 0.1 * abs(self.moves[action])

    def deterministic_policy(self, t, aggregate, state):
        """Go right by three."""
        return self.certainly(6)


def follow_all(games, tables, noise_path):
    """Return the masses of every population by period, horizon + 1 of them, when each follows its table.

    `tables[name]` has the probabilities of actions, shape (time, states, actions).
    """
    masses = [{name: game.initial_mass(noise_path) for name, game in games.items()}]
    for t in range(next(iter(games.values())).horizon):
        moved = {}
        for name, game in games.items():
            moved[name] = game.push_forward(masses[t][name], tables[name][t], t, None, noise_path)
        masses.append(moved)
    return masses


def gains_of_all(games, tables, noise_path):
    """Return {name: (value, best)} of every population: following its table, and the clairvoyant best response."""
    masses, gains = follow_all(games, tables, noise_path), {}
    for name, game in games.items():
        following, responding = np.zeros(game.state_count), np.zeros(game.state_count)
        for t in reversed(range(game.horizon)):
            rewards = np.zeros((game.state_count, game.action_count))
            for state in range(game.state_count):
                for action in range(game.action_count):
                    rewards[state, action] = game.reward_of(state, action, t, noise_path, masses[t])
            ahead = (game.continuation_values(values, t, None, noise_path) for values in (following, responding))
            if_following, if_responding = (rewards + game.discount * continuation for continuation in ahead)
            following = (tables[name][t] * if_following).sum(axis=1)
            responding = if_responding.max(axis=1)
        gains[name] = float(masses[0][name] @ following), float(masses[0][name] @ responding)
    return gains
