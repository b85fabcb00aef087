"""Policies with a network: Thompson sampling by dropout, and epsilon-greedy over any estimates.

The network f takes a context and gives the expected reward of every action; it learns from the rewards of the
actions that were taken:  minimise the mean of 1/2 (f(x)_a - r/scale)^2 over all decisions so far.

Under dropout a pass through f is a pass through one network drawn from an approximate posterior over its
weights (Gal & Ghahramani 2016): W is the masks, and the best action by that one pass is Thompson sampling.
"""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.bandit_policies import (
    POLICIES,
    EpsilonGreedy,
    LinearPolicy,
    Means,
    Policy,
    PolicyBase,
    Thompson,
    Tree,
    UniformSpec,
    shares,
)
from dlkit.algorithms.bandit_posterior import LinearPosterior
from dlkit.algorithms.bandit_world import History, Situation
from dlkit.algorithms.protocol import NonFinite
from dlkit.autograd import Tape
from dlkit.backend.threads import Team
from dlkit.errors import UsageError
from dlkit.nn import optimizers
from dlkit.nn.init import HeSpec, InitSpec
from dlkit.nn.layer_list import ActivationName, DenseSpec, DropoutSpec, LayerList, network
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss
from dlkit.ops.losses import squared_error
from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Named

SPREAD_DRAWS = 100
"""Dropout passes behind the standard deviation of an expected reward."""
ROOM = 1 << 16
"""Rows that a pass may have."""


class NetworkSpec(Spec):
    """A network and how it keeps up with the data."""

    model: LayerList = Field(
        [DenseSpec(units=50), DropoutSpec(p=0.05), DenseSpec(units=50), DropoutSpec(p=0.05)],
        description="Hidden layers; the output layer has a number for each action.",
        json_schema_extra={"aka": ["layers", "network"]},
    )
    activation: ActivationName = Field("relu", description="Activation of layers that name none.")
    init: InitSpec = Field(HeSpec(), description="Initial weights of layers that name none.")
    optimizer: OptimizerSpec = Field(AdamSpec(), description="How the weights are updated.")
    batch: int = Field(
        256, ge=1, description="Earlier decisions in a gradient step, drawn anew each time.",
        json_schema_extra={"aka": ["batch_size"]},
    )  # fmt: skip
    every: int = Field(20, ge=1, description="Decisions between two rounds of learning.")
    updates: int = Field(20, ge=1, description="Gradient steps in a round.")


class NetworkPolicy(Policy):
    """Expected rewards by a network. `noisy`: choose under dropout."""

    REMEMBERS: ClassVar[bool] = True

    def __init__(self, spec: Any, situation: Situation, *, noisy: bool) -> None:
        self.spec, self.noisy = spec, noisy
        self.streams, self.backend = situation.streams, situation.backend
        arms = len(situation.arms)
        extreme = max(abs(situation.low), abs(situation.high))
        self.scale = extreme if np.isfinite(extreme) and extreme > 0 else 1.0
        self.model = network(spec.model, (situation.width,), arms, activation=spec.activation, init=spec.init)
        if noisy and not self.model.has_noise():
            raise UsageError("this network has no dropout to draw from", where="policy.model")
        self.flat = Flat.allocate(self.model, self.backend, self.streams)
        optimizer = optimizers.build(spec.optimizer, self.flat, self.streams, spec.batch)
        self.step = GradientStep(
            self.model, optimizer, self.backend, Team(1, 1), self.streams, clip=spec.optimizer.clip
        )
        self.tape = Tape(self.backend)
        self.decisions = self.rounds = 0

    def _forward(self, x: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """(n, K) expected rewards; rng: under dropout masks drawn from it."""
        parts = []
        for start in range(0, max(len(x), 1), ROOM):
            self.tape.begin(training=False, noise=rng is not None, rng=rng)
            rows = self.backend.asarray(np.ascontiguousarray(x[start : start + ROOM], self.backend.dtype))
            f = self.model(self.tape, self.tape.constant(rows))
            parts.append(self.scale * self.backend.to_host(f.data).astype(np.float64))
        return np.concatenate(parts)

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        """W is drawn while the network is passed through: here is what it is drawn from."""
        return (rng, draws) if self.noisy else (None, 1)

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        rng, draws = w
        if not self.model.has_noise(of_weights=True):
            return shares(self._forward(np.tile(x, (draws, 1)), rng))
        return shares(np.concatenate([self._forward(x[None], rng) for _ in range(draws)]))

    def update(self, data: History) -> None:
        self.decisions += 1
        if self.decisions % self.spec.every:
            return
        self.rounds += 1
        rng = self.streams.get("minibatch", self.rounds)
        for number in range(1, self.spec.updates + 1):
            self._learn(data, rng.integers(data.size, size=min(self.spec.batch, data.size)), number)

    def _learn(self, data: History, chosen: np.ndarray, number: int) -> None:
        """One gradient step on some of the data."""
        x = self.backend.asarray(data.contexts[data.rows[chosen]].astype(self.backend.dtype))
        rows, actions = np.arange(len(chosen)), data.actions[chosen]
        rewards = (data.rewards[chosen] / self.scale).astype(self.backend.dtype)

        def loss(tape: Tape, shard: int, part: slice) -> Any:
            f = self.model(tape, tape.constant(x[part]))
            target = f.data.copy()  # no error where no reward is known
            target[rows[part], actions[part]] = rewards[part]
            return squared_error(tape, f, target, 1 / len(chosen))[0], None

        try:
            self.step(len(chosen), loss, self.spec.optimizer.lr, (self.rounds, number))
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or "the loss itself") from error

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = self._forward(x, None)
        if not self.model.has_noise():
            return mean, np.zeros_like(mean)
        rng = self.streams.get("spread")
        draws = np.stack([self._forward(x, rng) for _ in range(SPREAD_DRAWS if self.noisy else 0)] or [mean])
        return (draws.mean(0) if self.noisy else mean), draws.std(0)

    def state(self) -> Tree:
        return {
            "model": self.model.state(),
            "optimizer": self.step.optimizer.state(),
            "decisions": self.decisions,
            "rounds": self.rounds,
        }

    def load(self, state: Tree) -> None:
        self.model.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.decisions, self.rounds = int(state["decisions"]), int(state["rounds"])


@POLICIES.add(aka=("dropout",))
class DropoutThompsonSpec(NetworkSpec, PolicyBase):
    """Thompson sampling with a network under dropout (Gal & Ghahramani 2016)."""

    name: Literal["thompson_dropout"] = Field(
        "thompson_dropout", description="A network's dropout masks are the draw of W."
    )

    def policy(self, situation: Situation) -> Policy:
        return NetworkPolicy(self, situation, noisy=True)


# -- epsilon-greedy -----------------------------------------------------------------------------------------
ESTIMATES = Named("kind of estimates", default="auto")


class EstimatesBase(Spec):
    """Where expected rewards come from."""

    name: str = Field(description="Which estimates.")

    def policy(self, situation: Situation) -> Policy:
        """A policy of which `values` and `update` are used."""
        raise NotImplementedError


@ESTIMATES.add()
class MeansSpec(EstimatesBase):
    """The mean reward of each arm, whatever the context."""

    name: Literal["means"] = Field("means", description="Mean reward of each arm.")

    def policy(self, situation: Situation) -> Policy:
        return UniformSpec().policy(situation)


@ESTIMATES.add(aka=("ridge",))
class LinearSpec(EstimatesBase):
    """Ridge regression of each arm's rewards on the context."""

    name: Literal["linear"] = Field("linear", description="Ridge regression for each arm.")
    precision: float = Field(1.0, gt=0, description="λ of the ridge.", json_schema_extra={"aka": ["lambda"]})

    def policy(self, situation: Situation) -> Policy:
        return LinearEstimates(
            LinearPosterior(len(situation.arms), situation.width, precision=self.precision)
        )


class LinearEstimates(LinearPolicy):
    """The posterior's means alone."""

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        return self.posterior.mu

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return shares((w @ x)[None])


@ESTIMATES.add()
class NetworkEstimatesSpec(NetworkSpec, EstimatesBase):
    """A network; dropout, where it has some, regularises it, and is off when it chooses."""

    name: Literal["network"] = Field("network", description="A network for all arms.")

    def policy(self, situation: Situation) -> Policy:
        return NetworkPolicy(self, situation, noisy=False)


@ESTIMATES.add()
class AutoEstimatesSpec(EstimatesBase):
    """means where there are no contexts, else linear."""

    name: Literal["auto"] = Field("auto", description="means without contexts, else linear.")

    def policy(self, situation: Situation) -> Policy:
        return (MeansSpec() if situation.width == 1 else LinearSpec()).policy(situation)


@POLICIES.add(aka=("egreedy", "greedy", "eps_greedy"))
class EpsilonGreedySpec(PolicyBase):
    """Now and then an action by chance, else the one that seems best."""

    name: Literal["epsilon_greedy"] = Field(
        "epsilon_greedy", description="A random action with probability ε, else the best estimate."
    )
    epsilon: float = Field(0.1, ge=0, le=1, description="ε: share of decisions left to chance.")
    half_life: float | None = Field(
        None, gt=0, description="Decisions after which ε is half; null: constant."
    )
    estimates: Annotated[Spec, ESTIMATES] = Field(
        AutoEstimatesSpec(),
        description="Expected rewards: means, linear or network.",
        json_schema_extra={"flag": False},
    )

    def policy(self, situation: Situation) -> Policy:
        estimates = self.estimates.policy(situation)  # type: ignore[attr-defined]
        return EpsilonGreedy(estimates, len(situation.arms), self.epsilon, self.half_life)


@POLICIES.add()
class AutoSpec(PolicyBase):
    """thompson where rewards are 0 or 1 and there are no contexts, else thompson_linear."""

    name: Literal["auto"] = Field("auto", description="thompson for arms of 0 and 1, else thompson_linear.")

    def settled(self, situation: Situation) -> PolicyBase:
        """The policy's spec for this world."""
        plain = situation.width == 1 and situation.low >= 0 and situation.high <= 1
        return POLICIES.read("thompson" if plain else "thompson_linear")  # type: ignore[return-value]

    def policy(self, situation: Situation) -> Policy:
        return self.settled(situation).policy(situation)


__all__ = [
    "ESTIMATES",
    "AutoSpec",
    "DropoutThompsonSpec",
    "EpsilonGreedySpec",
    "Means",
    "NetworkPolicy",
    "Thompson",
]
