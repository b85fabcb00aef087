"""A network that learns from labelled rows: what train-mlp and every other classifier or regressor do.

Read from top to bottom: data, loss, the end, state. The command's own file says what its recipe looks like
and how layers become a network; what an epoch does is in minibatch.py, what a trained network can be asked
in asked.py.
"""

from typing import Any, ClassVar, Self

import numpy as np

from dlkit.algorithms import mc_dropout
from dlkit.algorithms.asked import AskedNetwork
from dlkit.algorithms.minibatch import MinibatchTraining
from dlkit.algorithms.objectives import Classes, ConstantNoise, LearntNoise
from dlkit.algorithms.protocol import Context, Tree
from dlkit.algorithms.rows import Rows, named
from dlkit.algorithms.started import Started
from dlkit.autograd import Tape, Variable
from dlkit.nn.module import Module, check_array
from dlkit.readers.labels import TaskChoice
from dlkit.training.checkpoint.form import misfit
from dlkit.training.metrics import Column


class Supervised(Started, AskedNetwork, MinibatchTraining):
    """Rows and their labels through a network; figures on rows held out."""

    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *(
            Column(f"{split}_{c.name}", c.unit, f"{text}: {c.doc}")
            for split, text in (("train", "over the epoch, noise on"), ("valid", "validation rows"))
            for c in {c.name: c for o in (Classes, ConstantNoise, LearntNoise) for c in o.measures}.values()
        ),
    )

    # -- data -------------------------------------------------------------------------------------
    @property
    def _task(self) -> TaskChoice:
        return self.recipe.task

    def network_to_start(self) -> Module:
        return self.model

    # -- loss -------------------------------------------------------------------------------------
    @property
    def totals(self) -> int:  # type: ignore[override]
        return self.objective.totals

    def batch_loss(self, tape: Tape, rows: Rows, index: Any, weight: float) -> tuple[Variable, list[Any]]:
        f = self.model(tape, self._input(tape, rows, index))
        return self.objective.loss(tape, f, rows.y[index], weight)

    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        return self.objective.figures(sums, rows)

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        self._take_posterior(self.step.optimizer.state())
        if self.posterior and self.kept < self.recipe.mc_samples:
            self.context.log(f"mc_samples: sgld has kept {self.kept}, which are all used")
        self._fit_noise()
        if self.data.test is not None:
            rows = self._rows(self.data.test)
            figures = self._judge(rows, self.recipe.mc_samples)
        return named("test", figures)

    def _take_posterior(self, optimizer: Tree) -> None:
        """The samples of the weights in an optimizer's state, where it has any."""
        samples: Any = optimizer.get("samples", {})
        self.posterior = samples if any(len(kept) for kept in samples.values()) else {}

    def _fit_noise(self) -> None:
        """Constant noise of a regression, from rows held out (or, without them, from the training rows)."""
        if not isinstance(self.objective, ConstantNoise):
            return
        rows = self.valid or self.train
        mu, _ = self._moments(rows, max(self.recipe.mc_samples, 1))
        self.noise_variance = mc_dropout.fit_noise(self._targets(rows), mu)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return super().state() | {"noise_variance": self.noise_variance}

    def load(self, state: Tree) -> None:
        super().load(state)
        self._load_noise(state)

    def _load_noise(self, state: Tree) -> None:
        """The noise variances, NaN before they are fitted."""
        variance = state["noise_variance"]
        if misfit(variance, self.noise_variance) or (variance < 0).any():
            raise ValueError("noise_variance: a variance for each target is expected")
        self.noise_variance = variance

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = super().restore(recipe, state, context)
        self._load_noise(state)
        if recipe.optimizer.name == "sgld":
            for path, p in self.model.flat.parameters.items():
                kept = state["optimizer"]["samples"][path]
                check_array(f"samples of {path}", (len(kept), *p.shape), kept)
            self._take_posterior(state["optimizer"])
        return self
