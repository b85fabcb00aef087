"""Did you mean: the nearest of the names that would have been right."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _initials(word: str) -> str:
    parts = [part for part in word.split("_") if part]
    return "".join(part[0] for part in parts) if len(parts) > 1 else ""


def closest(word: str, names: Iterable[str] | Mapping[str, Iterable[str]]) -> str | None:
    """The name that `word` was probably meant to be, or None.

    names: the right names, or a mapping from each to other names people use for it. Tried in
    this order: the other names, initials (``learn_rate`` for ``lr`` and the reverse), spelling.
    """
    wanted = _plain(word)[:100]
    others = {name: list(names[name]) if isinstance(names, Mapping) else [] for name in names}
    for name, aliases in others.items():
        if wanted in (_plain(name), *map(_plain, aliases)):
            return name
    for name in others:
        plain = _plain(name)
        if wanted and (_initials(wanted) == plain or _initials(plain) == wanted):
            return name
    spellings = {_plain(alias): name for name in reversed(others) for alias in (*others[name], name)}
    near = get_close_matches(wanted, spellings, n=1, cutoff=0.6)
    return spellings[near[0]] if near else None


def near_file(path: Path, most: int = 10_000) -> str | None:
    """``did you mean recipes/lenet-mnist.yaml?`` for the file or folder beside that is spelt most like it.

    None where nothing is, where there is no such folder, or where it holds more than `most` names.
    """
    try:
        names = [one.name for one in path.parent.iterdir()] if not path.exists() else []
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    near = get_close_matches(path.name, names, n=1, cutoff=0.75) if len(names) <= most else []
    return f"did you mean {path.parent / near[0]}?" if near else None
