"""Ratings as mf works on them: names as numbers, training ratings by user, validation and test as pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlkit.algorithms.mf_rated import Rated
from dlkit.backend.memory import give_back_memory
from dlkit.errors import DataError
from dlkit.kernels.mf_layout import mark_latest, mark_repeats, order_by_row
from dlkit.readers import ratings_split
from dlkit.readers.cells import OnBadRow, skipped_rows
from dlkit.readers.opening import STDIN_NAME, display
from dlkit.readers.paths import Found, resolve_path
from dlkit.readers.ratings import Piece, RatingLines, Wanted
from dlkit.readers.ratings_names import Names
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.readers.ratings_titles import read_matrix, read_titles
from dlkit.readers.split import Draws


class Column:
    """A column that grows. What is added is not held twice: a large array's memory is moved, not copied."""

    def __init__(self, dtype: type) -> None:
        self._array: np.ndarray = np.empty(0, dtype)
        self._size = 0

    def append(self, part: np.ndarray) -> None:
        """More at the end."""
        size = self._size + len(part)
        if size > len(self._array):
            self._array.resize(size + size // 8, refcheck=False)
        self._array[self._size : size] = part
        self._size = size

    def whole(self) -> np.ndarray:
        """All of it."""
        self._array.resize(self._size, refcheck=False)
        return self._array


class Pairs(NamedTuple):
    """Ratings held out: (n,) int32 users and items, (n,) float32 values."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray


@dataclass
class RatingData:
    """All that a run reads."""

    users: Names
    items: Names
    train: Rated
    valid: Pairs | None
    test: Pairs | None
    low: float
    """Smallest rating: answers are not below it."""
    high: float
    titles: list[str] | None = None
    files: list[Path] = field(default_factory=list)
    resolved: dict[str, object] = field(default_factory=dict)
    """Recipe keys whose paths were found elsewhere than written."""
    notes: list[str] = field(default_factory=list)
    source: str = ""

    @property
    def mean(self) -> float:
        """Mean training rating, in float64."""
        return float(self.train.values.mean(dtype=np.float64))

    def summary(self) -> str:
        """The line `data ...`."""
        parts = [f"{self.source} {len(self.train):,}"]
        parts += [
            f"{len(p.values):,} {what}" for what, p in (("valid", self.valid), ("test", self.test)) if p
        ]
        users, items = len(self.users), len(self.items)
        filled = len(self.train) / max(users * items, 1)
        return (
            f"{' + '.join(parts)} ratings · {users:,} users × {items:,} items ({filled:.2%} filled) · "
            f"{self.low:g} to {self.high:g}"
        )


def read_rating_data(
    spec: RatingsSpec, streams: Draws, on_bad_row: OnBadRow, base: Path | None
) -> RatingData:
    """Read all that `spec` names and divide it. Raises DataError."""
    return _Reading(spec, streams, on_bad_row, base).data()


class _Reading:
    """One call of `read_rating_data`."""

    def __init__(self, spec: RatingsSpec, streams: Draws, on_bad_row: OnBadRow, base: Path | None) -> None:
        self.spec, self.streams, self.on_bad_row, self.base = spec, streams, on_bad_row, base
        self.users, self.items = Names(), Names()
        self.files: list[Path] = []
        self.resolved: dict[str, object] = {}
        self.notes: list[str] = []

    def data(self) -> RatingData:
        spec = self.spec
        columns = self._columns("train", need_time=spec.split in {"time", "leave_latest"})
        valid, test = (self._file(key) for key in ("valid", "test"))
        titles = None
        if spec.titles is not None:
            found = self._find("titles.file", spec.titles.file)
            titles = read_titles(found.path, spec.titles, self.items)
            self.files.append(found.path)
        train, held_out = self._divided(columns)
        give_back_memory()
        low, high = spec.scale or train.scale()
        return RatingData(
            self.users, self.items, train,
            valid or held_out[ratings_split.VALIDATION], test or held_out[ratings_split.TESTING],
            low, high, titles, self.files, self.resolved, self.notes, spec.train if spec.train != "-" else
            STDIN_NAME,
        )  # fmt: skip

    def _find(self, key: str, name: str) -> Found:
        found = resolve_path(name, self.base)
        if found.written != name:
            self.resolved[key] = found.written
        return found

    def _columns(self, key: str, *, need_time: bool = False) -> list[np.ndarray]:
        """Users, items, values and times of a file, each one array."""
        found = self._find(key, getattr(self.spec, key))
        columns = [Column(dtype) for dtype in (np.int32, np.int32, np.float32, np.float64)]
        for piece in self._pieces(found, need_time):
            for column, part in zip(columns, piece, strict=True):
                column.append(part)
        if not found.is_stdin:
            self.files.append(found.path)
        whole = [column.whole() for column in columns]
        give_back_memory()
        return whole

    def _pieces(self, found: Found, need_time: bool) -> Iterator[Piece]:
        spec = self.spec
        if spec.format == "matrix":
            yield read_matrix(found.path, spec.encoding, spec.delimiter, self.users, self.items)
            return
        wanted = Wanted(time=need_time, on_bad_row=self.on_bad_row)
        lines = RatingLines(found.path, spec, self.users, self.items, wanted)
        yield from lines
        if lines.skipped:
            self.notes.append(skipped_rows(lines.name, lines.skipped, lines.first_fault))
        if not lines.has_ratings:
            self.notes.append(f"{lines.name}: no column of ratings: every line counts 1")

    def _file(self, key: str) -> Pairs | None:
        if not isinstance(getattr(self.spec, key), str):
            return None
        users, items, values, _ = self._columns(key)
        return Pairs(users, items, values)

    # -- dividing -----------------------------------------------------------------------------------
    def _divided(self, columns: list[np.ndarray]) -> tuple[Rated, dict[int, Pairs | None]]:
        """The training ratings by user, and the parts held out. `columns` is emptied on the way."""
        users, items, values, times = columns
        columns.clear()
        n, name = len(users), display(self.spec.train)
        ends, order = np.empty(len(self.users) + 1, np.int64), np.empty(n, np.int32)
        order_by_row(users, ends, order)
        alive = self._without_repeats(ends, order, items, values, name)
        by_user = (ends, order) if self.spec.split.startswith("leave") else None
        del order
        parts = ratings_split.divide(self.spec, self.streams, by_user, times, alive, name)
        del by_user, times
        held_out: dict[int, Pairs | None] = {}
        for part in (ratings_split.VALIDATION, ratings_split.TESTING):
            chosen = np.flatnonzero(parts == part)
            held_out[part] = Pairs(users[chosen], items[chosen], values[chosen]) if len(chosen) else None
        alive &= parts == ratings_split.TRAINING
        del parts
        lists = [users, items, values]
        del users, items, values
        if not alive.all():
            for k in range(len(lists)):
                lists[k] = lists[k][alive]
        del alive
        return Rated.of_lists(lists, len(self.users)), held_out

    def _without_repeats(
        self, ends: np.ndarray, order: np.ndarray, items: np.ndarray, values: np.ndarray, name: str
    ) -> np.ndarray:
        """(n,) bool: False for ratings that a later one of the same user and item stands for.

        Where the recipe wants their mean or sum, the later one gets it.
        """
        alive, last_seen = np.empty(len(items), bool), np.empty(len(self.items), np.int32)
        mark_latest(ends, order, items, last_seen, alive)
        repeats = np.flatnonzero(~alive)
        if not len(repeats):
            return alive
        what = self.spec.duplicates
        if what == "error":
            item = self.items.text(int(items[repeats[0]]))
            raise DataError(f"item {item} is rated twice by one user", where=name, hint="see data.duplicates")
        if what in {"mean", "sum"}:
            kept_by = np.empty(len(items), np.int32)
            mark_repeats(ends, order, items, last_seen, kept_by)
            total = values.astype(np.float64)
            np.add.at(total, kept_by[repeats], values[repeats].astype(np.float64))
            if what == "mean":
                times = np.ones(len(items))
                np.add.at(times, kept_by[repeats], 1)
                total /= times
            values[...] = total
        how = {"last": "the last one holds", "mean": "their mean holds", "sum": "they are added up"}[what]
        self.notes.append(f"{name}: {len(repeats):,} ratings repeat a user and item: {how}")
        return alive


def resolved_spec(spec: RatingsSpec, resolved: dict[str, object]) -> RatingsSpec:
    """`spec` with paths as they were found."""
    changes = {key: value for key, value in resolved.items() if "." not in key}
    if "titles.file" in resolved and spec.titles is not None:
        changes["titles"] = spec.titles.model_copy(update={"file": resolved["titles.file"]})
    return spec.model_copy(update=changes)
