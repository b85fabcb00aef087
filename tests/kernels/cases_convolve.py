"""Arguments for the products behind convolutions, and for normalising by columns."""

from typing import Any

import numpy as np
import pytest
from kernels.cases import FUSED, KINDS, Args, Rng, cases, normal, positive, unwritten

from dlkit.backend.blas import find_gemm

Place = dict[str, Any]
# large image (n, h, w, c), window, strides, padding above and left, small image, filters, groups
CONVOLUTIONS: tuple[Place, ...] = (
    {"x": (0, 4, 4, 2), "k": (3, 3), "s": (1, 1), "p": (0, 0), "out": (2, 2), "f": 3, "groups": 1},
    {"x": (1, 1, 1, 1), "k": (1, 1), "s": (1, 1), "p": (0, 0), "out": (1, 1), "f": 1, "groups": 1},
    {"x": (3, 5, 7, 1), "k": (3, 5), "s": (1, 1), "p": (1, 2), "out": (5, 7), "f": 4, "groups": 1},
    {"x": (2, 5, 6, 4), "k": (2, 3), "s": (2, 1), "p": (0, 1), "out": (2, 6), "f": 6, "groups": 2},
    {"x": (3, 4, 5, 18), "k": (1, 1), "s": (1, 1), "p": (0, 0), "out": (4, 5), "f": 4, "groups": 2},
    {"x": (2, 5, 5, 16), "k": (3, 3), "s": (2, 2), "p": (1, 1), "out": (3, 3), "f": 4, "groups": 2},
    {"x": (3, 9, 8, 16), "k": (3, 3), "s": (1, 1), "p": (1, 1), "out": (9, 8), "f": 8, "groups": 1},
)


def shapes(place: Place) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of the large images, the weights and the small images."""
    n, _, _, c = place["x"]
    return place["x"], (*place["k"], c // place["groups"], place["f"]), (n, *place["out"], place["f"])


def tools(place: Place, real: type, lines: int, more: int) -> tuple[Any, ...]:
    """Strides and padding, the library's addresses, work space for so many rows of small pixels."""
    gemm = find_gemm()
    if gemm is None:
        pytest.skip("this NumPy's matrix product cannot be called from compiled code")
    _, w, small = shapes(place)
    size = lines * small[2] * w[0] * w[1] * w[2] + more
    return *place["s"], *place["p"], gemm.words(), unwritten(real, 3, size)


@cases("correlate", lines=(1, 5), place=CONVOLUTIONS)
def _correlate(rng: Rng, real: type, lines: int, place: Place) -> Args:
    x, w, y = shapes(place)
    static = tools(place, real, lines, 0)
    return normal(rng, real, *x), normal(rng, real, *w), *static, unwritten(real, *y)


@cases("spread", lines=(1, 5), place=CONVOLUTIONS)
def _spread(rng: Rng, real: type, lines: int, place: Place) -> Args:
    x, w, y = shapes(place)
    static = tools(place, real, lines, 0)
    return normal(rng, real, *y), normal(rng, real, *w), *static, unwritten(real, *x)


@cases("weight_gradient", lines=(1, 5), place=CONVOLUTIONS)
def _weight_gradient(rng: Rng, real: type, lines: int, place: Place) -> Args:
    x, w, y = shapes(place)
    static = tools(place, real, lines, int(np.prod(w)))
    return normal(rng, real, *x), normal(rng, real, *y), *static, unwritten(real, *w)


WIDTHS = ((1, 1), (2, 3), (5, 70), (64, 130))


@cases("normalise", kind=FUSED, shape=WIDTHS)
def _normalise(rng: Rng, real: type, kind: str, shape: tuple[int, int]) -> Args:
    vector = shape[1:]
    gamma, beta, mean = (normal(rng, real, *vector) for _ in range(3))
    moved = (mean, positive(rng, real, *vector))
    out = (unwritten(real, *vector), unwritten(real, *vector), unwritten(real, *shape))
    slope = np.array([0.2], real)
    return (
        normal(rng, real, *shape),
        np.arange(shape[1]),
        gamma,
        beta,
        *moved,
        0.1,
        1e-5,
        slope,
        KINDS[kind],
        *out,
    )


@cases("normalise_backward", kind=FUSED, shape=WIDTHS)
def _normalise_backward(rng: Rng, real: type, kind: str, shape: tuple[int, int]) -> Args:
    vector = shape[1:]
    x, y, dy = (normal(rng, real, *shape) for _ in range(3))
    mean, rstd, gamma = normal(rng, real, *vector), positive(rng, real, *vector), normal(rng, real, *vector)
    out = (unwritten(real, *vector), unwritten(real, *vector), unwritten(real, *shape))
    slope = np.array([0.2], real)
    return x, y, dy, np.arange(shape[1]), mean, rstd, gamma, slope, KINDS[kind], *out
