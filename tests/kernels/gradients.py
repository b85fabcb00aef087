"""For every gradient kernel: a scalar function of its inputs, and what the kernel says its gradient is.

Each check returns (function, inputs, gradients) in float64; the harness compares difference quotients of the
function, made of forward references only, with the gradients along random directions.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kernels.cases import FUSED, KINDS, Rng

from dlkit.kernels.registry import load_all

KERNELS = load_all()
Check = tuple[Callable[..., float], list[np.ndarray], list[np.ndarray]]
GRADIENTS: dict[str, list[tuple[str, Callable[[Rng], Check]]]] = {}


def gradient(*kernels: str, **choices: Any) -> Callable[[Callable[..., Check]], Callable[..., Check]]:
    """Decorate ``make(rng, **chosen)``, the check of these kernels; at most one choice."""

    def add(make: Callable[..., Check]) -> Callable[..., Check]:
        chosen = [{name: v} for name, values in choices.items() for v in values] or [{}]
        for one in chosen:
            bound = lambda rng, one=one: make(rng, **one)  # noqa: E731
            for name in kernels:
                GRADIENTS.setdefault(name, []).append((",".join(map(str, one.values())), bound))
        return make

    return add


def forward(name: str, *args: Any) -> None:
    """The kernel's reference."""
    KERNELS[name].reference(*args)


def like(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.full_like(a, np.nan) for a in arrays]


@gradient("activate_backward", kind=KINDS)
def _activate(rng: Rng, kind: str) -> Check:
    x, w, a = rng.standard_normal((7, 9)), rng.standard_normal((7, 9)), np.array([0.3])

    def loss(x: np.ndarray, a: np.ndarray) -> float:
        y = np.empty_like(x)
        forward("activate", x, a, KINDS[kind], y)
        return float((w * y).sum())

    y, dx, da = like(x, x, a)
    forward("activate", x, a, KINDS[kind], y)
    KERNELS["activate_backward"](x, y, w, a, KINDS[kind], dx, da)
    if kind != "prelu":  # the other slopes are constants
        assert da[0] == 0
        return lambda x: loss(x, a), [x], [dx]
    return loss, [x, a], [dx, da]


@gradient("activation_gradient", kind=FUSED)
def _dense(rng: Rng, kind: str) -> Check:
    z, w = rng.standard_normal((7, 9)), rng.standard_normal((7, 9))
    b, a = rng.standard_normal(9), np.array([0.3])

    def loss(z: np.ndarray, b: np.ndarray) -> float:
        y = z.copy()
        forward("bias_activation", y, b, a, KINDS[kind])
        return float((w * y).sum())

    y = z.copy()
    forward("bias_activation", y, b, a, KINDS[kind])
    dz, db = like(z, b)
    KERNELS["activation_gradient"](y, w, a, KINDS[kind], dz, db)
    return loss, [z, b], [dz, db]


@gradient("softmax_cross_entropy")
def _softmax(rng: Rng) -> Check:
    z, labels = rng.standard_normal((6, 5)), rng.integers(0, 5, 6)
    correct = np.zeros(6, np.uint8)

    def loss(z: np.ndarray) -> float:
        dz, rows = np.empty_like(z), np.empty(6)
        forward("softmax_cross_entropy", z, labels, 1.0, dz, rows, correct)
        return 0.3 * float(rows.sum())

    dz, rows = like(z, np.empty(6))
    KERNELS["softmax_cross_entropy"](z, labels, 0.3, dz, rows, correct)
    return loss, [z], [dz]


@gradient("sigmoid_cross_entropy")
def _sigmoid(rng: Rng) -> Check:
    z, t = rng.standard_normal((6, 5)), rng.random((6, 5))

    def loss(z: np.ndarray) -> float:
        dz, rows = np.empty_like(z), np.empty(6)
        forward("sigmoid_cross_entropy", z, t, 1.0, dz, rows)
        return 0.3 * float(rows.sum())

    dz, rows = like(z, np.empty(6))
    KERNELS["sigmoid_cross_entropy"](z, t, 0.3, dz, rows)
    return loss, [z], [dz]


@gradient("reparameterise_backward")
def _reparameterise(rng: Rng) -> Check:
    f, e, w = rng.standard_normal((6, 8)), rng.standard_normal((6, 4)), rng.standard_normal((6, 4))

    def loss(f: np.ndarray) -> float:
        z = np.empty_like(e)
        forward("reparameterise", f, e, z)
        return float((w * z).sum())

    (df,) = like(f)
    KERNELS["reparameterise_backward"](f, e, w, df)
    return loss, [f], [df]


@gradient("gaussian_kl")
def _gaussian_kl(rng: Rng) -> Check:
    f = rng.standard_normal((6, 8))

    def loss(f: np.ndarray) -> float:
        df, rows = np.empty_like(f), np.empty(6)
        forward("gaussian_kl", f, 1.0, df, rows)
        return 0.3 * float(rows.sum())

    df, rows = like(f, np.empty(6))
    KERNELS["gaussian_kl"](f, 0.3, df, rows)
    return loss, [f], [df]


EPS = 1e-3


def _statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, m = x.shape
    mean, squares = np.empty(m), np.empty(m)
    forward("column_sums", x, mean)
    mean /= n
    forward("column_squares", x, mean, squares)
    return mean, 1 / np.sqrt(squares / n + EPS)


@gradient("batch_norm_sums", "batch_norm_backward")
def _batch_norm(rng: Rng) -> Check:
    x, w = rng.standard_normal((8, 5)), rng.standard_normal((8, 5))
    gamma, beta = rng.standard_normal(5), rng.standard_normal(5)

    def loss(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> float:
        y = np.empty_like(x)
        forward("batch_norm", x, *_statistics(x), gamma, beta, y)
        return float((w * y).sum())

    mean, rstd = _statistics(x)
    dx, dgamma, dbeta = like(x, gamma, beta)
    KERNELS["batch_norm_sums"](x, w, mean, rstd, dgamma, dbeta)
    KERNELS["batch_norm_backward"](x, w, mean, rstd, gamma, dgamma, dbeta, 1 / len(x), dx)
    return loss, [x, gamma, beta], [dx, dgamma, dbeta]


@gradient("layer_norm_backward")
def _layer_norm(rng: Rng) -> Check:
    x, w = rng.standard_normal((6, 7)), rng.standard_normal((6, 7))
    gamma, beta = rng.standard_normal(7), rng.standard_normal(7)

    def loss(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> float:
        y, mean, rstd = np.empty_like(x), np.empty(6), np.empty(6)
        forward("layer_norm", x, gamma, beta, EPS, y, mean, rstd)
        return float((w * y).sum())

    y, mean, rstd = np.empty_like(x), np.empty(6), np.empty(6)
    forward("layer_norm", x, gamma, beta, EPS, y, mean, rstd)
    dx, dgamma, dbeta = like(x, gamma, beta)
    KERNELS["layer_norm_backward"](x, w, gamma, mean, rstd, dx, dgamma, dbeta)
    return loss, [x, gamma, beta], [dx, dgamma, dbeta]


# -- kernels whose checks have a file of their own --------------------------------------------------
for _path in sorted(Path(__file__).parent.glob("gradients_*.py")):
    importlib.import_module(f"kernels.{_path.stem}")
