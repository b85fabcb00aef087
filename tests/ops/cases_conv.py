"""Cases of the ops of conv.py, pool.py, contrast.py: see cases_core.py for what a case is."""

import numpy as np

from dlkit.kernels.activation import IDENTITY, LEAKY_RELU, RELU, SIGMOID, TANH
from dlkit.ops import contrast, conv, pool
from dlkit.ops.window import Window

N = 5


def conv_case(window, *, channels=2, filters=3, image=(6, 5), bias=True, **more):
    """memory: a few rows of outputs at a time unless the case says otherwise."""
    groups = more.get("groups", 1)
    more = {"memory": 600, **more}

    def inputs(rng):
        w = rng.normal(size=(*window.size, channels // groups, filters))
        x = rng.normal(size=(N, *image, channels))
        return (x, w, rng.normal(size=filters)) if bias else (x, w)

    def run(tape, x, w, b=None):
        return conv.conv(tape, x, w, b, window, **more)

    return {"op": conv.Conv, "inputs": inputs, "run": run}


def conv_pool_case(window, size, *, op=conv.ConvPool, memory=10_000, **more):
    """Two images at a time, or none where the memory is too small for one."""
    return {**conv_case(window, memory=memory, pool=size, **more), "op": op, "parameters": True}


def transposed_case(window, *, channels=2, filters=3, image=(3, 4), **more):
    groups = more.get("groups", 1)
    more = {"memory": 600, **more}

    def inputs(rng):
        w = rng.normal(size=(*window.size, filters // groups, channels))
        return rng.normal(size=(N, *image, channels)), w, rng.normal(size=filters)

    def run(tape, x, w, b):
        return conv.conv_transpose(tape, x, w, b, window, **more)

    return {"op": conv.ConvTranspose, "inputs": inputs, "run": run}


def apart(rng, *size):
    """Numbers of which no two are near each other: a maximum changes hands nowhere nearby."""
    return rng.permutation(np.arange(np.prod(size)) / 10.0).reshape(size)


def pool_case(op, run, image=(5, 6), **static):
    return {
        "op": op,
        "inputs": lambda rng: (apart(rng, N, *image, 2),),
        "run": lambda tape, x: run(tape, x, **static),
    }


def contrast_case(size, kind, divisive, image=(5, 6), channels=2):
    weights = contrast.window_weights(size, kind)
    return {
        "op": contrast.LocalContrast,
        "inputs": lambda rng: (rng.normal(size=(N, *image, channels)) * rng.uniform(0.2, 2, (N, *image, 1)),),
        "run": lambda tape, x: contrast.local_contrast(tape, x, weights, divisive=divisive),
    }


ODD = Window((3, 2), (2, 1), (1, 1))
CASES = {
    **{
        f"conv {name}": conv_case(Window((3, 3)), kind=kind, slope=slope)
        for name, kind, slope in [
            ("identity", IDENTITY, 0.0), ("relu", RELU, 0.0), ("leaky", LEAKY_RELU, 0.3),
            ("sigmoid", SIGMOID, 0.0), ("tanh", TANH, 0.0),
        ]
    },
    "conv same": conv_case(Window((3, 3), pad="same"), kind=TANH),
    "conv same strided even": conv_case(Window((2, 4), (2, 3), "same"), kind=TANH),
    "conv odd": conv_case(ODD, kind=TANH),
    "conv all at once": conv_case(Window((3, 3)), kind=TANH, memory=1 << 20),
    "conv as large as the image": conv_case(Window((6, 5)), kind=TANH),
    "conv pointwise": conv_case(Window((1, 1)), kind=TANH),
    "conv pointwise strided": conv_case(Window((1, 1), (2, 2)), kind=TANH),
    "conv of one channel": conv_case(Window((3, 3), pad="same"), channels=1, kind=TANH),
    "conv in groups": conv_case(ODD, channels=4, filters=6, groups=2, kind=TANH),
    "conv by depth": conv_case(Window((3, 3)), channels=3, filters=3, groups=3, kind=TANH),
    "conv without bias": conv_case(Window((3, 3)), bias=False, kind=TANH),
    "conv of small images": conv_case(Window((5, 5), pad=(2, 2)), image=(1, 1)),
    "conv and pool": conv_pool_case(Window((3, 3), pad="same"), (2, 2), kind=TANH),
    "conv and pool relu": conv_pool_case(Window((2, 2)), (2, 2), kind=RELU),
    "conv and pool odd": conv_pool_case(ODD, (1, 2), kind=LEAKY_RELU, slope=0.3),
    "conv in groups and pool": conv_pool_case(
        Window((3, 3), pad="same"), (3, 2), channels=4, filters=6, groups=2, kind=SIGMOID
    ),
    "conv and pool, an image too large": conv_pool_case(
        Window((3, 3), pad="same"), (2, 2), op=pool.ExtremePool, memory=100, kind=TANH
    ),
    "transposed valid": transposed_case(Window((3, 3)), kind=TANH),
    "transposed strided": transposed_case(Window((4, 4), (2, 2), (1, 1)), kind=TANH),
    "transposed extra": transposed_case(Window((3, 3), (2, 2), (1, 1)), kind=TANH, extra=(1, 1)),
    "transposed same": transposed_case(Window((3, 5), (2, 3), "same"), kind=TANH),
    "transposed gaps": transposed_case(Window((1, 2), (2, 3), "same"), kind=TANH),
    "transposed in groups": transposed_case(
        Window((3, 3), (2, 2), (1, 1)), channels=4, filters=6, groups=2, kind=TANH
    ),
    "max pool": pool_case(pool.ExtremePool, pool.max_pool, window=Window((2, 2), (2, 2))),
    "max pool overlapping": pool_case(pool.ExtremePool, pool.max_pool, window=Window((3, 2), (1, 1))),
    "max pool padded": pool_case(pool.ExtremePool, pool.max_pool, window=Window((3, 3), (2, 2), (1, 1))),
    "max pool same": pool_case(pool.ExtremePool, pool.max_pool, window=Window((3, 3), (2, 2), "same")),
    "min pool": pool_case(pool.ExtremePool, pool.min_pool, window=Window((2, 2), (2, 2))),
    "average pool": pool_case(pool.MeanPool, pool.average_pool, window=Window((2, 2), (2, 2))),
    "average pool same": pool_case(pool.MeanPool, pool.average_pool, window=Window((3, 3), (2, 1), "same")),
    "global average": pool_case(pool.MeanPool, pool.global_pool, kind="average"),
    "global max": pool_case(pool.ExtremePool, pool.global_pool, kind="max"),
    "upsample": pool_case(pool.Upsample, pool.upsample, k=3),
    "upsample bilinear": pool_case(pool.Resample, pool.upsample, k=3, kind="bilinear"),
    "upsample bilinear of one pixel": pool_case(
        pool.Resample, pool.upsample, image=(1, 1), k=2, kind="bilinear"
    ),
    "contrast": contrast_case(3, "gaussian", True),
    "contrast box": contrast_case(5, "box", True),
    "contrast wider than the image": contrast_case(13, "gaussian", True),
    "contrast subtractive": contrast_case(3, "gaussian", False),
    "contrast of one pixel": contrast_case(3, "box", True, image=(1, 1), channels=3),
}  # fmt: skip
