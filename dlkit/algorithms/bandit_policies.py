"""How a bandit chooses: the policies of the recipe without a network. Those with one: bandit_networks.py.

A policy has a q(W), what it believes of the world's parameters. `sample` draws W from it (or gives its
estimates), `choose` says with which probability each action is taken in context x under W, and `update` takes
the newest (x, a, r) into q(W).
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.bandit_posterior import BetaPosterior, LinearPosterior
from dlkit.algorithms.bandit_world import History, Situation
from dlkit.errors import UsageError
from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Named

Tree = dict[str, Any]
POLICIES = Named("policy", default="thompson")


def shares(best: np.ndarray) -> np.ndarray:
    """(K,) probabilities from values (draws, K): the share of draws in which an action is the best one.

    Actions that tie share the draw.
    """
    top = best == best.max(1, keepdims=True)
    return (top / top.sum(1, keepdims=True)).mean(0)


class Policy(ABC):
    """One policy in one world."""

    REMEMBERS: ClassVar[bool] = False
    """Needs all that has happened, not only the newest."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        """W ~ q(W), so many of them."""

    @abstractmethod
    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        """(K,) probability of each action in context x (d,), given W."""

    @abstractmethod
    def update(self, data: History) -> None:
        """Take the newest (x, a, r) of the data into q(W)."""

    @abstractmethod
    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected reward of each action in contexts x (n, d) and what is not known of it: (n, K) each."""

    @abstractmethod
    def state(self) -> Tree: ...

    @abstractmethod
    def load(self, state: Tree) -> None: ...


class PolicyBase(Spec):
    """What the policies' specs have in common."""

    name: str = Field(description="Which policy.")

    def policy(self, situation: Situation) -> Policy:
        """A policy that knows nothing yet."""
        raise NotImplementedError


# -- means of the arms ----------------------------------------------------------------------------------
class Means(Policy):
    """Number and mean of each arm's rewards."""

    def __init__(self, arms: int) -> None:
        self.count = np.zeros(arms)
        self.mean = np.zeros(arms)

    def update(self, data: History) -> None:
        _, a, r = data.newest
        self.count[a] += 1
        self.mean[a] += (r - self.mean[a]) / self.count[a]

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spread = 1 / np.sqrt(np.maximum(self.count, 1))
        return np.tile(self.mean, (len(x), 1)), np.tile(spread, (len(x), 1))

    def state(self) -> Tree:
        return {"count": self.count.copy(), "mean": self.mean.copy()}

    def load(self, state: Tree) -> None:
        self.count[...], self.mean[...] = state["count"], state["mean"]


class Uniform(Means):
    """Every action equally often."""

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        return None

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return np.full(len(self.mean), 1 / len(self.mean))


@POLICIES.add(aka=("random",))
class UniformSpec(PolicyBase):
    """Chance alone: the control, and the best author of a log."""

    name: Literal["uniform"] = Field("uniform", description="Every action with the same probability.")

    def policy(self, situation: Situation) -> Policy:
        return Uniform(len(situation.arms))


class UCB1(Means):
    """argmax_a mean_a + scale sqrt(2 log t / n_a); an arm never tried comes first (Auer et al. 2002)."""

    def __init__(self, arms: int, scale: float) -> None:
        super().__init__(arms)
        self.scale = scale

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        t = self.count.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = self.mean + self.scale * np.sqrt(2 * np.log(max(t, 1.0)) / self.count)
        return np.where(self.count > 0, bound, np.inf)

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return shares(w[None])


@POLICIES.add(aka=("ucb",))
class UCB1Spec(PolicyBase):
    """Optimism about arms that are little known (Auer, Cesa-Bianchi & Fischer 2002)."""

    name: Literal["ucb1"] = Field("ucb1", description="Highest mean + scale √(2 ln t / n).")
    scale: float = Field(1.0, gt=0, description="Width of the range in which rewards lie.")

    def policy(self, situation: Situation) -> Policy:
        return UCB1(len(situation.arms), self.scale)


# -- Beta-Bernoulli ---------------------------------------------------------------------------------------
class Thompson(Policy):
    """W: the probabilities of success, from their Beta posteriors (Thompson 1933)."""

    def __init__(self, arms: int, alpha: float, beta: float) -> None:
        self.posterior = BetaPosterior(arms, alpha, beta)

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        return self.posterior.sample(rng, draws)

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return shares(w)

    def update(self, data: History) -> None:
        _, a, r = data.newest
        self.posterior.update(a, r)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(self.posterior.mean, (len(x), 1)), np.tile(self.posterior.sd, (len(x), 1))

    def state(self) -> Tree:
        return self.posterior.state()

    def load(self, state: Tree) -> None:
        self.posterior.load(state)


@POLICIES.add(aka=("thompson_sampling", "beta"))
class ThompsonSpec(PolicyBase):
    """Thompson sampling with Beta posteriors, for rewards of 0 and 1."""

    name: Literal["thompson"] = Field("thompson", description="Beta posterior of each arm's mean.")
    alpha: float = Field(1.0, gt=0, description="Successes that the prior is worth.")
    beta: float = Field(1.0, gt=0, description="Failures that the prior is worth.")

    def policy(self, situation: Situation) -> Policy:
        if situation.low < 0 or situation.high > 1:
            found = f"here they lie between {situation.low:g} and {situation.high:g}"
            hint = "thompson_linear takes any rewards"
            raise UsageError(
                f"Beta posteriors are for rewards from 0 to 1; {found}", where="policy", hint=hint
            )
        return Thompson(len(situation.arms), self.alpha, self.beta)


# -- linear in the context -----------------------------------------------------------------------------------
class LinearPolicy(Policy):
    """A linear-Gaussian posterior for each arm."""

    def __init__(self, posterior: LinearPosterior) -> None:
        self.posterior = posterior

    def update(self, data: History) -> None:
        self.posterior.update(*data.newest)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = self.posterior
        noise = p.noise if p.noise is not None else p.rate / np.maximum(p.shape, 1e-300)
        width = np.sqrt(np.square(np.einsum("nd,kde->nke", x, p.root)).sum(-1))
        return x @ p.mu.T, width * np.sqrt(noise)

    def state(self) -> Tree:
        return self.posterior.state()

    def load(self, state: Tree) -> None:
        self.posterior.load(state)


class LinearThompson(LinearPolicy):
    """W: the weights of every arm, from their posterior."""

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        return self.posterior.sample(rng, draws)

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return shares(w @ x)


@POLICIES.add(aka=("linear_thompson", "linear_gaussian", "lints"))
class LinearThompsonSpec(PolicyBase):
    """Thompson sampling with Bayesian linear regression (Agrawal & Goyal 2013; Riquelme et al. 2018)."""

    name: Literal["thompson_linear"] = Field(
        "thompson_linear", description="Normal-inverse-gamma posterior of each arm's weights."
    )
    precision: float = Field(
        0.25,
        gt=0,
        description="λ: of the weights' prior, in units of 1/noise.",
        json_schema_extra={"aka": ["lambda"]},
    )
    noise: float | None = Field(None, gt=0, description="Variance of the rewards; null: learnt.")
    shape: float = Field(6.0, gt=0, description="a of the noise variance's inverse gamma prior.")
    rate: float = Field(6.0, gt=0, description="b of it.")

    def policy(self, situation: Situation) -> Policy:
        posterior = LinearPosterior(
            len(situation.arms), situation.width, precision=self.precision, shape=self.shape, rate=self.rate,
            noise=self.noise,
        )  # fmt: skip
        return LinearThompson(posterior)


class LinUCB(LinearPolicy):
    """argmax_a x . mu_a + alpha sqrt(x^T A_a^-1 x), A = lambda I + sum x x^T (Li et al. 2010, alg. 1)."""

    def __init__(self, posterior: LinearPosterior, alpha: float) -> None:
        super().__init__(posterior)
        self.alpha = alpha

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        return self.posterior.mu

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        return shares((w @ x + self.alpha * self.posterior.width_of(x))[None])


@POLICIES.add()
class LinUCBSpec(PolicyBase):
    """Optimism about contexts that are little known (Li et al. 2010)."""

    name: Literal["linucb"] = Field("linucb", description="Highest x·μ + α √(xᵀ A⁻¹ x).")
    alpha: float = Field(1.0, ge=0, description="α: how optimistic.")
    precision: float = Field(
        1.0, gt=0, description="λ of A = λ I + Σ x xᵀ.", json_schema_extra={"aka": ["lambda"]}
    )

    def policy(self, situation: Situation) -> Policy:
        posterior = LinearPosterior(len(situation.arms), situation.width, precision=self.precision)
        return LinUCB(posterior, self.alpha)


# -- epsilon-greedy -----------------------------------------------------------------------------------------
class EpsilonGreedy(Policy):
    """With probability epsilon any action, else the best one by the estimates of another policy's q(W)."""

    def __init__(self, estimates: Policy, arms: int, epsilon: float, half_life: float | None) -> None:
        self.estimates = estimates
        self.arms = arms
        self.epsilon = epsilon
        self.half_life = half_life
        self.t = 0
        self.REMEMBERS = estimates.REMEMBERS  # type: ignore[misc]

    def sample(self, rng: np.random.Generator, draws: int) -> Any:
        """epsilon as it is now: the estimates themselves are no draw."""
        return self.epsilon if self.half_life is None else self.epsilon * 0.5 ** (self.t / self.half_life)

    def choose(self, w: Any, x: np.ndarray) -> np.ndarray:
        greedy = shares(self.estimates.values(x[None])[0])
        return w / self.arms + (1 - w) * greedy

    def update(self, data: History) -> None:
        self.t += 1
        self.estimates.update(data)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.estimates.values(x)

    def state(self) -> Tree:
        return {"t": self.t, "estimates": self.estimates.state()}

    def load(self, state: Tree) -> None:
        self.t = int(state["t"])
        self.estimates.load(state["estimates"])


PolicySpec = Annotated[Spec, POLICIES]
