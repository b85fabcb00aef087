"""Captions: one line below each tile, Latin letters only, equal bytes for equal input."""

import numpy as np
import pytest

from dlkit.pictures.captions import LINE, SIDE, captioned
from dlkit.pictures.tiles import png


def images(n, *shape):
    return np.random.default_rng(1).integers(0, 256, (n, *shape), np.uint8)


@pytest.mark.parametrize("colours", [1, 3])
def test_tiles_are_enlarged_and_have_a_line_below(colours):
    page = captioned(images(5, 10, 8, colours), [f"{k} > {k + 1}" for k in range(5)], 3)
    zoom = -(-SIDE // 8)
    assert page.shape == (2 * (10 * zoom + LINE + 4) + 4, 3 * (8 * zoom + 4) + 4, 3)
    assert page.dtype == np.uint8
    top = page[4 + 10 * zoom : 4 + 10 * zoom + LINE, 4 : 4 + 8 * zoom]
    assert top.min() < 100, "there are letters"


def test_equal_input_gives_equal_bytes():
    pages = [png(captioned(images(2, 9, 9, 1), ["a > b", "猫 > 犬"], 2)) for _ in range(2)]
    assert pages[0] == pages[1]


def test_letters_that_the_font_lacks_become_the_number_of_the_tile():
    one = captioned(images(2, 60, 60, 1), ["#1", "#2"], 2)
    np.testing.assert_array_equal(captioned(images(2, 60, 60, 1), ["猫 > 犬", "犬 > 猫"], 2), one)


def test_no_image_is_refused():
    with pytest.raises(ValueError, match="expected images"):
        captioned(images(0, 5, 5, 1), [], 3)
