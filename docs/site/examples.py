"""Values of keys as shipped recipes have them."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from docs.site.places import ROOT


def recipes_of(command: str) -> list[Path]:
    """The shipped recipes of a command."""
    return [
        path for path in sorted((ROOT / "recipes").glob("*.yaml")) if _load(path).get("command") == command
    ]


@cache
def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _keys(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        path = f"{prefix}{key}"
        yield path, value
        if isinstance(value, Mapping):
            yield from _keys(value, f"{path}.")


def examples_of(command: str) -> dict[str, str]:
    """Dotted key -> a value that a shipped recipe gives it, where that fits on a line."""
    found: dict[str, str] = {}
    for path in recipes_of(command):
        for key, value in _keys(_load(path)):
            text = yaml.safe_dump(
                value, default_flow_style=True, allow_unicode=True, width=1000, sort_keys=False
            ).removesuffix("...\n")
            if len(text.strip()) <= 60 and "\n" not in text.strip():
                found.setdefault(key, text.strip())
    return found
