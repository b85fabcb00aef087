"""Agents with a table in a world that can only be stepped through: the same updates, one `env.step` each.

Every episode begins with a reset whose seed is a function of agent and episode, so that a run that is resumed
between two steps of the driver (each is one episode of every agent) is the uninterrupted one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context, NonFinite, Tree
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_gym import space_sizes, state_number
from dlkit.algorithms.qlearn_rollout import Rollout
from dlkit.algorithms.qlearn_table import METHODS, SUMS, agent_keys
from dlkit.algorithms.qlearn_world import ENDS, GOAL, World
from dlkit.kernels import chance
from dlkit.kernels.td import DOUBLE_Q, SARSA, bootstrap, epsilon_greedy, rate_of, updated

MASK = (1 << 64) - 1


class SteppedAgents(Agents):
    """Q-learning and its relatives through `env.step`."""

    parallel = False
    on_gpu = False

    def __init__(
        self, recipe: Any, world: World, horizon: int, context: Context, make: Callable[[], Any] | None
    ) -> None:
        super().__init__(recipe, world, horizon, context)
        self.method = METHODS[recipe.method]
        tables = 2 if self.method == DOUBLE_Q else 1
        self.tables = np.full((self.count, tables, *world.size), recipe.function.initial / tables)
        self.visits = np.zeros((self.count if recipe.alpha.half else 0, *world.size), np.int32)
        self.keys = [int(key) & MASK for key in agent_keys(context.streams, self.count)]
        self.sums = np.zeros((self.count, len(SUMS)))
        self.played = 0
        self.epsilon = self.alpha = math.nan
        self._make, self._env = make, None

    @property
    def env(self) -> Any:
        """The environment, made when it is needed: questions to a finished run need none."""
        if self._env is None:
            assert self._make is not None
            self._env = self._make()
        return self._env

    def shards(self, threads: int) -> int:
        return 1

    @property
    def steps(self) -> int:
        return int(self.recipe.episodes)

    def begin_epoch(self) -> None:
        self.sums[...] = 0
        self.played = 0

    def step(self, epoch: int, number: int) -> tuple[int, float | None]:
        episode = (epoch - 1) * self.recipe.episodes + number - 1
        self.epsilon = float(self.recipe.epsilon.at(episode, 1, self.total)[0])
        self.alpha = float(self.recipe.alpha.at(episode, 1, self.total)[0])
        before = self.sums[:, 1].sum()
        for k in range(self.count):
            self.sums[k] += self._episode(k, episode)
        self.played += 1
        return int(self.sums[:, 1].sum() - before), None

    def _episode(self, k: int, episode: int) -> tuple[float, int, bool]:
        """One episode of agent k: return, length, success. The loop of kernels/td.py, world apart."""
        recipe, env, sizes = self.recipe, self.env, space_sizes(self.env)
        key = chance.draw(self.keys[k], episode + 1)
        observation, _ = env.reset(seed=chance.draw(key, 0) >> 33)
        s, total, t, a = state_number(observation, sizes), 0.0, 0, -1
        while t < self.horizon:
            a = self._action(k, s, key, t) if a < 0 else a
            observation, reward, ended, cut, _ = env.step(a)
            after, total, a2, ahead = state_number(observation, sizes), total + float(reward), -1, 0.0
            coin = chance.draw(key, 3 * t + 2) & 1 if self.method == DOUBLE_Q else 0
            mine, judge = self.tables[k, coin], self.tables[k, len(self.tables[k]) - 1 - coin]
            if not ended:
                a2 = self._action(k, after, key, t + 1) if self.method == SARSA else -1
                n = self.world.size[1]
                ahead = bootstrap(self.method, mine[after], judge[after], n, self.epsilon, a2)
            rate = self.alpha
            if recipe.alpha.half:
                rate = rate_of(rate, recipe.alpha.half, int(self.visits[k, s, a]))
                self.visits[k, s, a] += 1
            mine[s, a] = updated(float(mine[s, a]), rate, float(reward), recipe.discount, ahead)
            s, t, a = after, t + 1, a2
            if ended or cut:
                return total, t, bool(ended and reward > 0)
        return total, t, False

    def _action(self, k: int, s: int, key: int, t: int) -> int:
        values = self.tables[k, :, s].sum(axis=0)
        bits, coin = chance.draw(key, 3 * t + 1), chance.draw(key, 3 * t + 3)
        ties = int(self.recipe.function.ties == "random")
        return epsilon_greedy(values, self.world.size[1], self.epsilon, bits, coin, ties)

    def figures(self) -> dict[str, Any]:
        if not np.isfinite(self.q()).all():
            raise NonFinite(math.inf, "the action values")
        sums = self.sums / max(self.played, 1)
        figures: dict[str, Any] = {name: sums[:, k] for k, name in enumerate(SUMS)}
        return figures | {"epsilon": self.epsilon, "alpha": self.alpha}

    def q(self) -> np.ndarray:
        return self.tables.sum(axis=1)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        arrays = {name: getattr(self, name).copy() for name in ("tables", "visits", "sums")}
        return arrays | {"played": self.played, "epsilon": self.epsilon, "alpha": self.alpha}

    def load(self, state: Tree) -> None:
        for name in ("tables", "visits", "sums"):
            array = getattr(self, name)
            if state[name].shape != array.shape or not np.isfinite(state[name]).all():
                raise ValueError(f"{name}: expected finite numbers of shape {array.shape}")
            array[...] = state[name]
        self.played, self.epsilon, self.alpha = state["played"], state["epsilon"], state["alpha"]


def stepped_rollout(env: Any, q: np.ndarray, episodes: int, horizon: int, streams: Any) -> Rollout:
    """Episodes of the policy that is greedy for q (S, A), without exploration and learning."""
    sizes, policy = space_sizes(env), q.argmax(1)
    seeds = streams.get("rollout").integers(1 << 31, size=episodes).tolist()
    returns, lengths, endings = np.zeros(episodes), np.zeros(episodes, np.int32), np.zeros(episodes, np.uint8)
    for e, seed in enumerate(seeds):
        observation, _ = env.reset(seed=seed)
        for t in range(horizon):
            observation, reward, ended, cut, _ = env.step(int(policy[state_number(observation, sizes)]))
            returns[e] += float(reward)
            lengths[e] = t + 1
            if ended or cut:
                endings[e] = (GOAL if reward > 0 else ENDS) if ended else 0
                break
    return Rollout(returns, lengths, endings)
