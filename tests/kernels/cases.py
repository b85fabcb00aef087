"""Arguments for every kernel (gradients.py: scalar functions for its gradients).

A case makes a kernel's arguments from a generator and a floating type. Outputs that are not read start as
NaN, so that an entry nobody writes is seen. Other harnesses (CUDA on the CPU, GPU) run the same cases.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Args = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """One set of arguments: ``make(rng, real)`` gives them in the kernel's order."""

    kernel: str
    label: str
    make: Callable[[Rng, type], Args]


CASES: dict[str, list[Case]] = {}

LENGTHS = (0, 1, 7, 1000, 5003)
SHAPES = ((0, 5), (1, 1), (3, 1), (1, 7), (5, 8), (7, 33), (64, 130))
KINDS = {"identity": 0, "relu": 1, "leaky_relu": 2, "sigmoid": 3, "tanh": 4, "prelu": 5}


def cases(kernel: str, **choices: Iterable[Any]) -> Callable[[Callable[..., Args]], Callable[..., Args]]:
    """Decorate ``make(rng, real, **chosen)``: one case for each combination of the choices."""

    def add(make: Callable[..., Args]) -> Callable[..., Args]:
        combinations: list[dict[str, Any]] = [{}]
        for name, values in choices.items():
            combinations = [{**c, name: v} for c in combinations for v in values]
        for chosen in combinations:
            label = ", ".join(f"{k}={v}" for k, v in chosen.items())
            bound = lambda rng, real, chosen=chosen: make(rng, real, **chosen)  # noqa: E731
            CASES.setdefault(kernel, []).append(Case(kernel, label, bound))
        return make

    return add


def normal(rng: Rng, real: type, *shape: int) -> np.ndarray:
    """Standard normal numbers."""
    return rng.standard_normal(shape).astype(real)


def positive(rng: Rng, real: type, *shape: int) -> np.ndarray:
    """Numbers in [0.5, 1.5)."""
    return (rng.random(shape) + 0.5).astype(real)


def unwritten(real: type, *shape: int) -> np.ndarray:
    """NaN: what a kernel must overwrite without reading."""
    return np.full(shape, np.nan, real)


def slope(real: type) -> np.ndarray:
    return np.array([0.3], real)


# -- optimizers ---------------------------------------------------------------------------------
@cases("sgd", n=LENGTHS)
def _sgd(rng: Rng, real: type, n: int) -> Args:
    return normal(rng, real, n), normal(rng, real, n), 0.1, 0.01


@cases("momentum", n=LENGTHS, nesterov=(0, 1))
def _momentum(rng: Rng, real: type, n: int, nesterov: int) -> Args:
    return normal(rng, real, n), normal(rng, real, n), normal(rng, real, n), 0.1, 0.9, nesterov, 0.01


@cases("adagrad", n=LENGTHS)
def _adagrad(rng: Rng, real: type, n: int) -> Args:
    return normal(rng, real, n), normal(rng, real, n), positive(rng, real, n), 0.1, 1e-8, 0.01


@cases("rmsprop", n=LENGTHS)
def _rmsprop(rng: Rng, real: type, n: int) -> Args:
    return normal(rng, real, n), normal(rng, real, n), positive(rng, real, n), 0.1, 0.9, 1e-8, 0.01


@cases("adam", n=LENGTHS, decoupled=(0, 1), t=(1, 1000))
def _adam(rng: Rng, real: type, n: int, decoupled: int, t: int) -> Args:
    p, g, m = (normal(rng, real, n) for _ in range(3))
    return p, g, m, positive(rng, real, n), 1e-2, 0.9, 0.999, 1e-8, 0.1, decoupled, t


@cases("adam_shards", n=LENGTHS, shards=(1, 2, 3))
def _adam_shards(rng: Rng, real: type, n: int, shards: int) -> Args:
    parts = tuple(normal(rng, real, n) for _ in range(shards))
    p, m = normal(rng, real, n), normal(rng, real, n)
    return p, parts, m, positive(rng, real, n), 1e-2, 0.9, 0.999, 1e-8, 0.1, 0, 3


@cases("sgld", n=LENGTHS, temperature=(0.0, 1.0))
def _sgld(rng: Rng, real: type, n: int, temperature: float) -> Args:
    p, g, noise = (normal(rng, real, n) for _ in range(3))
    return p, g, noise, 1e-4, 1000.0, 0.5, temperature


# -- sums ---------------------------------------------------------------------------------------
@cases("sum_shards", n=LENGTHS, shards=(1, 2, 3))
def _sum_shards(rng: Rng, real: type, n: int, shards: int) -> Args:
    return tuple(normal(rng, real, n) for _ in range(shards)), unwritten(real, n)


@cases("squared_norm", n=LENGTHS)
def _squared_norm(rng: Rng, real: type, n: int) -> Args:
    return normal(rng, real, n), unwritten(np.float64, 1)


@cases("column_sums", shape=SHAPES)
def _column_sums(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    return normal(rng, real, *shape), unwritten(real, shape[1])


@cases("column_squares", shape=SHAPES)
def _column_squares(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    return normal(rng, real, *shape), normal(rng, real, shape[1]), unwritten(real, shape[1])


# -- activations ----------------------------------------------------------------------------------
@cases("activate", shape=((0,), (1,), (1000,), (7, 33)), kind=KINDS)
def _activate(rng: Rng, real: type, shape: tuple[int, ...], kind: str) -> Args:
    return 4 * normal(rng, real, *shape), slope(real), KINDS[kind], unwritten(real, *shape)


@cases("activate_backward", shape=((0,), (1,), (1000,), (7, 33)), kind=KINDS)
def _activate_backward(rng: Rng, real: type, shape: tuple[int, ...], kind: str) -> Args:
    x, y, dy = (normal(rng, real, *shape) for _ in range(3))
    return x, y, dy, slope(real), KINDS[kind], unwritten(real, *shape), unwritten(real, 1)


FUSED = [k for k in KINDS if k != "prelu"]


@cases("bias_activation", shape=SHAPES, kind=FUSED)
def _bias_activation(rng: Rng, real: type, shape: tuple[int, int], kind: str) -> Args:
    return 4 * normal(rng, real, *shape), normal(rng, real, shape[1]), slope(real), KINDS[kind]


@cases("activation_gradient", shape=SHAPES, kind=FUSED)
def _activation_gradient(rng: Rng, real: type, shape: tuple[int, int], kind: str) -> Args:
    y, dy = normal(rng, real, *shape), normal(rng, real, *shape)
    return y, dy, slope(real), KINDS[kind], unwritten(real, *shape), unwritten(real, shape[1])


@cases("dropout_mask", shape=((0,), (1,), (7, 33)), threshold=(0, 1, 30000, 65536))
def _dropout_mask(rng: Rng, real: type, shape: tuple[int, ...], threshold: int) -> Args:
    bits = rng.integers(0, 65536, shape, np.uint16)
    return normal(rng, real, *shape), bits, threshold, 1.6, unwritten(real, *shape)


# -- losses -------------------------------------------------------------------------------------
@cases("softmax", shape=SHAPES)
def _softmax(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    return 3 * normal(rng, real, *shape), unwritten(real, *shape)


@cases("softmax_cross_entropy", shape=SHAPES, ties=(False, True))
def _softmax_cross_entropy(rng: Rng, real: type, shape: tuple[int, int], ties: bool) -> Args:
    n, k = shape
    z = normal(rng, real, n, k)
    z = np.round(z).astype(real) if ties else 3 * z
    correct = np.full(n, 7, np.uint8)
    return z, rng.integers(0, k, n), 0.25, unwritten(real, n, k), unwritten(real, n), correct


@cases("sigmoid_cross_entropy", shape=SHAPES)
def _sigmoid_cross_entropy(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    z: np.ndarray = 5 * normal(rng, real, *shape)
    return z, rng.random(shape).astype(real), 0.25, unwritten(real, *shape), unwritten(real, shape[0])


# -- latent variables -----------------------------------------------------------------------------
LATENT = ((0, 2), (1, 1), (5, 3), (64, 20), (3, 70))


@cases("reparameterise", shape=LATENT)
def _reparameterise(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, k = shape
    return normal(rng, real, n, 2 * k), normal(rng, real, n, k), unwritten(real, n, k)


@cases("reparameterise_backward", shape=LATENT)
def _reparameterise_backward(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, k = shape
    e, dz = normal(rng, real, n, k), normal(rng, real, n, k)
    return normal(rng, real, n, 2 * k), e, dz, unwritten(real, n, 2 * k)


@cases("gaussian_kl", shape=LATENT)
def _gaussian_kl(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, k = shape
    return normal(rng, real, n, 2 * k), 0.25, unwritten(real, n, 2 * k), unwritten(real, n)


# -- normalisation --------------------------------------------------------------------------------
@cases("batch_norm", shape=SHAPES)
def _batch_norm(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    m = shape[1]
    mean, gamma, beta = (normal(rng, real, m) for _ in range(3))
    return normal(rng, real, *shape), mean, positive(rng, real, m), gamma, beta, unwritten(real, *shape)


@cases("batch_norm_sums", shape=SHAPES)
def _batch_norm_sums(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    m = shape[1]
    x, dy = normal(rng, real, *shape), normal(rng, real, *shape)
    return x, dy, normal(rng, real, m), positive(rng, real, m), unwritten(real, m), unwritten(real, m)


@cases("batch_norm_backward", shape=SHAPES)
def _batch_norm_backward(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    m = shape[1]
    x, dy = normal(rng, real, *shape), normal(rng, real, *shape)
    mean, gamma, dgamma, dbeta = (normal(rng, real, m) for _ in range(4))
    return x, dy, mean, positive(rng, real, m), gamma, dgamma, dbeta, 0.1, unwritten(real, *shape)


@cases("layer_norm", shape=SHAPES)
def _layer_norm(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, m = shape
    gamma, beta = normal(rng, real, m), normal(rng, real, m)
    x, y = normal(rng, real, n, m), unwritten(real, n, m)
    # A row of one column has variance 0: with a small eps, rounding would be divided by almost 0.
    return x, gamma, beta, 0.1, y, unwritten(real, n), unwritten(real, n)


@cases("layer_norm_backward", shape=SHAPES)
def _layer_norm_backward(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, m = shape
    x, dy = normal(rng, real, n, m), normal(rng, real, n, m)
    gamma, mean, rstd = normal(rng, real, m), normal(rng, real, n), positive(rng, real, n)
    return x, dy, gamma, mean, rstd, unwritten(real, n, m), unwritten(real, m), unwritten(real, m)


# -- rows -----------------------------------------------------------------------------------------
@cases("gather_rows", shape=SHAPES, table=("uint8", "real"), each_column=(False, True))
def _gather_rows(rng: Rng, real: type, shape: tuple[int, int], table: str, each_column: bool) -> Args:
    n, d = shape
    rows = rng.integers(0, 256, (11, d), np.uint8) if table == "uint8" else normal(rng, real, 11, d)
    width = d if each_column else 1
    scale, shift = normal(rng, real, width) / 255, normal(rng, real, width)
    return rows, rng.integers(0, 11, n), scale, shift, unwritten(real, n, d)


# -- kernels whose cases have a file of their own ---------------------------------------------------
for _path in sorted(Path(__file__).parent.glob("cases_*.py")):
    importlib.import_module(f"kernels.{_path.stem}")
