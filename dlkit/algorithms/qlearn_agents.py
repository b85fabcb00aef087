"""What learners of every kind have in common: agents that play episodes, and their figures of an epoch."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.protocol import Context, LayerRow, Tree
from dlkit.algorithms.qlearn_world import World


class Agents(ABC):
    """K agents in one world, each learning by itself. `recipe`: a QLearnRecipe; horizon: settled."""

    parallel: ClassVar[bool] = True
    """Whether several ranks share the agents out."""
    on_gpu: ClassVar[bool] = True

    def __init__(self, recipe: Any, world: World, horizon: int, context: Context) -> None:
        self.recipe, self.world, self.horizon, self.context = recipe, world, horizon, context
        self.count: int = recipe.agents

    @property
    @abstractmethod
    def steps(self) -> int:
        """Steps of an epoch."""

    @property
    def total(self) -> int:
        """Episodes (of a network: steps) of a whole run, over which the schedules run."""
        return int(self.recipe.episodes * self.recipe.epochs)

    def shards(self, threads: int) -> int:
        """Parts that the work is worth cutting into."""
        return min(threads, self.count)

    @abstractmethod
    def begin_epoch(self) -> None: ...

    @abstractmethod
    def step(self, epoch: int, number: int) -> tuple[int, float | None]:
        """Play and learn; returns the steps that were played and the loss, where they are at hand."""

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Figures of the epoch: name -> number, or (K,) one for each agent. Raises NonFinite."""

    @abstractmethod
    def q(self) -> np.ndarray:
        """(K, S, A) float64 action values on the host."""

    @abstractmethod
    def state(self) -> Tree: ...

    @abstractmethod
    def load(self, state: Tree) -> None: ...

    def layers(self) -> list[LayerRow]:
        """The layer table of a network."""
        return []

    @property
    def parameters(self) -> int:
        return 0

    def network(self, agent: int) -> Tree | None:
        """The parameters of an agent's network by path; None where it has a table."""
        return None
