"""A round of word2vec on a GPU: each piece on copies of its rows, all at once, a warp each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.algorithms.w2v_drawing import Windows, manner
from dlkit.kernels.w2v_rows import add_changes, change_weights, changes_of_rows, copy_rows, number_rows
from dlkit.kernels.w2v_windows import embed_windows


@dataclass
class Touched:
    """Rows of a matrix that a piece touches, and how often."""

    rows: np.ndarray
    times: np.ndarray


def round_on_device(
    pieces: list[Windows], matrices: dict[str, Any], backend: Any, recipe: Any, most: int, lr: float,
    rates: dict[str, float], seen: dict[str, np.ndarray],
) -> np.ndarray:  # fmt: skip
    """One round; returns the sum of the losses and how many. most: targets of a window; rates, seen: see
    the kernel change_weights, for each matrix."""
    move = backend.asarray
    parts = [localised(piece) for piece in pieces]
    w, first, last = stack(parts)
    rows, weights, local = {}, {}, {}
    for name, table in matrices.items():
        mine = np.concatenate([touched[name].rows for _, touched in parts])
        times = np.concatenate([touched[name].times for _, touched in parts])
        weight = np.empty(len(mine), backend.dtype)
        change_weights(mine, times, rates[name], *seen[name], weight)
        rows[name], weights[name] = move(mine), move(weight)
        local[name] = backend.empty((len(mine), table.shape[1]))
        copy_rows(table, rows[name], local[name])
    loss = backend.empty((len(pieces), 2), np.float64)
    embed_windows(
        local["input"], local["output"], move(w.words), move(w.reach), move(w.own), move(w.targets),
        move(w.signs), move(w.ends), move(first), move(last), most, lr, *manner(recipe), 1, loss,
    )  # fmt: skip
    for name, table in matrices.items():
        changes_of_rows(table, rows[name], local[name])
    total = backend.to_host(loss).sum(axis=0)
    if np.isfinite(total).all():
        for name, table in matrices.items():
            add_changes(table, rows[name], local[name], weights[name], 0, 1)
    return total


def localised(w: Windows) -> tuple[Windows, dict[str, Touched]]:
    """The windows with rows numbered by first appearance, and the rows of the matrices that they stand
    for.
    """
    both = np.concatenate([w.words, w.own]) if len(w.own) else w.words
    local, inputs = _numbered(both)
    targets, outputs = _numbered(w.targets)
    words, own = local[: len(w.words)], local[len(w.words) :]
    return Windows(words, w.reach, own, targets, w.signs, w.ends), {"input": inputs, "output": outputs}


def _numbered(ids: np.ndarray) -> tuple[np.ndarray, Touched]:
    rows, times, local = (np.empty(len(ids), np.int32) for _ in range(3))
    used = np.empty(1, np.int64)
    number_rows(ids, rows, times, local, used)
    return local, Touched(rows[: used[0]], times[: used[0]])


def stack(parts: list[tuple[Windows, dict[str, Touched]]]) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Pieces as one: their windows, the rows of each below those of the piece before, and where each
    begins and
    ends."""
    a = b = targets = 0
    pieces: list[Windows] = []
    for w, touched in parts:
        words, own = np.where(w.words >= 0, w.words + a, -1), np.where(w.own >= 0, w.own + a, -1)
        pieces.append(Windows(words, w.reach, own, w.targets + b, w.signs, w.ends[1:] + targets))
        a, b = a + len(touched["input"].rows), b + len(touched["output"].rows)
        targets += len(w.targets)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(w, name) for w in pieces])

    last = np.cumsum([len(w.words) for w in pieces], dtype=np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), joined("ends")])
    words, reach, own, rows, signs = (
        joined(name).astype(np.int32) for name in ("words", "reach", "own", "targets", "signs")
    )
    whole = Windows(words, reach, own, rows, signs, ends)
    return whole, np.concatenate([np.zeros(1, np.int64), last[:-1]]), last
