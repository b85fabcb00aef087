"""What a window of word2vec is made of: which words stay, how far it reaches, what stands against its centre.

Draw n of a seed (kernels/chance.py) is a function of both, so a stretch of text gives the same windows
wherever and whenever it is worked on.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.chance import GOLDEN, draw, mixed
from dlkit.kernels.registry import kernel

LOW = (1 << 32) - 1
ALWAYS = 1 << 32
"""A chance of 1, in units of 2^-32."""
TRIES = 8
"""Draws after which a negative that would be a target of the window already is left out."""


def draw_windows_reference(
    words: Any, keep: Any, window: int, dynamic: int, seed: int, kept: Any, reach: Any, used: Any
) -> None:
    """Frequent words are dropped by chance; what remains is the text, and each word's window has a reach.

    words: (n,) int32, -1 where a sentence ends. keep: (V,) int64, chance of a word to stay, 2^32 for always
    (Mikolov et al. 2013b, eq. 5, as in word2vec.c). dynamic: the reach is 1..window, equally likely, else
    window. Out: kept, reach (n,) int32, of which the first used[0] count; ends of sentences stay, reach 0.
    """
    m = 0
    for n, word in enumerate(words.tolist()):
        z = draw(seed, n + 1)
        if word >= 0 and (z & LOW) >= keep[word]:
            continue
        kept[m] = word
        reach[m] = 0 if word < 0 else 1 + ((z >> 32) * window >> 32) if dynamic else window
        m += 1
    used[0] = m


def _draw_windows_cpu(words, keep, window, dynamic, seed, kept, reach, used):
    state = np.uint64(seed)
    low, wide = np.uint64(0xFFFFFFFF), np.uint64(window)
    m = 0
    for n in range(words.size):
        state += np.uint64(GOLDEN)
        word = words[n]
        if word < 0:
            kept[m], reach[m] = -1, 0
            m += 1
            continue
        z = mixed(state)
        if np.int64(z & low) < keep[word]:
            kept[m] = word
            reach[m] = 1 + np.int64(((z >> np.uint64(32)) * wide) >> np.uint64(32)) if dynamic else window
            m += 1
    used[0] = m


def _check_windows(
    words: Any, keep: Any, window: int, dynamic: int, seed: int, kept: Any, reach: Any, used: Any
) -> None:
    name = "draw_windows"
    checks.shaped(name, "words", words, words.shape[:1], np.int32)
    checks.shaped(name, "keep", keep, keep.shape[:1], np.int64)
    checks.shaped(name, "kept", kept, words.shape, np.int32)
    checks.shaped(name, "reach", reach, words.shape, np.int32)
    checks.shaped(name, "used", used, (1,), np.int64)
    if window < 1:
        raise ValueError(f"{name}: window: expected 1 or more, got {window}")
    if len(words) and (words.max() >= len(keep) or words.min() < -1):
        raise ValueError(f"{name}: words: expected numbers in [-1, {len(keep)})")


draw_windows = kernel(
    "draw_windows", draw_windows_reference, cpu=_draw_windows_cpu, check=_check_windows,
    updates="kept reach used",
)  # fmt: skip


def draw_negatives_reference(
    kept: Any, odds: Any, alias: Any, negative: int, seed: int, targets: Any, signs: Any, ends: Any
) -> None:
    """The centre of each window (sign +1) and words drawn against it (-1), all of them different.

    kept: (m,) int32, -1 where a sentence ends: no targets. odds: (V,) int64 of 2^32 and alias: (V,) int32,
    Walker's tables of the noise distribution (Walker 1977). Out: window c has
    targets[ends[c]:ends[c + 1]] and signs, both
    (m * (negative + 1),) int32; ends: (m + 1,) int64.
    """
    count = 0

    def following() -> int:
        nonlocal count
        count += 1
        return draw(seed, count)

    def word(z: int) -> int:
        slot = (z >> 32) * len(odds) >> 32
        return slot if (z & LOW) < odds[slot] else int(alias[slot])

    t = 0
    ends[0] = 0
    for c, centre in enumerate(kept.tolist()):
        if centre >= 0:
            targets[t], signs[t] = centre, 1
            t += 1
            for _ in range(negative):
                for _ in range(TRIES):
                    other = word(following())
                    if other not in targets[ends[c] : t]:
                        targets[t], signs[t] = other, -1
                        t += 1
                        break
        ends[c + 1] = t


def _alias_word(z, odds, alias):
    slot = np.int64(((z >> np.uint64(32)) * np.uint64(odds.size)) >> np.uint64(32))
    return np.int64(slot) if np.int64(z & np.uint64(0xFFFFFFFF)) < odds[slot] else np.int64(alias[slot])


def _draw_negatives_cpu(kept, odds, alias, negative, seed, targets, signs, ends):
    state = np.uint64(seed)
    step = np.uint64(GOLDEN)
    t = 0
    ends[0] = 0
    for c in range(kept.size):
        centre = kept[c]
        if centre >= 0:
            targets[t], signs[t] = centre, 1
            t += 1
            for _ in range(negative):
                for _ in range(TRIES):
                    state += step
                    other = _alias_word(mixed(state), odds, alias)
                    i = ends[c]
                    while i < t and targets[i] != other:
                        i += 1
                    if i == t:
                        targets[t], signs[t] = other, -1
                        t += 1
                        break
        ends[c + 1] = t


def _check_negatives(
    kept: Any, odds: Any, alias: Any, negative: int, seed: int, targets: Any, signs: Any, ends: Any
) -> None:
    name, m = "draw_negatives", len(kept)
    checks.shaped(name, "kept", kept, (m,), np.int32)
    checks.shaped(name, "odds", odds, odds.shape[:1], np.int64)
    checks.shaped(name, "alias", alias, odds.shape, np.int32)
    checks.shaped(name, "ends", ends, (m + 1,), np.int64)
    for argument, array, dtype in (("targets", targets, np.int32), ("signs", signs, np.int32)):
        checks.shaped(name, argument, array, array.shape[:1], dtype)
        if len(array) < m * (negative + 1):
            raise ValueError(f"{name}: {argument}: expected room for {m * (negative + 1)}, got {len(array)}")
    if not len(odds) or (alias.size and (alias.min() < 0 or alias.max() >= len(odds))):
        raise ValueError(f"{name}: alias: expected words of a vocabulary of {len(odds)}")


draw_negatives = kernel(
    "draw_negatives", draw_negatives_reference, cpu=_draw_negatives_cpu, check=_check_negatives,
    updates="targets signs ends",
)  # fmt: skip


def tree_targets_reference(
    kept: Any, path_ends: Any, points: Any, codes: Any, targets: Any, signs: Any, ends: Any
) -> None:
    """Hierarchical softmax: the targets of a window are the inner nodes on the way to its centre (Morin &
    Bengio 2005).

    Word w has points[path_ends[w]:path_ends[w + 1]], int32, and codes there, int32: +1 where the way goes
    left
    of the node, -1 right. targets, signs: room for all paths of kept; ends: (m + 1,) int64.
    """
    t = 0
    ends[0] = 0
    for c, word in enumerate(kept.tolist()):
        if word >= 0:
            path = slice(path_ends[word], path_ends[word + 1])
            length = path.stop - path.start
            targets[t : t + length], signs[t : t + length] = points[path], codes[path]
            t += length
        ends[c + 1] = t


def _tree_targets_cpu(kept, path_ends, points, codes, targets, signs, ends):
    t = 0
    ends[0] = 0
    for c in range(kept.size):
        word = kept[c]
        if word >= 0:
            for i in range(path_ends[word], path_ends[word + 1]):
                targets[t], signs[t] = points[i], codes[i]
                t += 1
        ends[c + 1] = t


def _check_tree(
    kept: Any, path_ends: Any, points: Any, codes: Any, targets: Any, signs: Any, ends: Any
) -> None:
    name = "tree_targets"
    checks.shaped(name, "kept", kept, kept.shape[:1], np.int32)
    checks.shaped(name, "path_ends", path_ends, path_ends.shape[:1], np.int64)
    checks.shaped(name, "points", points, points.shape[:1], np.int32)
    checks.shaped(name, "codes", codes, points.shape, np.int32)
    checks.shaped(name, "targets", targets, targets.shape[:1], np.int32)
    checks.shaped(name, "signs", signs, targets.shape, np.int32)
    checks.shaped(name, "ends", ends, (len(kept) + 1,), np.int64)
    words = kept[kept >= 0]
    needed = int((path_ends[words + 1] - path_ends[words]).sum())
    if needed > len(targets):
        raise ValueError(f"{name}: targets: expected room for {needed}, got {len(targets)}")


tree_targets = kernel(
    "tree_targets", tree_targets_reference, cpu=_tree_targets_cpu, check=_check_tree,
    updates="targets signs ends",
)  # fmt: skip
