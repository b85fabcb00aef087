"""What the folder of a run says, read without opening its checkpoint."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dlkit.pictures.exhibits import Left, Made
from dlkit.training.rundir import CHECKPOINT, ENVIRONMENT, METRICS, RECIPE, SUMMARY

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """A run, or a family of runs (folds, variants), whose members follow it as runs of their own."""

    path: Path
    name: str
    rows: Rows
    """Of metrics.csv and timing.csv; none for a family."""
    recipe: dict[str, Any]
    recipe_text: str
    summary: dict[str, Any]
    environment: dict[str, Any]
    members: tuple[str, ...]
    troubles: tuple[str, ...] = ()
    """What could not be read of it."""
    left: tuple[Left, ...] = ()
    """Files that its command has something to say about."""
    previews: tuple[str, ...] = ()
    """Files that are of interest only while it is not finished."""
    made: tuple[Made, ...] = ()
    """What was made from its checkpoint."""
    notes: tuple[str, ...] = ()
    """What could not be made, in words."""

    @property
    def command(self) -> str:
        """train-mlp, gan, ...; empty where the recipe is not there yet."""
        return str(self.recipe.get("command", ""))

    @property
    def state(self) -> str:
        """finished, or how far it came."""
        if (self.path / SUMMARY).is_file():
            return "finished"
        begun = self.rows or self.members or (self.path / CHECKPOINT).is_file()
        return "unfinished" if begun else "nothing saved yet"

    @property
    def seconds(self) -> float | None:
        """What training took, as far as timing.csv tells."""
        times = [row["seconds"] for row in self.rows if isinstance(row.get("seconds"), int | float)]
        return times[-1] if times else None

    def warnings(self) -> list[str]:
        """What a reader should know before trusting the figures."""
        told = list(self.troubles)
        if self.state != "finished":
            told.append(f"{self.state}: there is no {SUMMARY}; --resume goes on with it")
        if not self.rows and not self.members and not self.troubles:
            told.append(f"there is no {METRICS}, or it has no rows")
        unlike = sorted({k for row in self.rows for k, v in row.items() if v in _INFINITE})
        if unlike:
            told.append(f"infinite values in {', '.join(unlike)}; the curves leave them out")
        if not self.environment and not self.members:
            told.append(f"there is no {ENVIRONMENT}: what it ran with is not known")
        return told

    def said(self) -> list[str]:
        """What the algorithm had to say while it was trained."""
        notes = self.environment.get("notes")
        return [str(one) for one in notes] if isinstance(notes, list) else []


_INFINITE = (float("inf"), float("-inf"), "inf", "-inf")


def is_run(folder: Path) -> bool:
    """Whether a folder is (part of) a run or a family."""
    return any((folder / name).is_file() for name in (RECIPE, CHECKPOINT, SUMMARY, METRICS))


def runs_below(folder: Path) -> list[Path]:
    """Runs in a folder of runs, however deep, in the order of their names; not the members of families."""
    found: list[Path] = []
    for one in sorted(folder.iterdir()):
        if one.is_dir() and not one.is_symlink() and not one.name.startswith("."):
            found += [one] if is_run(one) else runs_below(one)
    return found


def members_of(run: Path) -> list[Path]:
    """The runs inside a family's folder."""
    return sorted(one for one in run.iterdir() if one.is_dir() and one.name[0] != "." and is_run(one))


def gather(path: Path, name: str, rows: Rows, troubles: Sequence[str] = ()) -> Run:
    """Read the small files of a run; what cannot be read is added to its `troubles`."""
    found = list(troubles)
    written = _text(path / RECIPE, found)
    try:
        recipe = yaml.safe_load(written) if written else {}
    except yaml.YAMLError as error:
        found.append(f"{RECIPE}: not YAML: {' '.join(str(error).split())}")
        recipe = {}
    return Run(
        path,
        name,
        rows,
        recipe if isinstance(recipe, dict) else {},
        written,
        _json(path / SUMMARY, found),
        _json(path / ENVIRONMENT, found),
        tuple(f"{name}/{member.name}" for member in members_of(path)),
        tuple(found),
    )


def _text(path: Path, troubles: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        troubles.append(f"{path.name}: cannot be read: {error}")
        return ""


def _json(path: Path, troubles: list[str]) -> dict[str, Any]:
    try:
        found = json.loads(_text(path, troubles) or "{}")
    except (ValueError, RecursionError) as error:
        troubles.append(f"{path.name}: not JSON: {error}")
        return {}
    return found if isinstance(found, dict) else {}


def flat(tree: Any, prefix: str = "") -> dict[str, str]:
    """Leaves of a recipe under their dotted keys: `optimizer.lr`, `model.0.dense.units`."""
    if isinstance(tree, dict) and tree:
        parts = tree.items()
    elif isinstance(tree, list) and any(isinstance(one, dict | list) for one in tree):
        parts = enumerate(tree)  # type: ignore[assignment]
    else:
        plain = isinstance(tree, str) and tree != ""
        return {prefix: tree if plain else json.dumps(tree, ensure_ascii=False, default=str)}
    leaves: dict[str, str] = {}
    for key, value in parts:
        leaves |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def differences(trees: Sequence[Any]) -> dict[str, list[str]]:
    """Dotted keys whose values are not the same in all trees, with each tree's value ("" where absent)."""
    leaves = [flat(tree) if tree else {} for tree in trees]
    keys = dict.fromkeys(key for one in leaves for key in one)
    found = {key: [one.get(key, "") for one in leaves] for key in keys}
    return {key: values for key, values in found.items() if len(set(values)) > 1}
