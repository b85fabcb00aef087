"""Figures by matplotlib without a display: the same bytes for the same data, in fonts that show the text.

matplotlib's own font has no Japanese. What is missing in it is looked for in the fonts that systems bring
along, then in the package matplotlib-fontja (extra `ja`).
"""

import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

FAMILIES = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "Source Han Sans", "IPAexGothic", "IPAGothic",
    "IPAPGothic", "TakaoGothic", "TakaoPGothic", "VL Gothic", "VL PGothic", "BIZ UDGothic",
    "UD Digi Kyokasho NK-R",
    "Yu Gothic", "Meiryo", "MS Gothic", "Hiragino Sans", "Hiragino Kaku Gothic ProN",
    "Hiragino Maru Gothic Pro",
    "Noto Sans CJK SC", "Noto Sans CJK KR", "WenQuanYi Micro Hei", "Unifont", "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Japanese (and more), the likelier ones first."""
PACKAGE = "matplotlib_fontja"
OWN = "DejaVu Sans"


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


@contextmanager
def figure(width: float, height: float, text: str = "") -> Iterator[Any]:
    """An empty figure of so many inches at 100 dots each, in fonts that show the characters of `text`."""
    import matplotlib
    from matplotlib.figure import Figure

    families = [OWN, *filter(None, [family_for(missing_in_own(text))])]
    settings: Any = {
        "font.family": families,
        "axes.unicode_minus": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "dlkit",
    }
    with matplotlib.rc_context(settings):
        yield Figure(figsize=(width, height), dpi=100, layout="constrained")


def png(drawn: Any) -> bytes:
    """The figure as PNG, without the date and the program's version."""
    import warnings

    out = io.BytesIO()
    with warnings.catch_warnings():  # what no font shows was told in words (missing_font)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def missing_font(text: str) -> str:
    """What to tell the user about characters that no font shows; empty where all are shown."""
    missing = missing_in_own(text)
    family = family_for(missing)
    rest = [c for c in missing if not family or ord(c) not in _characters(family)]
    if not rest:
        return ""
    shown = "".join(rest[:5])
    return (
        f"no font here shows {shown!r} and {len(rest) - 1} more in pictures; install a Japanese font "
        'or pip install "dlkit[ja]"'
        if len(rest) > 1
        else f"no font here shows {shown!r} in pictures"
    )


def missing_in_own(text: str) -> str:
    """The distinct characters of `text` that matplotlib's own font lacks, in code point order."""
    if text.isascii():
        return ""
    own = _characters(OWN)
    return "".join(sorted(c for c in set(text) if ord(c) not in own and c.isprintable()))


def family_for(characters: str) -> str | None:
    """The installed family that shows most of `characters`, the earlier of equals; None: none shows any."""
    if not characters:
        return None
    shown = {family: sum(ord(c) in _characters(family) for c in characters) for family in _installed()}
    best = max(shown, key=lambda family: shown[family], default=None)
    return best if best and shown[best] else None


@cache
def _installed() -> tuple[str, ...]:
    """FAMILIES that are there, then the package's font."""
    from matplotlib import font_manager

    found = _families()
    if not found:  # matplotlib remembers the fonts of its first day: one may have been installed since
        known = {font.fname for font in font_manager.fontManager.ttflist}
        for new in sorted(set(font_manager.findSystemFonts()) - known):
            with suppress(OSError, RuntimeError):  # what is no font that can be read
                font_manager.fontManager.addfont(new)
        found = _families()
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).rglob("*.[to]tf")):
            font_manager.fontManager.addfont(path)
            name = font_manager.FontProperties(fname=path).get_name()
            if name not in found:
                found.append(name)
    return tuple(found)


def _families() -> list[str]:
    """FAMILIES that matplotlib knows."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [family for family in FAMILIES if family in names]


@cache
def _characters(family: str) -> frozenset[int]:
    """Code points that a family shows."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())
