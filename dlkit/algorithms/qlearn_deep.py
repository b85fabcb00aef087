"""Deep Q-learning: a network gives the action values of a state it is shown (Mnih et al. 2015).

    y = r + gamma max_a' Q(s', a'; theta-)       loss = huber(y - Q(s, a; theta))

theta- is the target network, renewed now and then from theta; double_q lets theta choose the action that
theta- judges (van Hasselt et al. 2016). Actors play side by side and put their steps into the replay, from
which each update draws a batch. Everything, the world included, lies where the network does: the host only
draws numbers, from the streams "act" and "replay" at (agent, epoch, step), and never waits for a step.
"""

import math
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import LayerRow, NonFinite, Tree
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_world import GOAL, World
from dlkit.autograd import Tape
from dlkit.nn import optimizers, schedules
from dlkit.nn.layer_list import network
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss, worthwhile_shards
from dlkit.nn.summary import layer_table
from dlkit.ops.losses import squared_error

SUMS = ("return", "length", "success", "episodes", "loss", "updates")
CHUNK = 1024
"""States that the network is shown at a time when all values are asked for."""
GPU_CHECK_STEPS = 100


def features_of(world: World, kind: str) -> np.ndarray:
    """(S, D) what the network sees of each state: one of n for each factor, or one of all states."""
    n = len(world.states)
    if kind == "one_hot":
        return np.eye(n)
    sizes = world.factors.max(axis=0) + 1
    return np.concatenate(
        [np.eye(size)[column] for size, column in zip(sizes, world.factors.T, strict=True)], 1
    )


class Actions:
    """The world on the device: outcomes of every pair, padded to the most that any pair has."""

    def __init__(self, world: World, backend: Any) -> None:
        table = world.table
        assert table is not None
        counts = np.diff(table.first)
        width = max(int(counts.max(initial=1)), 1)
        at = table.first[:-1, None] + np.minimum(np.arange(width), np.maximum(counts - 1, 0)[:, None])
        at = np.minimum(at, len(table.following) - 1)
        beyond = np.arange(width) >= counts[:, None] - 1  # the last outcome takes what rounding leaves
        cumulative = np.where(beyond, 2.0, table.cumulative[at])
        self.cumulative = backend.asarray(cumulative, np.float64)
        self.following = backend.asarray(table.following[at])
        self.rewards = backend.asarray(table.rewards[at])
        self.ends = backend.asarray(table.ends[at].astype(np.int32))
        starts = world.start_cumulative.copy()
        starts[-1] = 2.0
        self.start_cumulative, self.starts = (
            backend.asarray(starts, np.float64),
            backend.asarray(world.starts),
        )
        self.choices = backend.asarray(world.choices)
        self.width = world.size[1]
        there = np.arange(self.width) < world.choices[:, None]
        self.barred = (
            None if there[world.choices > 0].all() else backend.asarray(np.where(there, 0.0, -np.inf))
        )

    def first_states(self, u: Any) -> Any:
        """(B,) int32 a start for each u (B,) in [0, 1)."""
        return self.starts[(u[:, None] >= self.start_cumulative).sum(axis=1)]

    def follow(self, states: Any, actions: Any, u: Any) -> tuple[Any, Any, Any]:
        """(next states, rewards, what becomes of the episodes)."""
        row = states * self.width + actions
        o = (u[:, None] >= self.cumulative[row]).sum(axis=1)
        return self.following[row, o], self.rewards[row, o], self.ends[row, o]

    def masked(self, q: Any, states: Any) -> Any:
        """Action values in which no action wins that the state does not have."""
        return q if self.barred is None else q + self.barred[states]


class DeepAgent:
    """One network with its target, its replay and the actors that fill it."""

    def __init__(self, recipe: Any, world: World, horizon: int, context: Any, number: int) -> None:
        self.recipe, self.spec, self.horizon, self.context = recipe, recipe.function, horizon, context
        self.number = number
        spec, backend = self.spec, context.backend
        self.actions = Actions(world, backend)
        self.features = backend.asarray(features_of(world, spec.features))
        width = (self.features.shape[1],)
        self.online, self.target = (
            network(spec.model, width, world.size[1], activation=spec.activation) for _ in range(2)
        )
        for module in (self.online, self.target):  # the target begins as the network itself
            if context.describes_only:
                Flat(module, backend)
            else:
                Flat.allocate(module, backend, context.streams, name=f"init {number}")
            module.walk()
        self.tape = Tape(backend, product=context.team.product)
        self.update = GradientStep(
            self.online, optimizers.build(spec.optimizer, self.online.flat), backend, context.team,
            context.streams, clip=spec.optimizer.clip, stream_name=f"noise {number}",
        )  # fmt: skip
        self.schedule = schedules.build(spec.optimizer, recipe.epochs)
        rows = -(-spec.replay // spec.actors) * spec.actors  # a whole number of steps of all actors
        ints, real = np.int32, backend.dtype
        kinds = {"states": ints, "actions": ints, "after": ints, "rewards": real, "over": real}
        self.replay = {name: backend.zeros(rows, kind) for name, kind in kinds.items()}
        self.rows = rows
        self.done = 0
        """Steps of all actors so far."""
        self.updates = 0
        self.here = backend.zeros(spec.actors, np.int32)
        self.returns, self.ages = (
            backend.zeros(spec.actors, np.float64),
            backend.zeros(spec.actors, np.float64),
        )
        self.sums = backend.zeros(len(SUMS), np.float64)
        self._rows = backend.asarray(np.arange(spec.batch))

    # -- acting -----------------------------------------------------------------------------------
    def values(self, module: Any, states: Any) -> Any:
        """(n, A) action values of states (n,) on the device; they hold until the next call."""
        self.tape.begin(training=False)
        with np.errstate(all="ignore"):
            return module(self.tape, self.tape.constant(self.features[states])).data

    def step(self, epoch: int, number: int, epsilon: float, done: float) -> float | None:
        """A step of every actor, and an update where it is due; returns its loss where at hand."""
        backend, spec, actions = self.context.backend, self.spec, self.actions
        xp = backend.xp
        rng = self.context.streams.get("act", self.number, epoch, number)
        drawn = rng.random((4, spec.actors))
        explores = backend.asarray(drawn[0] < epsilon)
        u = backend.asarray(drawn[1:], np.float64)
        if self.done == 0:
            self.here = actions.first_states(u[2])
        q = actions.masked(self.values(self.online, self.here), self.here)
        tried = (u[0] * actions.choices[self.here]).astype(np.int32)
        chosen = xp.where(explores, tried, q.argmax(axis=1).astype(np.int32))
        after, rewards, ends = actions.follow(self.here, chosen, u[1])
        at = self.done * spec.actors % self.rows
        part = slice(at, at + spec.actors)
        kept = {"states": self.here, "actions": chosen, "after": after, "rewards": rewards, "over": ends > 0}
        for name, values in kept.items():
            self.replay[name][part] = values
        self._count(after, rewards, ends, actions.first_states(u[2]))
        self.done += 1
        filled = min(self.done * spec.actors, self.rows)
        if filled < max(spec.warm_up, 1) or self.done % spec.update_every:
            return None
        return self._learn(epoch, number, filled, done)

    def _count(self, after: Any, rewards: Any, ends: Any, starts: Any) -> None:
        """Add up what has been played; actors whose episode is over begin another."""
        xp = self.context.backend.xp
        self.returns += rewards
        self.ages += 1
        over = (ends > 0) | (self.ages >= self.horizon)
        self.sums[0] += xp.where(over, self.returns, 0).sum()
        self.sums[1] += xp.where(over, self.ages, 0).sum()
        self.sums[2] += (ends == GOAL).sum()
        self.sums[3] += over.sum()
        self.here = xp.where(over, starts, after)
        self.returns = xp.where(over, 0, self.returns)
        self.ages = xp.where(over, 0, self.ages)

    # -- learning -----------------------------------------------------------------------------------
    def _learn(self, epoch: int, number: int, filled: int, done: float) -> float | None:
        backend, spec = self.context.backend, self.spec
        rng = self.context.streams.get("replay", self.number, epoch, number)
        rows = backend.asarray(rng.integers(0, filled, spec.batch))
        batch = {name: array[rows] for name, array in self.replay.items()}
        wanted = batch["rewards"] + self.recipe.discount * (1 - batch["over"]) * self._ahead(batch["after"])
        shown = self.features[batch["states"]]

        def loss(tape: Tape, shard: int, mine: slice) -> Any:
            q = self.online(tape, tape.constant(shown[mine]))
            index, taken = self._rows[: len(q.data)], batch["actions"][mine]
            error = wanted[mine] - q.data[index, taken]
            error = error.clip(-1, 1).astype(q.data.dtype)  # its square has the slope of Huber's loss
            targets = q.data.copy()
            targets[index, taken] += error
            total, losses = squared_error(tape, q, targets, 1 / spec.batch)
            self.sums[4] += losses.sum(dtype=np.float64)
            return total, None

        try:
            found = self.update(spec.batch, loss, self.schedule.lr(done), (epoch, number))
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or "the loss itself") from error
        self.updates += 1
        self.sums[5] += 1
        if found is None and self.updates % GPU_CHECK_STEPS == 0:
            self.refuse_nonfinite()
        if self.updates % spec.target_every == 0:
            self.target.flat.data[...] = self.online.flat.data
        return found

    def _ahead(self, states: Any) -> Any:
        """(n,) the target network's value of the best action, best by its own judgement or by the other's."""
        double = self.recipe.method == "double_q"
        best = None
        if double:
            best = self.actions.masked(self.values(self.online, states), states).argmax(axis=1)
        q = self.actions.masked(self.values(self.target, states), states)
        found = q.max(axis=1) if best is None else q[self._rows, best]
        barred = self.actions.barred
        return found if barred is None else self.context.backend.xp.where(found > -np.inf, found, 0)

    def refuse_nonfinite(self) -> None:
        """Where the device is not waited for, the sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.update.not_finite()) or "the loss itself")

    def q(self, states: int) -> np.ndarray:
        """(S, A) float64."""
        asarray, host = self.context.backend.asarray, self.context.backend.to_host
        parts = [asarray(np.arange(lo, min(lo + CHUNK, states))) for lo in range(0, states, CHUNK)]
        return np.concatenate([np.array(host(self.values(self.online, part)), np.float64) for part in parts])

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        self.refuse_nonfinite()
        host = self.context.backend.to_host
        arrays = {name: np.array(host(getattr(self, name))) for name in ("here", "returns", "ages", "sums")}
        return arrays | {
            "online": self.online.state(),
            "target": self.target.state(),
            "optimizer": self.update.optimizer.state(),
            "replay": {name: np.array(host(array)) for name, array in self.replay.items()},
            "done": self.done,
            "updates": self.updates,
        }

    def load(self, state: Tree) -> None:
        asarray = self.context.backend.asarray
        self.online.load(state["online"])
        self.target.load(state["target"])
        self.update.optimizer.load(state["optimizer"])
        for name in ("here", "returns", "ages", "sums"):
            setattr(self, name, _fitting(name, state[name], getattr(self, name), asarray))
        for name, array in self.replay.items():
            self.replay[name] = _fitting(name, state["replay"][name], array, asarray)
        states = len(self.features)
        for values, end in (
            (state["here"], states), (state["replay"]["states"], states), (state["replay"]["after"], states),
            (state["replay"]["actions"], self.actions.width),
        ):  # fmt: skip
            if values.size and not 0 <= values.min() <= values.max() < end:
                raise ValueError(f"a number outside 0 .. {end - 1}")
        self.done, self.updates = state["done"], state["updates"]


def _fitting(name: str, given: np.ndarray, like: Any, asarray: Any) -> Any:
    """`given` on the device, if it has the shape of `like` and is finite."""
    if given.shape != like.shape or not np.isfinite(given).all():
        raise ValueError(f"{name}: expected finite numbers of shape {like.shape}")
    return asarray(given, like.dtype)


class DeepAgents(Agents):
    """Networks that learn apart from each other, one after the other in every step."""

    parallel = False

    def __init__(self, recipe: Any, world: World, horizon: int, context: Any) -> None:
        super().__init__(recipe, world, horizon, context)
        self.agents = [DeepAgent(recipe, world, horizon, context, k) for k in range(self.count)]
        self.epsilon = math.nan

    def shards(self, threads: int) -> int:
        agent = self.agents[0]
        products = agent.online.products((agent.features.shape[1],))
        return worthwhile_shards(products, self.recipe.function.batch, threads, self.recipe.split)

    @property
    def steps(self) -> int:
        return int(self.recipe.function.steps)

    @property
    def total(self) -> int:
        return self.steps * int(self.recipe.epochs)

    def begin_epoch(self) -> None:
        for agent in self.agents:
            agent.sums[...] = 0

    def step(self, epoch: int, number: int) -> tuple[int, float | None]:
        before = (epoch - 1) * self.steps + number - 1
        self.epsilon = float(self.recipe.epsilon.at(before, 1, self.total)[0])
        done = epoch - 1 + (number - 0.5) / self.steps
        losses = [agent.step(epoch, number, self.epsilon, done) for agent in self.agents]
        known = [loss for loss in losses if loss is not None]
        return self.count * int(self.recipe.function.actors), sum(known) / len(known) if known else None

    def figures(self) -> dict[str, Any]:
        for agent in self.agents:
            agent.refuse_nonfinite()
        sums = np.stack([self.context.backend.to_host(agent.sums) for agent in self.agents])
        figures: dict[str, Any] = {"epsilon": self.epsilon}
        episodes, updates = sums[:, 3], sums[:, 5] * self.recipe.function.batch
        if episodes.all():
            figures |= {name: sums[:, k] / episodes for k, name in enumerate(SUMS[:3])}
        if updates.all():
            figures["loss"] = sums[:, 4] / updates
        return figures

    def q(self) -> np.ndarray:
        return np.stack([agent.q(len(self.world.states)) for agent in self.agents])

    def state(self) -> Tree:
        return {f"agent {k}": agent.state() for k, agent in enumerate(self.agents)} | {
            "epsilon": self.epsilon
        }

    def load(self, state: Tree) -> None:
        for k, agent in enumerate(self.agents):
            agent.load(state[f"agent {k}"])
        self.epsilon = state["epsilon"]

    def layers(self) -> list[LayerRow]:
        agent = self.agents[0]
        return [LayerRow(*row) for row in layer_table(agent.online, (agent.features.shape[1],))]

    @property
    def parameters(self) -> int:
        return int(self.agents[0].online.flat.size)

    def network(self, agent: int) -> Tree | None:
        return self.agents[agent].online.state()
