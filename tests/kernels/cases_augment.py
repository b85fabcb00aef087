"""Arguments for gather_moved: images of every size in it and out of it, mirrored, and beyond their edges."""

import numpy as np
from kernels.cases import Args, Rng, cases, normal, unwritten

# images (height, width, channels), batch, what the network sees (height, width), farthest top and left
PLACES = (
    {"image": (5, 4, 1), "n": 0, "out": (5, 4), "far": 1},
    {"image": (1, 1, 1), "n": 1, "out": (1, 1), "far": 0},
    {"image": (5, 7, 3), "n": 6, "out": (5, 7), "far": 3},
    {"image": (8, 6, 2), "n": 5, "out": (3, 5), "far": 4},
    {"image": (3, 3, 4), "n": 4, "out": (6, 5), "far": 9},
)


@cases("gather_moved", place=PLACES, table=("uint8", "real"), each_pixel=(False, True), edge=(0, 1))
def _gather_moved(rng: Rng, real: type, place: dict, table: str, each_pixel: bool, edge: int) -> Args:
    (height, width, c), n, far = place["image"], place["n"], place["far"]
    d = height * width * c
    rows = rng.integers(0, 256, (7, d), np.uint8) if table == "uint8" else normal(rng, real, 7, d)
    moves = np.concatenate([rng.integers(-far, far + 1, (n, 2)), rng.integers(0, 4, (n, 1))], axis=1)
    each = d if each_pixel else 1
    scale, shift = normal(rng, real, each) / 255, normal(rng, real, each)
    out = unwritten(real, n, *place["out"], c)
    return rows, rng.integers(0, 7, n), moves.astype(np.int32), height, scale, shift, edge, out
