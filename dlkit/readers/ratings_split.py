"""Which ratings are for validation and test: shares, numbers, the latest, some of each user's, folds.

Draws come from the stream "split" and depend on the seed alone. Four bytes a rating are needed meanwhile.
"""

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.readers.split import FOLDS, TEST, VALID, Draws, rows_wanted

_AT_ONCE = 1 << 20
TRAINING, VALIDATION, TESTING = 0, 1, 2
"""Parts."""


def divide(
    spec: RatingsSpec,
    streams: Draws,
    by_user: tuple[np.ndarray, np.ndarray] | None,
    times: np.ndarray,
    alive: np.ndarray,
    name: str,
) -> np.ndarray:
    """(n,) uint8: the part of each rating. Raises DataError where a part would be empty.

    by_user: (ends, order) of the ratings sorted by user, where some of each are to be left out; times: (n,)
    or empty; alive: (n,) bool, False for ratings that are left out.
    """
    parts = np.zeros(len(alive), np.uint8)
    if spec.fold is not None:
        chosen = _fold(_numbers(alive), spec, streams.get("split", FOLDS), name)
        parts[chosen] = TESTING
    for what, part, stream in (("test", TESTING, TEST), ("valid", VALIDATION, VALID)):
        wanted = getattr(spec, what)
        if wanted is None or isinstance(wanted, str):
            continue
        free = parts == TRAINING
        free &= alive
        rng = streams.get("split", stream)
        if spec.split.startswith("leave"):
            assert by_user is not None
            chosen = _of_each_user(
                by_user, free, times if spec.split == "leave_latest" else None, wanted, rng
            )
        else:
            rows = _numbers(free)
            count = rows_wanted(wanted, len(rows), what, name)
            if spec.split == "time":
                chosen = _latest(rows, times, count)
            else:
                rng.shuffle(rows)
                chosen = rows[:count]
        if not len(chosen):
            raise DataError(f"{what}: no user has more than {wanted} ratings to leave out of", where=name)
        parts[chosen] = part
    if not (alive & (parts == TRAINING)).any():
        raise DataError("no training rating is left", where=name)
    return parts


def _numbers(mask: np.ndarray) -> np.ndarray:
    """Where the mask is true, as int32, without as many int64 on the way."""
    out, at = np.empty(int(np.count_nonzero(mask)), np.int32), 0
    for start in range(0, len(mask), _AT_ONCE):
        found = np.flatnonzero(mask[start : start + _AT_ONCE])
        out[at : at + len(found)] = found + start
        at += len(found)
    return out


def _fold(rows: np.ndarray, spec: RatingsSpec, rng: np.random.Generator, name: str) -> np.ndarray:
    """The rows of the fold that is the test set; folds differ by one rating at most."""
    assert spec.fold is not None
    if spec.fold.of > len(rows):
        raise DataError(f"fold: {spec.fold.of} folds of {len(rows)} ratings", where=name)
    rng.shuffle(rows)
    return rows[spec.fold.index :: spec.fold.of]


def _latest(rows: np.ndarray, times: np.ndarray, count: int) -> np.ndarray:
    """The `count` rows with the latest times; of equal times those that stand later in the file."""
    mine = times[rows]
    border = np.partition(mine, len(mine) - count)[len(mine) - count]
    later = rows[mine > border]
    ties = rows[mine == border]
    return np.concatenate([later, ties[len(ties) - (count - len(later)) :]])


def _of_each_user(
    by_user: tuple[np.ndarray, np.ndarray],
    free: np.ndarray,
    times: np.ndarray | None,
    wanted: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`wanted` ratings of every user who has more than that: drawn, or (with times) the latest."""
    ends, order = by_user
    chosen: list[np.ndarray] = []
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        rows = order[begin:end]
        rows = rows[free[rows]]
        if len(rows) <= wanted:
            continue
        if times is None:
            chosen.append(rng.choice(rows, wanted, replace=False))
        else:
            chosen.append(rows[np.argsort(times[rows], kind="stable")[len(rows) - wanted :]])
    return np.concatenate(chosen) if chosen else np.empty(0, np.int32)
