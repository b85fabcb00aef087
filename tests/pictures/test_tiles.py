"""Tiles of images: where each one lands, and that the PNG is what was drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from dlkit.pictures.tiles import as_bytes, png, tiled


@pytest.mark.parametrize("colours", [1, 3])
def test_every_image_is_in_its_place(colours: int) -> None:
    images = np.random.default_rng(1).integers(0, 200, (5, 3, 4, colours), np.uint8)
    page = tiled(images, 2, gap=1, zoom=1)
    assert page.shape == ((3 * 4 + 1, 2 * 5 + 1, 3)[: 2 if colours == 1 else 3])
    page = page.reshape(*page.shape[:2], -1)
    for k, image in enumerate(images):
        top, left = k // 2 * 4 + 1, k % 2 * 5 + 1
        np.testing.assert_array_equal(page[top : top + 3, left : left + 4], image)
    assert (page[9:, 6:] == 255).all(), "a cell without an image"
    assert (page[0] == 255).all() and (page[:, 0] == 255).all()


def test_small_images_are_enlarged() -> None:
    images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    page = tiled(images, 8, gap=0)
    np.testing.assert_array_equal(page, images[0, :, :, 0].repeat(4, 0).repeat(4, 1))
    assert tiled(np.zeros((1, 28, 28, 1), np.uint8), 1, gap=0).shape == (56, 56)
    assert tiled(np.zeros((1, 32, 40, 1), np.uint8), 1, gap=0).shape == (32, 40)


@pytest.mark.parametrize("shape", [(0, 2, 2, 1), (3, 2, 2), (3, 2, 2, 2)])
def test_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="tiles: expected images"):
        tiled(np.zeros(shape, np.uint8), 2)


def test_png_holds_the_picture() -> None:
    for shape in ((5, 7), (5, 7, 3)):
        page = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        data = png(page)
        assert data == png(page)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), page)


def test_numbers_become_bytes() -> None:
    assert as_bytes(np.array([-1, 0, 0.5, 1, 2, np.nan])).tolist() == [0, 0, 128, 255, 255, 0]
    assert as_bytes(np.array([-1.0, 1.0]), -1, 1).tolist() == [0, 255]
