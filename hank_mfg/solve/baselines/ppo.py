"""Independent PPO on sampled individuals who share one policy, without memory (IPPO) or with (RIPPO).

Every update samples fresh paths of common noise with a crowd on each (environment/sampled.py), for the whole horizon;
memory is carried from the first period to the last. The crowd that makes the mean field follows the stochastic policy
that learns. Advantages of individuals by generalized estimation over the finite horizon, V_T = 0:

    delta_t = r_t + gamma V_{t+1}(s_{t+1}) - V_t(s_t),        A_t = delta_t + gamma lambda A_{t+1},

standardized over the update. Then `epochs` passes over minibatches of whole paths maximize the clipped objective

    mean over individuals and periods of  min(rho A, clip(rho, 1 - c, 1 + c) A),    rho = pi(a | s) / pi_old(a | s),

plus entropy, minus the squared error of the critic. The networks give the policy of all individual states at once, so
rho depends on the period, the state and the action only, and min(rho A, ...) is A min(rho, 1 + c) where A > 0 and
A max(rho, 1 - c) where A < 0: individuals enter through the sums of their positive and of their negative advantages at
each state and action. That is exact, and makes a pass cost the same however many individuals there are.

The critic, which only training needs, sees the signals and also the period, which the policy does not. One that does
not know the time blames all earlier periods for what happens in one, and advantages lose their meaning. Its values are
in units of the running size of returns. The learning rate falls linearly, counted in optimizer steps.

Sources: Schulman et al. (2017), arXiv 1707.06347; Schulman et al. (2016), arXiv 1506.02438, for the advantages; van
Hasselt et al. (2016), arXiv 1602.07714, for the units of values; Pinto et al. (2018), arXiv 1710.06542, for critics
that see more; Tallec and Ollivier (2018), arXiv 1804.11188, for how memory starts.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, own_discount
from hank_mfg.environment.sampled import CrowdPlay, CrowdStep, Observe, Respond, sampled_rollout
from hank_mfg.policy.encoders import GRU
from hank_mfg.policy.networks import NetworkSettings, Whitening, make_networks
from hank_mfg.policy.strategy import Sight, Strategy, look, make_strategies
from hank_mfg.precision import DTYPES
from hank_mfg.solve.baselines.returns import advantages, discount_of, lifetime_reward
from hank_mfg.solve.gradient.descent import descend
from hank_mfg.solve.gradient.game_spg import scores_along, trainable
from hank_mfg.solve.play.game_play import GamePlay, GameState, draw_uniforms, game_play, standardize
from hank_mfg.solve.settings import CrowdSettings

FORGET = 0.1  # weight of the latest update in the running size of returns
FARTHEST = 20.0  # bound of the log of a probability ratio


@dataclasses.dataclass(frozen=True)
class IPPO(CrowdSettings):
    """Settings of independent PPO; `RIPPO` makes those with memory.

    `paths` paths of common noise per update with `individuals` of each population on every one, `updates` in all;
    `epochs` passes over the update's paths in `minibatches` optimizer steps each. `learning_rate` falls linearly to
    `final_rate` times itself over all optimizer steps, `clip_norm` bounds the gradient. `clip_ratio`, c in the
    formulas, bounds how far the probability of an action moves; `gae_lambda`, lambda, weights errors further ahead.
    `entropy_weight` is that of the policy's entropy beside standardized advantages, falling linearly to `final_entropy`
    at 80 % of training; `value_weight` that of the critic's error. `memory` ("none", "gru", "lstm"), `units` and
    `width` shape the networks; `precision` is that of training.
    """

    individuals: int = 500
    paths: int = 8
    updates: int = 500
    epochs: int = 4
    minibatches: int = 2
    learning_rate: float = 3e-3
    final_rate: float = 0.01
    clip_norm: float = 1.0
    clip_ratio: float = 0.2
    gae_lambda: float = 0.95
    entropy_weight: float = 0.02
    final_entropy: float = 0.0
    value_weight: float = 0.5
    memory: str = "none"
    units: int = 32
    width: int = 64
    precision: str = "float32"

    def __post_init__(self):
        """Check every field. Raises ValueError naming the field, its value and the range."""
        self.check(
            counts=("individuals", "paths", "updates", "epochs", "minibatches"),
            positive=("learning_rate", "clip_norm", "clip_ratio"),
            shares=("final_rate", "gae_lambda"),
        )
        if self.paths % self.minibatches:
            raise ValueError(
                f"minibatches = {self.minibatches} must divide paths = {self.paths}: a minibatch holds whole paths."
            )
        self.price()

    def begin(self, game: AbstractGame, *, seed: int) -> "PPOTraining":
        """Training before the first update; `game` is in the training precision."""
        self.price(game)
        return PPOTraining(*begin_networks(game, self, seed=seed))

    def optimizer(self) -> optax.GradientTransformation:
        """Adam over all optimizer steps of training."""
        return falling_adam(self, self.updates * self.epochs * self.minibatches, eps=1e-5)

    def update(self, game: AbstractGame, training: "PPOTraining") -> tuple["PPOTraining", dict[str, Any]]:
        """One update on fresh paths: (training, report)."""
        key, path_key, crowd_key, order_key = jax.random.split(training.key, 4)
        play = game_play(game, training.strategies)
        uniforms = draw_uniforms(path_key, self.paths, game.horizon, game.draws, DTYPES[self.precision])
        signals, episodes = play_crowds(play, self.individuals, uniforms, key=crowd_key)
        flows = ((each.rewards, discount_of(game, each.discount)[0]) for each in episodes.values())
        objective = sum(lifetime_reward(*flow) for flow in flows)
        training, targets = compute_targets(training, signals, episodes, game, self)
        training, loss = fit(training, signals, targets, self, key=order_key)
        return training._replace(done=training.done + 1, key=key), {"loss": loss, "objective": objective}


def RIPPO(**settings) -> IPPO:  # noqa: N802
    """Settings of recurrent PPO: `IPPO` whose policy carries a gated recurrent unit."""
    return IPPO(**{"memory": "gru", **settings})


class PPOTraining(NamedTuple):
    """Everything that training carries from one update to the next; `sizes` are the units of each critic's values."""

    strategies: dict[str, Strategy]
    critics: dict[str, Strategy]
    sizes: dict[str, Array]
    optimizer: optax.OptState
    done: Array
    key: Array


class Episode(NamedTuple):
    """The record of individuals of one population on a path, (time, individuals) each; the inputs of networks.

    `discount` are their discount factors, None where all have that of the game.
    """

    sight: Sight
    states: Array
    options: Array
    rewards: Array
    discount: Array | None = None


class PPOTargets(NamedTuple):
    """The targets of one population on one path, time leading.

    `log_probabilities` (states, actions) of the policy that played; summed positive and negative advantages `gains` and
    `losses` at the same places; `visits` (states,) and the mean return there, `returns`, in units of the critic.
    """

    sight: Sight
    log_probabilities: Array
    gains: Array
    losses: Array
    visits: Array
    returns: Array


def crowd_play(
    play: GamePlay, individuals: int, *, observe: Observe | None = None, respond: Respond | None = None
) -> CrowdPlay:
    """The same game and strategies, played by sampled individuals."""
    memory = {name: strategy.initial_memory() for name, strategy in play.strategies.items()}

    def decide(aggregate: Aggregate, memory: dict[str, Array]):
        return play.decide(GameState(aggregate, memory))

    return CrowdPlay(play.game, individuals, decide, memory, observe, respond)


def categorical_strategies(game: AbstractGame, networks: dict[str, Any], *, seed: int) -> dict[str, Strategy]:
    """Strategies with one score per action, signals standardized. Raises ValueError where actions are an interval."""
    for name, population in game.populations.items():
        if not isinstance(population.actions, Discrete):
            raise ValueError(
                f"the actions of {name} are an interval, and this method needs a finite set: state the game with "
                "discrete actions, such as RSPGMacro(bins=20)."
            )
    strategies = make_strategies(game, networks, seed=seed, categorical=True)
    strategies = {name: patient(strategy, game.horizon) for name, strategy in strategies.items()}
    return standardize(game, strategies, seed=seed)


def patient(strategy: Strategy, horizon: int) -> Strategy:
    """The same strategy, a gated recurrent unit of which starts out remembering for 2 to `horizon` periods.

    Biases of the gates that keep are log u, u from 1 to `horizon` - 1 in equal ratios: a unit with gate sigmoid(log u)
    forgets the share 1/(1 + u) each period. With biases zero it forgets half, and what happened ten periods ago leaves
    no trace. Biases of what is taken in are 1 or -1, so that units count periods in which signals stand still.
    """
    if not isinstance(strategy.encoder, GRU):
        return strategy
    units, dtype = strategy.encoder.cell.hidden_size, strategy.whitening.mean.dtype
    gates = np.log(np.geomspace(1.0, max(horizon - 1.0, 1.0), units))
    taken = np.where(np.arange(units) % 2, -1.0, 1.0)
    bias = np.concatenate([np.zeros(units), gates, taken])  # of the gates that reset, that keep, of what is taken in
    return eqx.tree_at(lambda s: s.encoder.cell.bias, strategy, jnp.asarray(bias.astype(dtype)))


def make_critics(
    game: AbstractGame, strategies: dict[str, Strategy], networks: dict[str, Any], *, seed: int
) -> dict[str, Strategy]:
    """A network for each population with one output per individual state, zero at the start.

    It sees the signals as the strategies do, and the period; `networks` are the fields of `NetworkSettings` but for
    `signals` and `memory`: there is none.
    """
    aggregate = jax.eval_shape(lambda: game.start(jnp.full(game.draws, 0.5)))
    critics = {}
    for place, (name, strategy) in enumerate(strategies.items()):
        functions = jax.eval_shape(lambda a, name=name: game.features(name, a), aggregate)
        seen, dtype = strategy.whitening, strategy.whitening.mean.dtype
        mean = jnp.concatenate([seen.mean, jnp.zeros(game.horizon, dtype)])
        matrix = jax.scipy.linalg.block_diag(seen.matrix, jnp.sqrt(game.horizon) * jnp.eye(game.horizon, dtype=dtype))
        shape = (*(matrix.shape[1] for matrix in functions), 1)
        sizes = NetworkSettings(mean.shape[0], **{**networks, "memory": "none"})
        encoder, head = make_networks(sizes, shape, dtype, seed=seed + 1000 * place + 500)
        critics[name] = Strategy(encoder, head, Whitening(mean, matrix.astype(dtype)), 1)
    return critics


def values_along(critic: Strategy, signals: Array, sight: Sight) -> Array:
    """A critic's outputs along one path of signals from the first period on: (time, states)."""
    periods = jnp.eye(signals.shape[0], dtype=signals.dtype)
    return scores_along(critic, jnp.concatenate([signals, periods], axis=1), Sight(sight.functions, None))[..., 0]


def in_units(critic: Strategy, factor: Array) -> Strategy:
    """The critic with all outputs times `factor`: its last layers are linear."""
    last = lambda c: (c.head.linear.weight, c.head.linear.bias, c.head.output.weight)  # noqa: E731
    return eqx.tree_at(last, critic, tuple(factor * leaf for leaf in last(critic)))


def resize(critic: Strategy, size: Array, returns: Array, first: Array) -> tuple[Strategy, Array]:
    """The running size of returns after one more sample of them, and the critic whose values are what they were.

    `first` is true where there is no size yet.
    """
    fresh = jnp.maximum(jnp.sqrt(jnp.mean(returns**2)), jnp.finfo(returns.dtype).tiny ** 0.25)
    new = jnp.where(first, fresh, jnp.exp((1.0 - FORGET) * jnp.log(size) + FORGET * jnp.log(fresh)))
    return in_units(critic, size / new), new


def falling_adam(settings: Any, steps: int, eps: float) -> optax.GradientTransformation:
    """Adam with gradient clipping; the rate falls linearly over all optimizer `steps`."""
    schedule = optax.linear_schedule(settings.learning_rate, settings.final_rate * settings.learning_rate, steps)
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optax.flatten(optax.adam(schedule, eps=eps)))


def split_networks(networks: tuple[dict[str, Strategy], dict[str, Strategy]]):
    """Policies and critics parted into what gradient steps move and what they do not."""
    return eqx.partition(networks, tuple(trainable(part) for part in networks))


def begin_networks(game: AbstractGame, settings: Any, *, seed: int) -> tuple:
    """Before the first update: policies, critics, the units of their values, the state of the optimizer, the number of
    updates made, and the key. `game` is in the training precision."""
    strategies = categorical_strategies(game, settings.networks(), seed=seed)
    critics = make_critics(game, strategies, settings.networks(), seed=seed)
    optimizer = settings.optimizer().init(split_networks((strategies, critics))[0])
    sizes = {name: jnp.ones((), DTYPES[settings.precision]) for name in strategies}
    return strategies, critics, sizes, optimizer, jnp.zeros((), jnp.int32), jax.random.PRNGKey(seed)


def play_crowds(play: GamePlay, individuals: int, uniforms: Array, *, key: Array) -> tuple[Array, dict[str, Episode]]:
    """Sampled episodes on paths of common noise, paths leading: signals (paths, time, signals), and by population."""

    def record(step: CrowdStep):
        now = step.now
        episodes = {}
        for name in now.states:
            sight = look(play.game, name, now.aggregate, play.own[name])
            states, rewards = now.states[name], step.rewards[name]
            discount = own_discount(play.game, name, now.aggregate, play.game.place(name, states), rewards)
            episodes[name] = Episode(sight, states, step.options[name], rewards, discount)
        return step.decided.signal, episodes

    crowd = crowd_play(play, individuals)
    keys = jax.random.split(key, uniforms.shape[0])
    return jax.vmap(lambda u, k: sampled_rollout(crowd, u, key=k, record=record)[1])(uniforms, keys)


def at_cells(amounts: Array, cells: Array, shape: tuple[int, ...]) -> Array:
    """Sums of `amounts` (time, individuals) by period and cell (time, individuals): (time, *shape)."""
    count = 1
    for length in shape:
        count *= length
    sums = jax.vmap(lambda amount, cell: jnp.zeros(count, amounts.dtype).at[cell].add(amount))(amounts, cells)
    return sums.reshape(-1, *shape)


def path_targets(episode: Episode, log_probabilities: Array, advantage: Array, returns: Array) -> PPOTargets:
    """The targets of one path; `advantage` and `returns` (time, individuals) standardized and in units of the
    critic."""
    shape = log_probabilities.shape[1:]
    cells = episode.states * shape[1] + episode.options
    visits = at_cells(jnp.ones_like(returns), episode.states, shape[:1])
    return PPOTargets(
        episode.sight, log_probabilities,
        at_cells(jnp.maximum(advantage, 0.0), cells, shape), at_cells(jnp.minimum(advantage, 0.0), cells, shape),
        visits, at_cells(returns, episode.states, shape[:1]) / jnp.maximum(visits, 1.0),
    )  # fmt: skip


def clipped_objective(log_probabilities: Array, own_targets: PPOTargets, clip_ratio: float) -> Array:
    """The sum of min(rho A, clip(rho) A) over the individuals of a path; `log_probabilities` of the policy that
    learns."""
    ratio = jnp.exp(jnp.clip(log_probabilities - own_targets.log_probabilities, -FARTHEST, FARTHEST))
    gain = own_targets.gains * jnp.minimum(ratio, 1.0 + clip_ratio)
    return jnp.sum(gain + own_targets.losses * jnp.maximum(ratio, 1.0 - clip_ratio))


def ppo_loss(policy: Strategy, critic: Strategy, signals: Array, own_targets: PPOTargets, settings: tuple) -> Array:
    """The loss of one population on one path, summed over individuals; `settings` (IPPO, weight of entropy)."""
    ppo, entropy_weight = settings
    log_probabilities = jax.nn.log_softmax(scores_along(policy, signals, own_targets.sight))
    entropy = -jnp.sum(jnp.exp(log_probabilities) * log_probabilities, axis=-1)
    error = values_along(critic, signals, own_targets.sight) - own_targets.returns
    states = jnp.sum(own_targets.visits * (0.5 * ppo.value_weight * error**2 - entropy_weight * entropy))
    return states - clipped_objective(log_probabilities, own_targets, ppo.clip_ratio)


def compute_targets(
    training: PPOTraining, signals: Array, episodes: dict[str, Episode], game: AbstractGame, settings: IPPO
):
    """Targets of all paths for each population: (training with critics in new units, targets)."""
    critics, sizes, targets = {}, {}, {}
    for name, episode in episodes.items():
        strategy, critic, size = training.strategies[name], training.critics[name], training.sizes[name]
        log_probabilities = jax.nn.log_softmax(
            jax.vmap(lambda o, s, p=strategy: scores_along(p, o, s))(signals, episode.sight)
        )
        tables = size * jax.vmap(lambda o, s, c=critic: values_along(c, o, s))(signals, episode.sight)
        values = jnp.take_along_axis(tables, episode.states, axis=2)
        discount, axis = discount_of(game, episode.discount)
        gain = jax.vmap(lambda r, v, d: advantages(r, v, d, settings.gae_lambda), in_axes=(0, 0, axis))(
            episode.rewards, values, discount
        )
        critics[name], sizes[name] = resize(critic, size, gain + values, training.done == 0)
        standard = (gain - gain.mean()) / (gain.std() + 1e-8)
        targets[name] = jax.vmap(path_targets)(episode, log_probabilities, standard, (gain + values) / sizes[name])
    return training._replace(critics=critics, sizes=sizes), targets


def fit(training: PPOTraining, signals: Array, targets: dict[str, PPOTargets], settings: IPPO, *, key: Array):
    """All epochs over the update's paths: (training, mean loss)."""
    moving, fixed = split_networks((training.strategies, training.critics))
    fall = jnp.clip(1.0 - training.done / (0.8 * settings.updates), 0.0, 1.0).astype(signals.dtype)
    weight = settings.final_entropy + (settings.entropy_weight - settings.final_entropy) * fall

    def loss(moving, signals, targets):
        policies, critics = eqx.combine(moving, fixed)
        total = jnp.zeros((), signals.dtype)
        for name, own_targets in targets.items():
            one = lambda o, s, name=name: ppo_loss(policies[name], critics[name], o, s, (settings, weight))  # noqa: E731
            total += jnp.sum(jax.vmap(one)(signals, own_targets)) / jnp.sum(own_targets.visits)
        return total

    def batch(chosen):
        return jax.tree.map(lambda leaf: leaf[chosen], (signals, targets))

    orders = jax.vmap(lambda k: jax.random.permutation(k, settings.paths))(jax.random.split(key, settings.epochs))
    batches = orders.reshape(settings.epochs * settings.minibatches, -1)
    start = (moving, training.optimizer)
    (moving, optimizer), values = descend(loss, start, settings.optimizer(), batches, batch=batch)
    networks: Any = eqx.combine(moving, fixed)
    strategies, critics = networks
    return training._replace(strategies=strategies, critics=critics, optimizer=optimizer), values.mean()
