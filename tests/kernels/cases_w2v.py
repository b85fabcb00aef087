"""Arguments for the kernels of word2vec."""

import numpy as np
from kernels.cases import Args, Rng, cases, normal, unwritten

ALWAYS = 1 << 32


def text(rng: Rng, n: int, words: int) -> np.ndarray:
    """n numbers of words with ends of sentences among them."""
    ids = rng.integers(0, words, n, np.int32)
    ids[rng.random(n) < 0.1] = -1
    return ids


@cases("draw_windows", n=(0, 1, 300), dynamic=(0, 1))
def _draw_windows(rng: Rng, real: type, n: int, dynamic: int) -> Args:
    keep = rng.integers(0, ALWAYS, 20)
    keep[::3] = ALWAYS
    kept, reach = np.full(n, -7, np.int32), np.full(n, -7, np.int32)
    return text(rng, n, 20), keep, 5, dynamic, int(rng.integers(2**62)), kept, reach, np.zeros(1, np.int64)


@cases("draw_negatives", n=(0, 1, 200), words=(1, 3, 30))
def _draw_negatives(rng: Rng, real: type, n: int, words: int) -> Args:
    odds, alias = rng.integers(0, ALWAYS + 1, words), rng.integers(0, words, words, np.int32)
    targets, signs = np.full(6 * n, -7, np.int32), np.full(6 * n, -7, np.int32)
    seed = int(rng.integers(2**62))
    return text(rng, n, words), odds, alias, 5, seed, targets, signs, np.zeros(n + 1, np.int64)


@cases("tree_targets", n=(0, 1, 100))
def _tree_targets(rng: Rng, real: type, n: int) -> Args:
    ends = np.concatenate([[0], np.cumsum(rng.integers(1, 6, 12))]).astype(np.int64)
    points = rng.integers(0, 11, int(ends[-1]), np.int32)
    codes = np.where(rng.random(len(points)) < 0.5, 1, -1).astype(np.int32)
    out = np.full(5 * n, -7, np.int32), np.full(5 * n, -7, np.int32), np.zeros(n + 1, np.int64)
    return text(rng, n, 12), ends, points, codes, *out


@cases("number_rows", n=(0, 1, 500))
def _number_rows(rng: Rng, real: type, n: int) -> Args:
    out = [np.full(n, -7, np.int32) for _ in range(3)]
    return text(rng, n, 60), *out, np.zeros(1, np.int64)


@cases("change_weights", n=(0, 1, 200), rate=(0.0, 0.3))
def _change_weights(rng: Rng, real: type, n: int, rate: float) -> Args:
    rows, times = rng.integers(0, 50, n, np.int32), rng.integers(1, 30, n, np.int32)
    return rows, times, rate, np.zeros(50, np.int32), np.zeros(50, np.int32), unwritten(real, n)


SHAPES = ((0, 5), (1, 1), (40, 7), (90, 40))


@cases("copy_rows", shape=SHAPES)
def _copy_rows(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, d = shape
    return normal(rng, real, 30, d), rng.integers(0, 30, n, np.int32), unwritten(real, n, d)


@cases("changes_of_rows", shape=SHAPES)
def _changes_of_rows(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    n, d = shape
    return normal(rng, real, 30, d), rng.integers(0, 30, n, np.int32), normal(rng, real, n, d)


@cases("add_changes", shape=SHAPES, part=((0, 1), (1, 3)))
def _add_changes(rng: Rng, real: type, shape: tuple[int, int], part: tuple[int, int]) -> Args:
    n, d = shape
    rows = rng.integers(0, 30, n, np.int32)
    return normal(rng, real, 30, d), rows, normal(rng, real, n, d), normal(rng, real, n), *part


def _windows(rng: Rng, n: int, inputs: int, outputs: int, most: int) -> tuple[np.ndarray, ...]:
    words, reach = text(rng, n, inputs), rng.integers(1, 4, n, np.int32)
    sizes = np.where(words >= 0, rng.integers(0, most + 1, n), 0)
    rows = [rng.permutation(outputs)[:size] for size in sizes.tolist()]
    targets = np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int32)
    signs = np.where(rng.random(len(targets)) < 0.5, 1, -1).astype(np.int32)
    return words, reach, targets, signs, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@cases("embed_windows", n=(0, 1, 60), d=(16, 48), together=(0, 1, 2), own=(0, 1), around=(1, 0), learn=(1, 0))
def _embed_windows(
    rng: Rng, real: type, n: int, d: int, together: int, own: int, around: int, learn: int
) -> Args:
    """Two stretches with rows of their own."""
    parts = [_windows(rng, n // 2 if k else n - n // 2, 7, 9, 6 + 3 * k) for k in range(2)]
    first, second = parts
    words = np.concatenate([first[0], np.where(second[0] >= 0, second[0] + 7, -1)]).astype(np.int32)
    reach = np.concatenate([first[1], second[1]])
    targets = np.concatenate([first[2], second[2] + 9]).astype(np.int32)
    signs = np.concatenate([first[3], second[3]])
    ends = np.concatenate([first[4], first[4][-1] + second[4][1:]])
    documents = np.zeros(0, np.int32)
    if own:
        documents = np.where(np.arange(n) < len(first[0]), 14, 15).astype(np.int32)
        documents[rng.random(n) < 0.2] = -1
    begin = np.array([0, len(first[0])], np.int64)
    last = np.array([len(first[0]), n], np.int64)
    a, b = (0.5 * normal(rng, real, rows, d) for rows in (16, 18))
    how = (9, 0.05, around, together, int(rng.integers(2)), learn)
    a, b = a.astype(real), b.astype(real)
    return a, b, words, reach, documents, targets, signs, ends, begin, last, *how, unwritten(np.float64, 2, 2)


@cases("softmax_windows", n=(0, 1, 30), together=(0, 1, 2), distinct=(0, 1))
def _softmax_windows(rng: Rng, real: type, n: int, together: int, distinct: int) -> Args:
    a, b = normal(rng, real, 9, 5), normal(rng, real, 9, 5)
    words, reach = text(rng, n, 9), rng.integers(1, 4, n, np.int32)
    return a, b, words, reach, 0.05, together, distinct, distinct, unwritten(np.float64, 2)
