"""The learning rate as a function of the epochs done: a shape times a linear warm-up."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Named

SCHEDULES = Named("schedule")
RATIO: dict[str, Any] = {"aka": ["gamma", "factor"]}


class ScheduleBase(Spec):
    """A schedule's shape: its factor on the recipe's lr."""

    def factor(self, progress: float, total: float) -> float:
        """Factor after `progress` epochs (fractions count) of `total`."""
        return 1.0


@SCHEDULES.add()
class ConstantSpec(ScheduleBase):
    """The same learning rate throughout."""

    name: Literal["constant"] = Field("constant", description="The same learning rate throughout.")


@SCHEDULES.add(aka=("step_decay", "multistep"))
class StepSpec(ScheduleBase):
    """lr * ratio^floor(epochs / every)."""

    name: Literal["step"] = Field("step", description="Multiply by `ratio` every `every` epochs.")
    every: float = Field(
        10.0, gt=0, description="Epochs between two drops.", json_schema_extra={"aka": ["step_size"]}
    )
    ratio: float = Field(
        0.1, gt=0, le=1, description="Factor of each drop.", json_schema_extra={"aka": ["gamma", "factor"]}
    )

    def factor(self, progress: float, total: float) -> float:
        return self.ratio ** math.floor(progress / self.every + 1e-9)


@SCHEDULES.add(aka=("exp",))
class ExponentialSpec(ScheduleBase):
    """lr * ratio^epochs, continuously."""

    name: Literal["exponential"] = Field(
        "exponential", description="Multiply by `ratio` per epoch, smoothly."
    )
    ratio: float = Field(
        0.95, gt=0, le=1, description="Factor per epoch.", json_schema_extra={"aka": ["gamma", "factor"]}
    )

    def factor(self, progress: float, total: float) -> float:
        return self.ratio**progress


@SCHEDULES.add(aka=("cosine_annealing",))
class CosineSpec(ScheduleBase):
    """Half a cosine from lr to final * lr (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

    name: Literal["cosine"] = Field("cosine", description="Half a cosine from lr down to `final` times lr.")
    final: float = Field(
        0.0, ge=0, le=1, description="Share of lr at the end.", json_schema_extra={"aka": ["eta_min"]}
    )

    def factor(self, progress: float, total: float) -> float:
        share = min(max(progress / total, 0.0), 1.0) if total > 0 else 0.0
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share))


@SCHEDULES.add(aka=("reduce_on_plateau",))
class PlateauSpec(ScheduleBase):
    """lr * ratio each time the watched figure has not improved for more than `patience` epochs."""

    name: Literal["plateau"] = Field(
        "plateau", description="Lower the rate when the validation figure stalls."
    )
    ratio: float = Field(
        0.1, gt=0, lt=1, description="Factor of each drop.", json_schema_extra={"aka": ["gamma", "factor"]}
    )
    patience: int = Field(5, ge=0, description="Epochs without improvement that are borne.")
    min_delta: float = Field(0.0, ge=0, description="Smallest change that counts as an improvement.")
    min_lr: float = Field(0.0, ge=0, description="The rate never falls below this.")


ScheduleSpec = Annotated[Spec, SCHEDULES]


class Schedule:
    """A spec at work for a run of `epochs`.

    base: the recipe's lr. warmup: epochs over which the rate rises linearly from 0; a cosine starts after.
    """

    def __init__(self, spec: Any, base: float, epochs: float, warmup: float = 0.0) -> None:
        self.spec = spec
        self.base = base
        self.epochs = epochs
        self.warmup = warmup
        self.best: float | None = None
        self.waited = 0
        self.drops = 0

    def lr(self, progress: float) -> float:
        """The learning rate after `progress` epochs (fractions count)."""
        if isinstance(self.spec, PlateauSpec):
            rate = max(self.base * self.spec.ratio**self.drops, min(self.spec.min_lr, self.base))
        elif isinstance(self.spec, CosineSpec):
            rate = self.base * self.spec.factor(progress - self.warmup, self.epochs - self.warmup)
        else:
            rate = self.base * self.spec.factor(progress, self.epochs)
        return rate * min(1.0, progress / self.warmup) if self.warmup > 0 else rate

    def observe(self, figure: float, *, higher_is_better: bool = False) -> None:
        """Tell the epoch's figure; only a plateau schedule listens. NaN counts as no improvement."""
        if not isinstance(self.spec, PlateauSpec):
            return
        value = -figure if higher_is_better else figure
        if value < (math.inf if self.best is None else self.best - self.spec.min_delta):
            self.best = value
            self.waited = 0
            return
        self.waited += 1
        if self.waited > self.spec.patience:
            self.drops += 1
            self.waited = 0

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "drops": self.drops}

    def load(self, state: dict[str, Any]) -> None:
        best = state["best"]
        self.best = None if best is None else float(best)
        self.waited = int(state["waited"])
        self.drops = int(state["drops"])
        if min(self.waited, self.drops) < 0 or (self.best is not None and math.isnan(self.best)):
            raise ValueError("a schedule that has waited for less than nothing")


def build(optimizer: Any, epochs: float) -> Schedule:
    """The schedule that an optimizer's spec asks for."""
    return Schedule(optimizer.schedule, optimizer.lr, epochs, optimizer.warmup)
