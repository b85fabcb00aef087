"""Fonts of pictures: what matplotlib's own font lacks is found, also where it was installed a moment ago."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkit.pictures import figures

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What is remembered of fonts is asked anew, before and after."""
    figures._installed.cache_clear()
    yield
    figures._installed.cache_clear()


def test_a_font_installed_since_matplotlib_first_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgotten: None
) -> None:
    from matplotlib import font_manager

    new = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if font.fname != new])
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "broken.ttf"), new])
    monkeypatch.setattr(figures, "FAMILIES", ("DejaVu Sans Mono",))
    assert figures._installed()[0] == "DejaVu Sans Mono"


def test_a_character_that_no_font_has_is_told(monkeypatch: pytest.MonkeyPatch, forgotten: None) -> None:
    monkeypatch.setattr(figures, "FAMILIES", ())
    monkeypatch.setattr(figures, "PACKAGE", "no_such_package")
    assert figures.missing_font("plain") == ""
    assert figures.missing_font("日本").startswith("no font here shows '日本'")
