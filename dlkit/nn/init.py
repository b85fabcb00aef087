"""Initial weights. All are drawn on the host in float64, so that backend and dtype do not change the draw.

n is the number of inputs of a unit (fan_in), m the number of units that an input feeds (fan_out).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Named

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Init:
    """A named distribution with its constants; `draw` gives float64 of the shape.

    sigma: standard deviation of `scaled_normal` times sqrt(n).
    a: negative slope of the activation that follows (He et al. 2015, eq. 15); 0 for ReLU.
    value: what `constant` fills with.
    """

    name: str
    sigma: float = 1.0
    a: float = 0.0
    value: float = 0.0

    def draw(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> np.ndarray:
        return INITS[self.name](self, rng, shape, fan_in, fan_out)


def _uniform(rng: np.random.Generator, shape: Shape, variance: float) -> np.ndarray:
    """U(-r, r) has variance r^2/3."""
    r = math.sqrt(3.0 * variance)
    return rng.uniform(-r, r, shape)


def _normal(rng: np.random.Generator, shape: Shape, variance: float) -> np.ndarray:
    return rng.standard_normal(shape) * math.sqrt(variance)


def lecun_uniform(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """U(-1/sqrt n, 1/sqrt n): variance 1/(3n) (LeCun et al. 1998; the usual choice before 2010)."""
    return _uniform(rng, shape, 1.0 / (3.0 * n))


def scaled_normal(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """N(0, sigma^2/n)."""
    return _normal(rng, shape, init.sigma**2 / n)


def glorot_uniform(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """U with variance 2/(n + m) (Glorot & Bengio 2010, eq. 16)."""
    return _uniform(rng, shape, 2.0 / (n + m))


def glorot_normal(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """N(0, 2/(n + m)) (Glorot & Bengio 2010, eq. 12)."""
    return _normal(rng, shape, 2.0 / (n + m))


def he_uniform(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """U with variance 2/((1 + a^2) n)."""
    return _uniform(rng, shape, 2.0 / ((1.0 + init.a**2) * n))


def he_normal(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """N(0, 2/((1 + a^2) n)) (He et al. 2015, eq. 15)."""
    return _normal(rng, shape, 2.0 / ((1.0 + init.a**2) * n))


def orthogonal(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """Orthonormal columns (rows, if they are fewer), uniform over all such matrices (Saxe et al. 2014).

    The leading axes of the shape are taken together as rows. The sign of R's diagonal is moved into Q:
    without that the QR of a normal matrix is not uniformly distributed.
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).reshape(shape)


def zeros(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """All 0: right for biases; a hidden layer of zeros never learns."""
    return np.zeros(shape)


def constant(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """All `value`: gains of normalisation layers (1), slopes of PReLU (1/4)."""
    return np.full(shape, init.value)


def forget_gate(init: Init, rng: np.random.Generator, shape: Shape, n: int, m: int) -> np.ndarray:
    """`value` in the second quarter of each row, where an LSTM has its forget gate, else 0."""
    quarter = shape[-1] // 4
    bias = np.zeros(shape)
    bias[..., quarter : 2 * quarter] = init.value
    return bias


INITS: dict[str, Callable[[Init, np.random.Generator, Shape, int, int], np.ndarray]] = {
    f.__name__: f
    for f in (
        lecun_uniform,
        scaled_normal,
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        orthogonal,
        zeros,
        constant,
        forget_gate,
    )
}

ZEROS = Init("zeros")
ONES = Init("constant", value=1.0)

# -- the recipe's words -------------------------------------------------------------------------------
INIT_FAMILY = Named("init")


class InitBase(Spec):
    """An initialiser as a recipe names it."""

    def init(self, slope: float) -> Init:
        """The distribution, for a layer whose activation has the negative slope `slope`."""
        return Init(self.name)  # type: ignore[attr-defined]


@INIT_FAMILY.add()
class PlainInitSpec(InitBase):
    """Initialisers without constants."""

    name: Literal["lecun_uniform", "glorot_uniform", "glorot_normal", "orthogonal", "zeros"] = Field(
        description="lecun_uniform U(±1/√n), glorot_* variance 2/(n + m), orthogonal columns, zeros."
    )


@INIT_FAMILY.add(aka=("normal", "gaussian"))
class ScaledNormalSpec(InitBase):
    """N(0, sigma^2/n)."""

    name: Literal["scaled_normal"] = Field("scaled_normal", description="N(0, sigma²/n), n inputs of a unit.")
    sigma: float = Field(1.0, gt=0, description="Standard deviation times √n.")

    def init(self, slope: float) -> Init:
        return Init(self.name, sigma=self.sigma)


@INIT_FAMILY.add(aka=("he", "kaiming", "kaiming_normal"))
class HeSpec(InitBase):
    """Variance 2/((1 + a^2) n)."""

    name: Literal["he_normal", "he_uniform"] = Field("he_normal", description="Variance 2/((1 + a²) n).")
    a: float | None = Field(
        None, description="Negative slope of the activation; null: that of the layer's own activation."
    )

    def init(self, slope: float) -> Init:
        return Init(self.name, a=slope if self.a is None else self.a)


InitSpec = Annotated[Spec, INIT_FAMILY]
