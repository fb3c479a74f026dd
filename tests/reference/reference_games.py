"""Evaluate the benchmark mean-field games exactly along one path of common noise: plain NumPy and loops only.

Written from the definitions of the games alone, not from the library, which is tested against this file.

Every game has finitely many states, actions and periods t = 0 .. horizon - 1. Given one path of common noise:
1. Everybody follows `policy(t, aggregate, state)`, a vector of probabilities over the actions. The mass over states
   moves exactly, mass'(s') = sum over s, a of mass(s) policy(a | s) P(s' | s, a), and gives the aggregates.
2. `value` is the discounted reward of one individual who does the same, weighted by the initial mass.
3. `best` is the discounted reward of one individual who knows the whole path (clairvoyant) and chooses by backward
   induction while the aggregates stay those of step 1, weighted by the initial mass.
4. `gain` = best - value.

The reward of period t uses the state before the move. There is no value after the last period.

Names, paths of common noise, and what `aggregate` is:
- linear_quadratic: z in {-1, 0, +1}; the mean state of the current mass.
- beach_bar and crowded_beach_bar: (bar, closes), a position and a bool; (mean state, open now as 1 or 0, bar).
- rspg_macro: the array of z_t, t = 0 .. 127, with z_0 = 0; (rate of return r_t, wage w_t).

Macro states are counted wealth first: state = 5 * (index of wealth) + (index of income).
"""

import numpy as np

# ------------------------------------------------------------------------------------------------- what games share


class Game:
    """A game states its initial mass, aggregates, transitions and rewards; the rest follows by loops.

    A game defines `horizon`, `discount`, `state_count`, `action_count` and the five methods below that only raise.
    `push_forward`, `continuation_values` and `rewards` may be overridden where loops are too slow.
    """

    name: str
    horizon: int
    discount: float
    state_count: int
    action_count: int

    def initial_mass(self, noise_path):
        """Return the mass at the start of period 0, shape (states,)."""
        raise NotImplementedError

    def aggregate(self, mass, t, noise_path):
        """Return what the policy sees besides time and the individual's state."""
        raise NotImplementedError

    def transition(self, state, action, t, aggregate, noise_path):
        """Return the list of (next state, probability) of one state and one action, both indices.

        The same next state may be listed more than once; the probabilities sum to one.
        """
        raise NotImplementedError

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Return the reward of period t, from the masses at the start of this period and of the next."""
        raise NotImplementedError

    def deterministic_policy(self, t, aggregate, state):
        """Return the probabilities of one simple policy that always chooses one action."""
        raise NotImplementedError

    def uniform_policy(self, t, aggregate, state):
        """Return equal probabilities of all actions."""
        return np.full(self.action_count, 1 / self.action_count)

    def certainly(self, action):
        """Return the probabilities of choosing one action, given by its index."""
        probabilities = np.zeros(self.action_count)
        probabilities[action] = 1.0
        return probabilities

    def push_forward(self, mass, choices, t, aggregate, noise_path):
        """Return the next mass; `choices` has the probabilities of actions, shape (states, actions)."""
        next_mass = np.zeros(self.state_count)
        for state in range(self.state_count):
            for action in range(self.action_count):
                moving = mass[state] * choices[state, action]
                if moving == 0:
                    continue
                for next_state, probability in self.transition(state, action, t, aggregate, noise_path):
                    next_mass[next_state] += moving * probability
        return next_mass

    def continuation_values(self, next_values, t, aggregate, noise_path):
        """Return the expectation of the next period's values, shape (states, actions)."""
        continuation = np.zeros((self.state_count, self.action_count))
        for state in range(self.state_count):
            for action in range(self.action_count):
                for next_state, probability in self.transition(state, action, t, aggregate, noise_path):
                    continuation[state, action] += probability * next_values[next_state]
        return continuation

    def rewards(self, t, aggregate, noise_path, mass, next_mass):
        """Return the rewards of period t, shape (states, actions)."""
        table = np.zeros((self.state_count, self.action_count))
        for state in range(self.state_count):
            for action in range(self.action_count):
                table[state, action] = self.reward(state, action, t, aggregate, noise_path, mass, next_mass)
        return table


def follow(game, policy, noise_path):
    """Return (masses, choices, aggregates) when everybody follows the policy.

    `masses` has horizon + 1 entries, each of shape (states,); `choices` has one entry per period, each of shape
    (states, actions); `aggregates` has one entry per period.
    """
    masses, choices, aggregates = [game.initial_mass(noise_path)], [], []
    for t in range(game.horizon):
        aggregate = game.aggregate(masses[t], t, noise_path)
        table = np.array([policy(t, aggregate, state) for state in range(game.state_count)])
        assert table.shape == (game.state_count, game.action_count)
        assert np.all(table >= 0) and np.allclose(table.sum(axis=1), 1, rtol=0, atol=1e-6)
        aggregates.append(aggregate)
        choices.append(table)
        masses.append(game.push_forward(masses[t], table, t, aggregate, noise_path))
    return masses, choices, aggregates


def exploitability(game, policy, noise_path):
    """Return (value, best, gain) along one path of common noise; see the top of this file."""
    masses, choices, aggregates = follow(game, policy, noise_path)
    forward_value = 0.0
    following = np.zeros(game.state_count)
    responding = np.zeros(game.state_count)
    for t in reversed(range(game.horizon)):
        rewards = game.rewards(t, aggregates[t], noise_path, masses[t], masses[t + 1])
        forward_value += game.discount**t * np.sum(masses[t][:, None] * choices[t] * rewards)
        if_following = rewards + game.discount * game.continuation_values(following, t, aggregates[t], noise_path)
        if_responding = rewards + game.discount * game.continuation_values(responding, t, aggregates[t], noise_path)
        following = np.sum(choices[t] * if_following, axis=1)
        responding = np.max(if_responding, axis=1)
    value = float(masses[0] @ following)
    best = float(masses[0] @ responding)
    # The same number twice: rewards weighted by the moving mass, and values by recursion weighted by the initial mass.
    assert np.isclose(value, forward_value, rtol=1e-9, atol=1e-9)
    return value, best, best - value


# ------------------------------------------------------------------------------------------------- linear_quadratic


class LinearQuadratic(Game):
    """States 0 .. 98 and actions -3 .. 3; the common noise z sets the sign of a drift that comes and returns."""

    name = "linear_quadratic"
    horizon = 30
    discount = 0.99
    state_count = 99
    action_count = 7
    actions = (-3, -2, -1, 0, 1, 2, 3)
    correlation = 0.5

    def initial_mass(self, noise_path):
        """Return equal mass on all states."""
        return np.full(self.state_count, 1 / self.state_count)

    def aggregate(self, mass, t, noise_path):
        """Return the mean state of the current mass."""
        return float(mass @ np.arange(self.state_count))

    def drift(self, t, noise_path):
        """Return e_t: -10 z before period 8, zero from 8 to 20, +10 z after period 20."""
        if t < 8:
            return -10 * noise_path
        if t <= 20:
            return 0
        return 10 * noise_path

    def transition(self, state, action, t, aggregate, noise_path):
        """Move by the action and half the drift, cut to the grid and to an integer, then by individual noise."""
        highest = self.state_count - 1
        target = state + self.actions[action] + 1.0 * self.correlation * self.drift(t, noise_path)
        moved = np.trunc(np.clip(target, 0, highest))
        steps = range(-3, 4)
        weights = np.array([np.exp(-(step**2) / 2) for step in steps])
        outcomes = []
        for step, probability in zip(steps, weights / weights.sum(), strict=True):
            reached = np.clip(np.round(moved + np.sqrt(1 - self.correlation**2) * step), 0, highest)
            outcomes.append((int(reached), float(probability)))
        return outcomes

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Reward being near the mean M' of the NEXT mass; the last period's reward replaces the usual one."""
        distance = next_mass @ np.arange(self.state_count) - state
        if t == self.horizon - 1:
            return -0.5 * distance**2
        a = self.actions[action]
        return -0.5 * a**2 + 0.1 * a * distance - 0.25 * distance**2

    def deterministic_policy(self, t, aggregate, state):
        """Never move."""
        return self.certainly(self.actions.index(0))


# ------------------------------------------------------------------------------------ beach_bar, crowded_beach_bar


class BeachBar(Game):
    """States 0 .. 100 and actions -5 .. 5; a bar that nobody can stand on or cross may close in period 15.

    Nobody ever stands at the bar, so what happens there has no weight: whoever were there would stay there.
    """

    name = "beach_bar"
    horizon = 30
    discount = 0.99
    state_count = 101
    action_count = 11
    actions = (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5)
    steps = (-2, -1, 0, 1, 2)
    probabilities = (0.05, 0.1, 0.7, 0.1, 0.05)
    closing_period = 15

    def initial_mass(self, noise_path):
        """Return equal mass on all states but the bar."""
        bar, _ = noise_path
        mass = np.full(self.state_count, 1 / (self.state_count - 1))
        mass[bar] = 0.0
        return mass

    def is_open(self, t, noise_path):
        """Return z_t: 1, but 0 in and after period 15 where the bar closes."""
        _, closes = noise_path
        return 0 if closes and t >= self.closing_period else 1

    def aggregate(self, mass, t, noise_path):
        """Return (mean state of the current mass, z_t, bar)."""
        bar, _ = noise_path
        return float(mass @ np.arange(self.state_count)), self.is_open(t, noise_path), bar

    @staticmethod
    def stop_at_bar(start, reached, bar):
        """Return where a move from `start` to `reached` ends: beside the bar if it would reach or pass it."""
        if start < bar and reached >= bar:
            return bar - 1
        if start > bar and reached <= bar:
            return bar + 1
        return reached

    def transition(self, state, action, t, aggregate, noise_path):
        """Move by the action, then by individual noise; each ends at the beach's ends and beside the bar."""
        bar, _ = noise_path
        if state == bar:
            return [(state, 1.0)]
        highest = self.state_count - 1
        moved = min(max(state + self.actions[action], 0), highest)
        moved = self.stop_at_bar(state, moved, bar)
        outcomes = []
        for step, probability in zip(self.steps, self.probabilities, strict=True):
            reached = min(max(moved + step, 0), highest)
            outcomes.append((self.stop_at_bar(state, reached, bar), probability))
        return outcomes

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Reward being near an open bar, but not beside one closed next period; the last period is no exception."""
        bar, _ = noise_path
        distance = abs(bar - state)
        open_now, open_next = self.is_open(t, noise_path), self.is_open(t + 1, noise_path)
        caught = 1 if distance == 1 and open_next == 0 else 0
        return -distance * open_now - self.state_count * caught - abs(self.actions[action]) / self.state_count

    def deterministic_policy(self, t, aggregate, state):
        """Step toward the bar at full speed, open or not, at most to the place beside it."""
        _, _, bar = aggregate
        if state < bar:
            return self.certainly(self.actions.index(min(5, bar - 1 - state)))
        if state > bar:
            return self.certainly(self.actions.index(max(-5, bar + 1 - state)))
        return self.certainly(self.actions.index(0))


class CrowdedBeachBar(BeachBar):
    """The beach bar with -crowd_aversion * log(local mass) in the reward (Perrin et al. 2020).

    The local mass is the mass at one's own state at the start of the period, never less than `mass_floor`: inside the
    logarithm stands max(mass, mass_floor). So an empty place pays -crowd_aversion * log(mass_floor), the most there is.
    """

    name = "crowded_beach_bar"

    def __init__(self, crowd_aversion=1.0, mass_floor=1e-6):
        """Set how much a crowd is disliked, and the least mass inside the logarithm."""
        self.crowd_aversion = crowd_aversion
        self.mass_floor = mass_floor

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Add the dislike of a crowd to the reward of the beach bar."""
        beach = super().reward(state, action, t, aggregate, noise_path, mass, next_mass)
        return beach - self.crowd_aversion * np.log(max(mass[state], self.mass_floor))


# ------------------------------------------------------------------------------------------------------- rspg_macro


def pivoted_grid(lower, upper, count):
    """Return a grid whose points are geometric once a pivot is added to them."""
    pivot = max(abs(lower), 0.25)
    return np.maximum(np.geomspace(lower + pivot, upper + pivot, count) - pivot, 0.0)


class Macro(Game):
    """Households with wealth and income choose the share of their resources they consume, at Cobb-Douglas prices."""

    name = "rspg_macro"
    horizon = 128
    discount = 0.95
    wealth_count = 200
    income_count = 5
    state_count = wealth_count * income_count
    action_count = 20
    capital_share = 0.36
    persistence = 0.9
    deviation = 0.03
    income_moves = ((-1, 0.1), (0, 0.8), (1, 0.1))

    def __init__(self):
        """Make the grids."""
        self.wealth = pivoted_grid(0.0, 99.0, self.wealth_count)
        self.income = pivoted_grid(0.1, 2.0, self.income_count)
        self.shares = (np.arange(self.action_count) + 0.5) / self.action_count

    def productivity_path(self, innovations):
        """Return z_t, t = 0 .. 127: z_0 = 0 and z_(t+1) = .9 z_t + .03 eps_t; needs at least 127 innovations."""
        path = np.zeros(self.horizon)
        for t in range(self.horizon - 1):
            path[t + 1] = self.persistence * path[t] + self.deviation * innovations[t]
        return path

    def initial_mass(self, noise_path):
        """Return equal mass on all states."""
        return np.full(self.state_count, 1 / self.state_count)

    def capital_and_labor(self, mass):
        """Return mean wealth and mean income."""
        table = mass.reshape(self.wealth_count, self.income_count)
        return float(table.sum(axis=1) @ self.wealth), float(table.sum(axis=0) @ self.income)

    def aggregate(self, mass, t, noise_path):
        """Return (rate of return r_t, wage w_t): marginal products, without depreciation."""
        capital, labor = self.capital_and_labor(mass)
        scale = np.exp(noise_path[t])
        rate = scale * self.capital_share * (labor / capital) ** (1 - self.capital_share)
        wage = scale * (1 - self.capital_share) * (capital / labor) ** self.capital_share
        return float(rate), float(wage)

    def resources(self, state, aggregate):
        """Return (1 + r) wealth + w income of one state."""
        rate, wage = aggregate
        wealth_index, income_index = divmod(state, self.income_count)
        return (1 + rate) * self.wealth[wealth_index] + wage * self.income[income_index]

    def transition(self, state, action, t, aggregate, noise_path):
        """Split savings between the two neighboring points of wealth; income moves a step down or up, or stays."""
        resources = self.resources(state, aggregate)
        savings = resources - self.shares[action] * resources
        savings = min(max(savings, self.wealth[0]), self.wealth[-1])
        below = 0
        while below < self.wealth_count - 2 and self.wealth[below + 1] <= savings:
            below += 1
        upper_weight = (savings - self.wealth[below]) / (self.wealth[below + 1] - self.wealth[below])
        outcomes = []
        for move, probability in self.income_moves:
            income_index = min(max(state % self.income_count + move, 0), self.income_count - 1)
            outcomes.append((below * self.income_count + income_index, probability * (1 - upper_weight)))
            outcomes.append(((below + 1) * self.income_count + income_index, probability * upper_weight))
        return outcomes

    def reward(self, state, action, t, aggregate, noise_path, mass, next_mass):
        """Return -1 / consumption; in the last period -1 / resources, whatever the action."""
        resources = self.resources(state, aggregate)
        consumption = resources if t == self.horizon - 1 else self.shares[action] * resources
        return consumption ** (1 - 2) / (1 - 2)

    def deterministic_policy(self, t, aggregate, state):
        """Consume .525 of resources: action 10, counted from zero."""
        return self.certainly(10)

    # The same three tables as the loops of Game would make, but with all states at once.

    def income_matrix(self):
        """Return the probabilities of the next income (columns) given the current one (rows)."""
        matrix = np.zeros((self.income_count, self.income_count))
        for income_index in range(self.income_count):
            for move, probability in self.income_moves:
                matrix[income_index, min(max(income_index + move, 0), self.income_count - 1)] += probability
        return matrix

    def all_resources(self, aggregate):
        """Return the resources of all states, shape (wealth, income)."""
        rate, wage = aggregate
        return (1 + rate) * self.wealth[:, None] + wage * self.income[None, :]

    def lottery(self, action, aggregate):
        """Return (index of the lower point, weight of the upper point) of savings, each of shape (wealth, income)."""
        resources = self.all_resources(aggregate)
        savings = np.clip(resources - self.shares[action] * resources, self.wealth[0], self.wealth[-1])
        below = np.clip(np.searchsorted(self.wealth, savings, side="right") - 1, 0, self.wealth_count - 2)
        return below, (savings - self.wealth[below]) / (self.wealth[below + 1] - self.wealth[below])

    def push_forward(self, mass, choices, t, aggregate, noise_path):
        """Return the next mass: first wealth by the lottery, then income by its matrix."""
        table = mass.reshape(self.wealth_count, self.income_count)
        chosen = choices.reshape(self.wealth_count, self.income_count, self.action_count)
        columns = np.broadcast_to(np.arange(self.income_count), table.shape)
        saved = np.zeros_like(table)
        for action in range(self.action_count):
            below, upper_weight = self.lottery(action, aggregate)
            moving = table * chosen[:, :, action]
            np.add.at(saved, (below, columns), moving * (1 - upper_weight))
            np.add.at(saved, (below + 1, columns), moving * upper_weight)
        return (saved @ self.income_matrix()).ravel()

    def continuation_values(self, next_values, t, aggregate, noise_path):
        """Return the expectation of the next period's values: first over income, then over the lottery."""
        expected = next_values.reshape(self.wealth_count, self.income_count) @ self.income_matrix().T
        columns = np.broadcast_to(np.arange(self.income_count), expected.shape)
        continuation = np.zeros((self.state_count, self.action_count))
        for action in range(self.action_count):
            below, upper_weight = self.lottery(action, aggregate)
            mixed = (1 - upper_weight) * expected[below, columns] + upper_weight * expected[below + 1, columns]
            continuation[:, action] = mixed.ravel()
        return continuation

    def rewards(self, t, aggregate, noise_path, mass, next_mass):
        """Return the utilities of period t."""
        resources = self.all_resources(aggregate).reshape(-1, 1)
        shares = np.ones(self.action_count) if t == self.horizon - 1 else self.shares
        return -1 / (shares[None, :] * resources)


GAMES = {game.name: game for game in (LinearQuadratic, BeachBar, CrowdedBeachBar, Macro)}


# ------------------------------------------------------------------------------------------------------ main


def check_macro_facts(game):
    """Assert the grid of income and the first period's factors and prices that the definition states."""
    assert np.allclose(game.income, [0.1, 0.30731, 0.637412, 1.163038, 2.0], rtol=0, atol=5e-7)
    assert game.wealth[0] == 0 and np.isclose(game.wealth[-1], 99) and len(game.wealth) == 200
    assert np.allclose(game.shares[[0, 1, 10, -1]], [0.025, 0.075, 0.525, 0.975])
    capital, labor = game.capital_and_labor(game.initial_mass(None))
    rate, wage = game.aggregate(game.initial_mass(None), 0, np.zeros(game.horizon))
    assert abs(capital - 16.4616) < 5e-5 and abs(labor - 0.841552) < 5e-7
    assert abs(rate - 0.05368) < 5e-6 and abs(wage - 1.866725) < 5e-7
    print(f"rspg_macro: K_0 {capital:.10g}, L {labor:.10g}, r_0 {rate:.10g}, w_0 {wage:.10g}")


def check_macro_tables(game):
    """Assert that the tables made for all states at once are those of the loops over states and actions."""
    generator = np.random.default_rng(1)
    mass = generator.dirichlet(np.ones(game.state_count))
    choices = generator.dirichlet(np.ones(game.action_count), size=game.state_count)
    next_values = generator.normal(size=game.state_count)
    path = np.full(game.horizon, 0.05)
    for t in (3, game.horizon - 1):
        around = (t, game.aggregate(mass, t, path), path)
        fast, slow = game.push_forward(mass, choices, *around), Game.push_forward(game, mass, choices, *around)
        assert np.allclose(fast, slow, rtol=0, atol=1e-14)
        fast = game.continuation_values(next_values, *around)
        assert np.allclose(fast, Game.continuation_values(game, next_values, *around), rtol=0, atol=1e-12)
        fast = game.rewards(*around, mass, None)
        assert np.allclose(fast, Game.rewards(game, *around, mass, None), rtol=1e-12, atol=0)


def check_transitions(game, noise_path, periods):
    """Assert that the probabilities of every state and action sum to one, and that nobody ends up at a bar."""
    initial = game.initial_mass(noise_path)
    for t in periods:
        for state in np.flatnonzero(initial):
            for action in range(game.action_count):
                outcomes = game.transition(int(state), action, t, None, noise_path)
                assert np.isclose(sum(probability for _, probability in outcomes), 1)
                if isinstance(game, BeachBar):
                    bar, _ = noise_path
                    assert all((next_state - bar) * (state - bar) > 0 for next_state, _ in outcomes)


def main():
    """Check what the definitions state, then print value, best and gain with 10 significant digits."""
    macro = Macro()
    check_macro_facts(macro)
    check_macro_tables(macro)
    for z in (-1, 0, 1):
        check_transitions(LinearQuadratic(), z, (0, 10, 25))
    for bar in (25, 40, 75):
        check_transitions(BeachBar(), (bar, True), (0, 20))

    innovations = np.random.default_rng(0).normal(size=macro.horizon - 1)
    beach_paths = {"b=40 closes": (40, True), "b=40 stays open": (40, False)}
    cases = (
        (LinearQuadratic(), {"z=+1": 1, "z=-1": -1}),
        (BeachBar(), beach_paths),
        (CrowdedBeachBar(crowd_aversion=1.0, mass_floor=1e-6), beach_paths),
        (macro, {"eps=0": np.zeros(macro.horizon), "eps seed 0": macro.productivity_path(innovations)}),
    )
    print(f"{'game':<18}{'path':<17}{'policy':<15}{'value':>17}{'best':>17}{'gain':>17}")
    for game, paths in cases:
        for policy_name in ("uniform", "deterministic"):
            policy = getattr(game, f"{policy_name}_policy")
            for path_name, noise_path in paths.items():
                numbers = exploitability(game, policy, noise_path)
                text = "".join(f"{number:>#17.10g}" for number in numbers)
                print(f"{game.name:<18}{path_name:<17}{policy_name:<15}{text}")


if __name__ == "__main__":
    main()
