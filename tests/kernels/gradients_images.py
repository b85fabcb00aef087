"""Gradient checks of the kernels of images; see gradients.py."""

from typing import Any

import numpy as np
from kernels.cases import Rng
from kernels.cases_images import PLACES, POOLS, Place, columns_shape, pooled, window
from kernels.gradients import KERNELS, Check, forward, gradient, like


def some_rows(place: Place) -> bool:
    return bool(place["x"][0])


@gradient("fold", chosen=[(p, taps) for p in PLACES if some_rows(p) for taps in (0, 1)])
def _fold(rng: Rng, chosen: tuple[Place, int]) -> Check:
    place, taps = chosen
    count = place["x"][0] * place["out"][0]
    x, w = rng.standard_normal(place["x"]), rng.standard_normal(columns_shape(place, count, taps))
    static = (0, place["out"][0], *place["s"], *place["p"], place["group"][0], taps)

    def loss(x: np.ndarray) -> float:
        cols = np.empty_like(w)
        forward("unfold", x, *static, cols)
        return float((w * cols).sum())

    dx = np.zeros_like(x)
    KERNELS["fold"](w, *static, dx)
    return loss, [x], [dx]


@gradient("extreme_pool_backward", place=[p for p in POOLS if some_rows(p)])
def _extreme_pool(rng: Rng, place: Place) -> Check:
    x, w = rng.standard_normal(place["x"]), rng.standard_normal(pooled(place))
    where = np.zeros(w.shape, np.uint16)

    def loss(x: np.ndarray) -> float:
        y = np.empty_like(w)
        forward("extreme_pool", x, -1, *window(place), y, where)
        return float((w * y).sum())

    loss(x)
    (dx,) = like(x)
    KERNELS["extreme_pool_backward"](w, where.copy(), *window(place), dx)
    return loss, [x], [dx]


@gradient("mean_pool_backward", place=[p for p in POOLS if some_rows(p)])
def _mean_pool(rng: Rng, place: Place) -> Check:
    return linear(rng, "mean_pool", place["x"], pooled(place), *window(place))


@gradient("upsample_backward")
def _upsample(rng: Rng) -> Check:
    return linear(rng, "upsample", (2, 3, 4, 5), (2, 6, 8, 5), 2)


def linear(rng: Rng, name: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...], *static: Any) -> Check:
    """name(x, *static, y) and its adjoint name_backward(dy, *static, dx)."""
    x, w = rng.standard_normal(x_shape), rng.standard_normal(y_shape)

    def loss(x: np.ndarray) -> float:
        y = np.empty_like(w)
        forward(name, x, *static, y)
        return float((w * y).sum())

    (dx,) = like(x)
    KERNELS[f"{name}_backward"](w, *static, dx)
    return loss, [x], [dx]


# -- contrast ---------------------------------------------------------------------------------------
def maps(rng: Rng) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, w: images; m, u: maps of their pixels."""
    shape = (2, 3, 4, 5)
    x, w = rng.standard_normal(shape), rng.standard_normal(shape)
    return x, w, rng.standard_normal(shape[:3]), rng.standard_normal(shape[:3])


@gradient("centre_backward")
def _centre(rng: Rng) -> Check:
    x, w, mean, u = maps(rng)

    def loss(x: np.ndarray, mean: np.ndarray) -> float:
        v, q = np.empty_like(x), np.empty_like(mean)
        forward("centre", x, mean, v, q)
        return float((w * v).sum() + (u * q).sum())

    v, q, dm = like(x, mean, mean)
    forward("centre", x, mean, v, q)
    dv = w.copy()
    KERNELS["centre_backward"](v, u, dv, dm)
    return loss, [x, mean], [dv, -dm]


@gradient("divide_backward")
def _divide(rng: Rng) -> Check:
    v, w, d, _ = maps(rng)
    d = np.abs(d) + 0.5

    def loss(v: np.ndarray, d: np.ndarray) -> float:
        y = np.empty_like(v)
        forward("divide", v, d, y)
        return float((w * y).sum())

    y, dv, dd = like(v, v, d)
    forward("divide", v, d, y)
    KERNELS["divide_backward"](y, w, d, dv, dd)
    return loss, [v, d], [dv, dd]
