"""The names and parameters of the real wheel, as record_manifest.py wrote them."""

import json
from pathlib import Path
from typing import Any

_recorded: dict[str, Any] = json.loads(Path(__file__).with_name("manifest.json").read_text(encoding="utf-8"))
VERSION: str = _recorded.pop("version")
NAMES: dict[str, dict[str, tuple[str, list[str] | None]]] = {
    owner: {name: (kind, names) for name, (kind, names) in entries.items()}
    for owner, entries in _recorded.items()
}
"""By module or class: each name's kind and its parameters (None where they are not known)."""

UFUNC_KEYWORDS = ("out", "dtype")


def check_call(
    name: str, entry: tuple[str, list[str] | None], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Raise TypeError for an argument that CuPy's function of this name does not take."""
    kind, names = entry
    if kind == "ufunc":
        extra = set(kwargs) - set(UFUNC_KEYWORDS)
        if extra:
            raise TypeError(f"strict: cupy.{name} is a ufunc; {sorted(extra)} cannot be relied upon")
    if names is None:
        return
    variable = [n for n in names if n.startswith("*")]
    unknown = [] if any(n.startswith("**") for n in variable) else sorted(set(kwargs) - set(names))
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {unknown[0]!r} (CuPy {VERSION})")
    if len(args) > len(names) and not variable:
        raise TypeError(f"{name}() takes {len(names)} positional arguments but {len(args)} were given")


def missing(owner: str, name: str) -> AttributeError:
    """For a name that the stand-in's module lacks: does CuPy lack it as well?"""
    if name == "random":
        return AttributeError("strict: draw random numbers on the host, so that every backend draws the same")
    if name in NAMES[owner]:
        return AttributeError(f"{owner}.{name}: CuPy {VERSION} has it, the stand-in does not: add it there")
    return AttributeError(f"module {owner!r} has no attribute {name!r} (CuPy {VERSION})")
