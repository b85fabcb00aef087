"""Pictures of rules: the same bytes each time, labels apart, and fonts that are missing told."""

import io

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from PIL import Image

from dlkit.pictures import figures
from dlkit.pictures.rules import apart, layout, network, scatter

RULES = [
    (["milk", "bread"], ["butter"], 2.0),
    (["beer"], ["$nappies$ & _x^"], 3.5),
    (["milk"], ["bread"], 0.5),
]


def test_pictures_are_png_and_the_same_each_time() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.random(50) + 0.01 for _ in range(3)]
    for draw in (
        lambda: scatter(*columns),
        lambda: network(RULES, "lift", 9),
        lambda: scatter(*np.ones((3, 1))),
    ):
        first = draw()
        assert first == draw()
        image = Image.open(io.BytesIO(first))
        assert image.format == "PNG" and len(image.convert("L").getcolors() or range(99)) > 20


def test_layout_is_without_chance_and_keeps_nodes_apart() -> None:
    edges = [(0, 3), (1, 3), (3, 2), (0, 4), (4, 1)]
    places = layout(5, 3, edges)
    assert (places == layout(5, 3, edges)).all() and np.isfinite(places).all()
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9 * np.eye(5)
    assert distance.min() > 0.05
    moved = apart(np.array([[0.0, 0.5], [0.0, 0.5], [1.0, 0.0], [0.2, 1.0]]), [10, 10, 3, 3])
    assert abs(moved[0, 1] - moved[1, 1]) > 0.03


def test_characters_without_a_font_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figures.missing_font("milk é ß") == ""
    monkeypatch.setattr(figures, "_installed", lambda: ())
    assert figures.missing_in_own("パン milk 茶") == "パン茶"
    assert "Japanese font" in figures.missing_font("牛乳")
    monkeypatch.setattr(figures, "_installed", lambda: ("STIXGeneral", "DejaVu Sans Mono"))
    assert figures.family_for("牛") is None
