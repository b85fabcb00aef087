"""Augmentation: what is drawn lies where the recipe says, and moves images as it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlkit.kernels.augment import gather_moved
from dlkit.readers.augment import AugmentSpec

SIDES = st.integers(1, 9)
FLIPS = st.sampled_from(["none", "horizontal", "vertical", "both"])
PAIRS = st.lists(st.integers(0, 4), min_size=2, max_size=2)


def moved(image, spec, moves):
    """(n, h, w, c): one image, moved in n ways."""
    h, w, c = image.shape
    table = np.ascontiguousarray(image.reshape(1, -1))
    out = np.empty((len(moves), *spec.output((h, w)), c), np.float32)
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    index = np.zeros(len(moves), np.int64)
    gather_moved(table, index, moves, h, one, none, spec.edge, out)
    return out


@given(
    st.tuples(SIDES, SIDES),
    PAIRS,
    PAIRS,
    st.sampled_from(["none", "horizontal", "vertical", "both"]),
    st.data(),
)
def test_draws_stay_within_what_the_recipe_says(image, shift, pad, flip, data):
    size = [data.draw(st.integers(1, side + 2 * border)) for side, border in zip(image, pad, strict=True)]
    spec = AugmentSpec(shift=shift, flip=flip, crop={"size": size, "pad": pad})
    assert spec.output(image) == tuple(size)
    moves = spec.draw(np.random.default_rng(1), 200, image)
    assert (moves.shape, moves.dtype) == ((200, 3), np.int32)
    for axis in range(2):
        low, high = -pad[axis] - shift[axis], image[axis] + pad[axis] - size[axis] + shift[axis]
        assert moves[:, axis].min() >= low and moves[:, axis].max() <= high
    bits = {"none": {0}, "horizontal": {0, 1}, "vertical": {0, 2}, "both": {0, 1, 2, 3}}
    assert set(moves[:, 2].tolist()) == bits[flip]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_the_draws_are_a_function_of_the_generator_and_each_row_has_its_own(seed, n):
    spec = AugmentSpec(shift=2, flip="both", crop={"pad": 1})
    again = [spec.draw(np.random.default_rng(seed), n, (8, 8)) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_every_distance_is_as_likely():
    moves = AugmentSpec(shift=1).draw(np.random.default_rng(3), 9000, (5, 5))
    cells = np.bincount((moves[:, 0] + 1) * 3 + moves[:, 1] + 1, minlength=9)
    assert (abs(cells - 1000) < 150).all()


def test_an_image_is_moved_mirrored_and_cut():
    image = np.arange(1, 13, dtype=np.uint8).reshape(3, 4, 1)
    still = AugmentSpec(shift=2)
    np.testing.assert_array_equal(moved(image, still, still.still(1, (3, 4)))[0], image)
    down = moved(image, still, np.array([[-1, 0, 0]], np.int32))[0, ..., 0]
    np.testing.assert_array_equal(down, [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]])
    edge = AugmentSpec(shift=2, fill="edge")
    down = moved(image, edge, np.array([[-1, 0, 0]], np.int32))[0, ..., 0]
    np.testing.assert_array_equal(down, [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]])
    turned = moved(image, still, np.array([[0, 0, 1], [0, 0, 2], [0, 0, 3]], np.int32))[..., 0]
    for found, wanted in zip(turned, (image[:, ::-1], image[::-1], image[::-1, ::-1]), strict=True):
        np.testing.assert_array_equal(found, wanted[..., 0])
    part = AugmentSpec(crop={"size": [1, 2]})
    np.testing.assert_array_equal(moved(image, part, part.still(1, (3, 4)))[0, ..., 0], [[6, 7]])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"crop": {}}, "give pad, or a size"),
        ({"crop": {"size": 0}}, "1 pixel or more"),
        ({"shift": -1}, "greater than or equal to 0"),
        ({"shift": [1, 2, 3]}, "at most 2 items"),
        ({"rotate": 3}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, message):
    with pytest.raises(ValidationError, match=message):
        AugmentSpec(**spec)


def test_a_part_larger_than_the_image_is_refused():
    spec = AugmentSpec(crop={"size": 8, "pad": 1})
    assert spec.output((6, 6)) == (8, 8)
    with pytest.raises(ValueError, match="a part of 8×8 of an image of 5×6"):
        spec.output((5, 6))
