"""The rules by which gradients change parameters, as a recipe names them.

g is the gradient of the batch's mean loss, lr the scheduled learning rate. `weight_decay` adds
weight_decay * p to g (AdamW: takes lr * weight_decay * p off p) for weights; biases, gains and slopes
do not decay.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlkit.backend.streams import Streams
from dlkit.kernels.adam import adam_shards
from dlkit.kernels.descent import adagrad, momentum, rmsprop, sgd
from dlkit.nn.optimizer import Optimizer, Piece, Run, Sampler, call, summed
from dlkit.nn.parameter import Flat
from dlkit.nn.schedules import ConstantSpec, ScheduleSpec
from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Named

OPTIMIZERS = Named("optimizer", default="adam")
LR: dict[str, Any] = {"aka": ["learning_rate", "learn_rate", "eta", "alpha"], "flag": "--lr"}


def _lr(default: float) -> Any:
    return Field(default, gt=0, description="Learning rate.", json_schema_extra=LR)


class OptimizerBase(Spec):
    """What all optimizers have in common."""

    SLOTS: ClassVar[tuple[str, ...]] = ()
    """Names of the flat buffers that the rule keeps beside the parameters."""

    name: str = Field(description="Which rule.")
    lr: float = _lr(1e-2)
    weight_decay: float = Field(
        0.0, ge=0, description="Pull of the weights to zero.", json_schema_extra={"aka": ["l2", "decay"]}
    )
    clip: float | None = Field(
        None,
        gt=0,
        description="Largest global norm of the gradient; null: no clipping.",
        json_schema_extra={"aka": ["clip_norm", "max_norm"]},
    )
    schedule: ScheduleSpec = Field(
        ConstantSpec(name="constant"), description="How the rate changes over the epochs."
    )
    warmup: float = Field(0.0, ge=0, description="Epochs over which the learning rate first rises from 0.")

    def first_values(self) -> dict[str, float]:
        """What slots start with, where that is not 0."""
        return {}

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        """Change piece.p and piece.slots; t: count of steps from 1; run(kernel, *args) calls a kernel."""
        raise NotImplementedError


@OPTIMIZERS.add()
class SgdSpec(OptimizerBase):
    """p <- p - lr g."""

    name: Literal["sgd"] = Field("sgd", description="p ← p − lr g.")

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        run(sgd, piece.p, summed(piece.parts), lr, piece.decay)


@OPTIMIZERS.add()
class MomentumSpec(OptimizerBase):
    """v <- mu v + g; p <- p - lr v (Polyak), or p <- p - lr (g + mu v) (Nesterov, Sutskever's form)."""

    SLOTS: ClassVar[tuple[str, ...]] = ("velocity",)

    name: Literal["momentum", "nesterov"] = Field(
        "momentum", description="v ← μ v + g; momentum steps along v, nesterov along g + μ v."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="μ.", json_schema_extra={"aka": ["mu"]})

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        nesterov = int(self.name == "nesterov")
        run(momentum, piece.p, summed(piece.parts), *piece.slots, lr, self.momentum, nesterov, piece.decay)


@OPTIMIZERS.add()
class AdagradSpec(OptimizerBase):
    """s <- s + g^2; p <- p - lr g / (sqrt s + eps) (Duchi et al. 2011).

    s starts from 0, as in PyTorch; Keras starts from 0.1.
    """

    SLOTS: ClassVar[tuple[str, ...]] = ("squares",)

    name: Literal["adagrad"] = Field("adagrad", description="s ← s + g²; p ← p − lr g / (√s + eps).")
    eps: float = Field(1e-10, gt=0, description="Added to the root.", json_schema_extra={"aka": ["epsilon"]})

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        run(adagrad, piece.p, summed(piece.parts), *piece.slots, lr, self.eps, piece.decay)


@OPTIMIZERS.add()
class RmspropSpec(OptimizerBase):
    """s <- rho s + (1 - rho) g^2; p <- p - lr g / (sqrt s + eps) (Tieleman & Hinton 2012).

    eps is added outside the root, as in PyTorch; Keras and TensorFlow add it inside.
    """

    SLOTS: ClassVar[tuple[str, ...]] = ("squares",)

    name: Literal["rmsprop"] = Field(
        "rmsprop", description="s ← ρ s + (1 − ρ) g²; p ← p − lr g / (√s + eps)."
    )
    lr: float = _lr(1e-3)
    rho: float = Field(0.99, ge=0, lt=1, description="ρ.", json_schema_extra={"aka": ["alpha", "decay_rate"]})
    eps: float = Field(1e-8, gt=0, description="Added to the root.", json_schema_extra={"aka": ["epsilon"]})

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        run(rmsprop, piece.p, summed(piece.parts), *piece.slots, lr, self.rho, self.eps, piece.decay)


@OPTIMIZERS.add()
class AdamSpec(OptimizerBase):
    """Adam (Kingma & Ba 2015, algorithm 1)."""

    SLOTS: ClassVar[tuple[str, ...]] = ("m", "v")
    DECOUPLED: ClassVar[int] = 0

    name: Literal["adam"] = Field("adam", description="Kingma & Ba 2015.")
    lr: float = _lr(1e-3)
    beta1: float = Field(0.9, ge=0, lt=1, description="Memory of the mean gradient.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Memory of the mean squared gradient.")
    eps: float = Field(1e-8, gt=0, description="Added to the root.", json_schema_extra={"aka": ["epsilon"]})

    def update(self, piece: Piece, lr: float, t: int, run: Run = call) -> None:
        decoupled = self.DECOUPLED
        run(
            adam_shards,
            piece.p,
            piece.parts,
            *piece.slots,
            lr,
            self.beta1,
            self.beta2,
            self.eps,
            piece.decay,
            decoupled,
            t,
        )


@OPTIMIZERS.add()
class AdamwSpec(AdamSpec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2)."""

    DECOUPLED: ClassVar[int] = 1

    name: Literal["adamw"] = Field("adamw", description="Adam with p ← p − lr weight_decay p beside it.")  # type: ignore[assignment]
    weight_decay: float = Field(
        1e-2, ge=0, description="Pull of the weights to zero.", json_schema_extra={"aka": ["l2", "decay"]}
    )


@OPTIMIZERS.add()
class SgldSpec(OptimizerBase):
    """Stochastic gradient Langevin dynamics (Welling & Teh 2011, eq. 4): gradient steps with noise.

    p <- p - lr/2 (N g + weight_decay p) + sqrt(lr temperature) e, e ~ N(0, 1), N training rows. As lr
    falls the iterates become draws from the posterior under the prior N(0, 1/weight_decay).
    """

    SLOTS: ClassVar[tuple[str, ...]] = ("noise",)

    name: Literal["sgld"] = Field(
        "sgld", description="p ← p − lr/2 (N g + weight_decay p) + √(lr T) e, e ~ N(0, 1)."
    )
    lr: float = _lr(1e-5)
    weight_decay: float = Field(1.0, ge=0, description="Precision of the weights' Gaussian prior.")
    temperature: float = Field(1.0, ge=0, description="T; 1 samples the posterior, 0 only descends.")
    burn_in: int = Field(1, ge=0, description="Epochs before samples are kept.")
    keep_every: int = Field(100, ge=1, description="Steps between two kept samples.")
    samples: int = Field(20, ge=1, description="Samples kept, the newest.")


OptimizerSpec = Annotated[Spec, OPTIMIZERS]


def build(spec: Any, flat: Flat, streams: Streams | None = None, rows: int | None = None) -> Optimizer:
    """The optimizer of a spec. streams, rows (of the training set): what sgld needs; ValueError without."""
    if isinstance(spec, SgldSpec):
        if streams is None or rows is None:
            raise ValueError("sgld draws noise and weighs it by the data: it needs streams and rows")
        return Sampler(spec, flat, streams, rows)
    return Optimizer(spec, flat)
