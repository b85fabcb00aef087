"""Arguments for the kernels of images: unfold, pool, upsample, contrast."""

from typing import Any

import numpy as np
from kernels.cases import Args, Rng, cases, normal, positive, unwritten

Place = dict[str, Any]
# image (n, h, w, c), window, strides, padding above and left, output rows and columns, group's channels
PLACES: tuple[Place, ...] = (
    {"x": (0, 4, 4, 2), "k": (3, 3), "s": (1, 1), "p": (0, 0), "out": (2, 2), "group": (0, 2)},
    {"x": (1, 1, 1, 1), "k": (1, 1), "s": (1, 1), "p": (0, 0), "out": (1, 1), "group": (0, 1)},
    {"x": (3, 5, 7, 1), "k": (3, 5), "s": (1, 1), "p": (1, 2), "out": (5, 7), "group": (0, 1)},
    {"x": (2, 5, 6, 4), "k": (2, 3), "s": (2, 1), "p": (0, 1), "out": (2, 6), "group": (2, 2)},
    {"x": (2, 3, 3, 3), "k": (5, 5), "s": (2, 3), "p": (2, 4), "out": (2, 2), "group": (0, 3)},
    {"x": (3, 9, 8, 16), "k": (3, 3), "s": (1, 1), "p": (1, 1), "out": (9, 8), "group": (0, 16)},
)


def window(place: Place) -> tuple[int, ...]:
    """kh, kw, sh, sw, pt, pl: a pooling's."""
    return (*place["k"], *place["s"], *place["p"])


def rows_of(place: Place, part: str) -> tuple[int, int]:
    """(start, count) of the output rows worked on: all, or some in the middle of the batch."""
    total = place["x"][0] * place["out"][0]
    return (0, total) if part == "all" or total < 3 else (1, total - 2)


def columns_shape(place: Place, count: int, taps: int) -> tuple[int, ...]:
    pixels, window = (count, place["out"][1]), (*place["k"], place["group"][1])
    return (*window, *pixels) if taps else (*pixels, *window)


@cases("unfold", taps=(1, 0), place=PLACES, part=("all", "middle"))
def _unfold(rng: Rng, real: type, taps: int, place: Place, part: str) -> Args:
    start, count = rows_of(place, part)
    cols = unwritten(real, *columns_shape(place, count, taps))
    x = normal(rng, real, *place["x"])
    return x, start, place["out"][0], *place["s"], *place["p"], place["group"][0], taps, cols


@cases("fold", taps=(1, 0), place=PLACES, part=("all", "middle"))
def _fold(rng: Rng, real: type, taps: int, place: Place, part: str) -> Args:
    start, count = rows_of(place, part)
    cols = normal(rng, real, *columns_shape(place, count, taps))
    dx = normal(rng, real, *place["x"])
    return cols, start, place["out"][0], *place["s"], *place["p"], place["group"][0], taps, dx


# -- pooling ----------------------------------------------------------------------------------------
POOLS: tuple[Place, ...] = (
    {"x": (0, 4, 4, 2), "k": (2, 2), "s": (2, 2), "p": (0, 0), "out": (2, 2)},
    {"x": (1, 1, 1, 1), "k": (1, 1), "s": (1, 1), "p": (0, 0), "out": (1, 1)},
    {"x": (2, 5, 7, 3), "k": (2, 2), "s": (2, 2), "p": (0, 0), "out": (2, 3)},
    {"x": (2, 5, 6, 5), "k": (3, 2), "s": (1, 2), "p": (1, 0), "out": (5, 3)},
    {"x": (3, 7, 7, 17), "k": (3, 3), "s": (2, 2), "p": (1, 1), "out": (4, 4)},
)


def pooled(place: Place) -> tuple[int, ...]:
    return (place["x"][0], *place["out"], place["x"][3])


@cases("extreme_pool", place=POOLS, sign=(1, -1), ties=(False, True))
def _extreme_pool(rng: Rng, real: type, place: Place, sign: int, ties: bool) -> Args:
    x = normal(rng, real, *place["x"])
    where = np.full(pooled(place), 99, np.uint16)
    return (
        (np.round(x).astype(real) if ties else x),
        sign,
        *window(place),
        unwritten(real, *where.shape),
        where,
    )


@cases("extreme_pool_backward", place=POOLS)
def _extreme_pool_backward(rng: Rng, real: type, place: Place) -> Args:
    """Places inside the image, as the forward pass gives them."""
    shape, (kh, kw, sh, sw, pt, pl) = pooled(place), window(place)
    a = np.clip(rng.integers(0, kh, shape), pt - sh * np.arange(shape[1])[:, None, None], None)
    b = np.clip(rng.integers(0, kw, shape), pl - sw * np.arange(shape[2])[:, None], None)
    a = np.minimum(a, place["x"][1] - 1 + pt - sh * np.arange(shape[1])[:, None, None])
    b = np.minimum(b, place["x"][2] - 1 + pl - sw * np.arange(shape[2])[:, None])
    where = (a * kw + b).astype(np.uint16)
    return normal(rng, real, *shape), where, *window(place), unwritten(real, *place["x"])


@cases("mean_pool", place=POOLS)
def _mean_pool(rng: Rng, real: type, place: Place) -> Args:
    return normal(rng, real, *place["x"]), *window(place), unwritten(real, *pooled(place))


@cases("mean_pool_backward", place=POOLS)
def _mean_pool_backward(rng: Rng, real: type, place: Place) -> Args:
    return normal(rng, real, *pooled(place)), *window(place), unwritten(real, *place["x"])


IMAGES = ((0, 3, 2, 2), (1, 1, 1, 1), (2, 3, 5, 1), (3, 4, 3, 17))


def enlarged(shape: tuple[int, ...], k: int) -> tuple[int, ...]:
    return shape[0], k * shape[1], k * shape[2], shape[3]


@cases("upsample", shape=IMAGES, k=(1, 3))
def _upsample(rng: Rng, real: type, shape: tuple[int, ...], k: int) -> Args:
    return normal(rng, real, *shape), k, unwritten(real, *enlarged(shape, k))


@cases("upsample_backward", shape=IMAGES, k=(1, 3))
def _upsample_backward(rng: Rng, real: type, shape: tuple[int, ...], k: int) -> Args:
    return normal(rng, real, *enlarged(shape, k)), k, unwritten(real, *shape)


# -- contrast ---------------------------------------------------------------------------------------
@cases("window_mean", shape=((0, 3, 2), (1, 1, 1), (2, 5, 3), (3, 9, 12)), size=(1, 3, 7), adjoint=(0, 1))
def _window_mean(rng: Rng, real: type, shape: tuple[int, ...], size: int, adjoint: int) -> Args:
    m = normal(rng, real, *shape)
    return m, positive(rng, real, size), adjoint, unwritten(real, *shape), unwritten(real, *shape)


@cases("centre", shape=IMAGES)
def _centre(rng: Rng, real: type, shape: tuple[int, ...]) -> Args:
    x, mean = normal(rng, real, *shape), normal(rng, real, *shape[:3])
    return x, mean, unwritten(real, *shape), unwritten(real, *shape[:3])


@cases("centre_backward", shape=IMAGES)
def _centre_backward(rng: Rng, real: type, shape: tuple[int, ...]) -> Args:
    v, dv = normal(rng, real, *shape), normal(rng, real, *shape)
    return v, normal(rng, real, *shape[:3]), dv, unwritten(real, *shape[:3])


@cases("divide", shape=IMAGES)
def _divide(rng: Rng, real: type, shape: tuple[int, ...]) -> Args:
    return normal(rng, real, *shape), positive(rng, real, *shape[:3]), unwritten(real, *shape)


@cases("divide_backward", shape=IMAGES)
def _divide_backward(rng: Rng, real: type, shape: tuple[int, ...]) -> Args:
    y, dy, d = normal(rng, real, *shape), normal(rng, real, *shape), positive(rng, real, *shape[:3])
    return y, dy, d, unwritten(real, *shape), unwritten(real, *shape[:3])
