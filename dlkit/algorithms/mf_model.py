"""What every model of mf offers, whatever it learns by: steps, parameters, and factors that answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_rated import Rated
from dlkit.algorithms.protocol import Context, LayerRow
from dlkit.errors import DataError
from dlkit.kernels.mf_predict import mf_predict
from dlkit.recipe.tagged import Named

MODELS = Named("model", default="svd")
"""The family of models: ``model: svd``, ``model: {name: nmf, factors: 15}``."""

Shape = tuple[int, ...]
Rank = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="Factors of a user and of an item.",
        json_schema_extra={"flag": "--factors", "aka": ["n_factors", "rank", "dim", "k"]},
    ),
]
PREDICTED_AT_ONCE = 1 << 16


class Step(NamedTuple):
    """What a training step tells: ratings gone through, mean squared error where it is at hand."""

    ratings: int
    loss: float | None


@dataclass
class Factors:
    """All that answers need: r^ = mu + b_u + b_i + p_u . q_i, on the device."""

    mu: float
    p: Any
    """(n_users, k)."""
    q: Any
    """(n_items, k)."""
    bu: Any
    bi: Any
    cold: float | None = None
    """What a pair is predicted where user or item is not known; None: what is known of it, mu + b_u or
    b_i."""

    def predict(self, users: np.ndarray, items: np.ndarray, context: Context) -> np.ndarray:
        """(n,) predictions on the host for pairs of int32; -1: not known, left out of the sum."""
        backend = context.backend
        found = []
        for start in range(0, len(users), PREDICTED_AT_ONCE):
            part = slice(start, start + PREDICTED_AT_ONCE)
            pairs = backend.asarray(users[part]), backend.asarray(items[part])
            out = backend.empty(len(users[part]))
            mf_predict(self.p, self.q, self.bu, self.bi, self.mu, *pairs, out)
            found.append(backend.to_host(out))
        values = np.concatenate(found) if found else np.empty(0, backend.dtype)
        if self.cold is not None:
            values[(users < 0) | (items < 0)] = self.cold
        return values

    def on_host(self, context: Context) -> "Factors":
        """The same as NumPy arrays."""
        host = context.backend.to_host
        return Factors(self.mu, host(self.p), host(self.q), host(self.bu), host(self.bi), self.cold)


class Solution(NamedTuple):
    """A user who was not trained: bias and factors that fit his ratings, the items' factors held fixed."""

    bias: float
    factors: np.ndarray


class RatingModel(ABC):
    """One way to learn from ratings. Parameters lie on the device, rows that have no rating are 0."""

    explicit: ClassVar[bool] = True
    """Values are ratings to be predicted; False: they say how sure it is that the user likes the item."""
    parallel: ClassVar[bool] = True
    """Steps can be shared out over threads, ranks and a GPU."""
    measures: ClassVar[tuple[str, ...]] = ("rmse", "mae")
    """Names of what `figures` tells."""

    def __init__(self, spec: Any, users: int, items: int, context: Context) -> None:
        self.spec, self.users, self.items, self.context = spec, users, items, context
        self.mu = 0.0

    # -- parameters -----------------------------------------------------------------------------
    @property
    def parameters(self) -> dict[str, Any]:
        """By name: arrays with a row a user or item, in the order of their numbers."""
        return self._parameters

    @parameters.setter
    def parameters(self, found: dict[str, Any]) -> None:
        self._parameters = found

    @abstractmethod
    def shapes(self) -> dict[str, Shape]:
        """Parameters by name, in their order."""

    @abstractmethod
    def draw(self, name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """First values of a parameter."""

    def layers(self) -> list[LayerRow]:
        """The parameters as lines of the layer table."""
        return [
            LayerRow(name, KINDS[name], "×".join(f"{n:,}" for n in shape), int(np.prod(shape)))
            for name, shape in self.shapes().items()
        ]

    def initialise(self, train: Rated) -> None:
        """Parameters with their first values, from the stream "init"; rows without a rating are 0."""
        rated = train.item_counts(self.items) > 0
        active = train.counts > 0
        drawn: dict[str, Any] = {}
        for k, (name, shape) in enumerate(self.shapes().items()):
            values = self.draw(name, shape, self.context.streams.get("init", k))
            values[~(active if name in {"p", "bu"} else rated)] = 0
            drawn[name] = self.context.backend.asarray(values)
        self.parameters = drawn

    @property
    def parameter_count(self) -> int:
        """Numbers in all parameters together."""
        return sum(int(np.prod(shape)) for shape in self.shapes().values())

    def kept_parameters(self) -> dict[str, Any]:
        """The parameters as leaves of a checkpoint."""
        return {name: self.context.backend.to_host(array) for name, array in self.parameters.items()}

    def end_training(self) -> None:  # noqa: B027 - most hold no more than their parameters
        """No more steps will be asked for: what only they need may go."""

    def load_parameters(self, state: dict[str, Any]) -> None:
        """Take over parameters from a checkpoint. Raises DataError where their shapes are others."""
        backend, taken = self.context.backend, {}
        for name, shape in self.shapes().items():
            values = np.asarray(state[name])
            if values.shape != shape or values.dtype != backend.dtype:
                text = f"{name} is {values.shape} of {values.dtype}, expected {shape} of {backend.dtype}"
                raise DataError(text)
            if not np.isfinite(values).all():
                raise DataError(f"{name} holds what is no finite number")
            taken[name] = backend.asarray(values.copy())
        self.parameters = taken

    @abstractmethod
    def prepare(self, data: RatingData) -> None:
        """Put the training ratings into the order in which they are worked on."""

    # -- training -------------------------------------------------------------------------------
    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return 1

    def shards(self, threads: int, ratings: int) -> int:
        """Threads that are worth their while for so many ratings."""
        return threads if self.parallel and ratings > 20_000 else 1

    @abstractmethod
    def step(self, epoch: int, number: int) -> Step:
        """Step `number` (from 1) of an epoch."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Measures of the epoch that has just been gone through, without their split."""

    @abstractmethod
    def sums(self) -> dict[str, Any]:
        """What `figures` is made of, for a checkpoint inside an epoch."""

    @abstractmethod
    def load_sums(self, sums: dict[str, Any]) -> None: ...

    # -- answers --------------------------------------------------------------------------------
    @abstractmethod
    def factors(self, train: Rated) -> Factors:
        """Factors that answer; `train`: what the users rated."""

    @abstractmethod
    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """Bias and factors of a new user with these ratings; `factors` on the host."""


KINDS = {
    "p": "user factors",
    "q": "item factors",
    "y": "implicit item factors",
    "bu": "user biases",
    "bi": "item biases",
}


def errors_of(sums: np.ndarray, ratings: int) -> dict[str, float]:
    """RMSE and MAE from the sums of e^2 and |e|."""
    squares, absolute = sums.tolist()
    return {"rmse": (squares / ratings) ** 0.5, "mae": absolute / ratings}


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """argmin_w |x w - y|^2 + penalty |w|^2 in float64; the smallest solution where it is not unique."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    return np.linalg.lstsq(gram, x.T @ y, rcond=None)[0]


def biased_ridge(x: np.ndarray, y: np.ndarray, reg: float, reg_bias: float) -> tuple[float, np.ndarray]:
    """(b, w) that minimise |b + x w - y|^2 + n (reg_bias b^2 + reg |w|^2) over n rows, as each rating of the
    training loss brings its own penalty."""
    n, k = x.shape
    x = np.column_stack([np.ones(n), x.astype(np.float64)])
    gram = x.T @ x + n * np.diag([reg_bias, *[reg] * k])
    bias, *w = np.linalg.lstsq(gram, x.T @ y.astype(np.float64), rcond=None)[0]
    return float(bias), np.array(w)


def drawn_normal(shape: Shape, mean: float, sd: float, dtype: Any, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers, drawn in `dtype` so that no larger array is made."""
    values = rng.standard_normal(shape, dtype=dtype)
    values *= dtype.type(sd)
    values += dtype.type(mean)
    return values
