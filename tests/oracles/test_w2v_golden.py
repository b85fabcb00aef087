"""The windows of word2vec against gensim's, and the files that both read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.kernels.w2v_draw import tree_targets
from dlkit.kernels.w2v_windows import EACH, GROUP, MEAN, WHOLE, embed_windows
from dlkit.readers.word_vectors import read_vectors, to_binary, to_text

GOLDEN = json.loads(Path(__file__).with_name("w2v_golden.json").read_text(encoding="utf-8"))
LR = 0.2


def corpus(golden: dict[str, Any]) -> np.ndarray:
    """The sentences as numbers, -1 after each."""
    index = {word: k for k, word in enumerate(golden["words"])}
    return np.array([k for s in GOLDEN["sentences"] for k in [*(index[word] for word in s), -1]], np.int32)


def looked_up(z: float) -> float:
    """gensim's sigmoid: a table of 1,000 entries between -6 and 6, the entry below (by whole numbers)."""
    entry = int((z + 6) * (1000 // 6 // 2))
    e = np.exp((entry / 1000 * 2 - 1) * 6)
    return float(e / (e + 1))


def exact(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def plainly(
    golden: dict[str, Any], words: np.ndarray, sigmoid: Callable[[float], float], *, mean: bool, at_once: int
) -> tuple[np.ndarray, np.ndarray]:
    """One pass as the papers write it, node after node; `at_once` words answer from the same values."""
    a, b = np.array(golden["input"]), np.array(golden["output"])
    for c in range(len(words)):
        near = [j for j in range(max(c - 2, 0), min(c + 3, len(words))) if j != c]
        near = [j for j in near if -1 not in words[min(j, c) : max(j, c) + 1]]
        groups = [near[i : i + at_once] for i in range(0, len(near), at_once)]
        for group in [near] if mean and near else groups:
            h = a[words[group]].mean(axis=0, keepdims=True) if mean else a[words[group]]
            changes = np.zeros_like(h)
            for node, code in zip(golden["points"][words[c]], golden["codes"][words[c]], strict=True):
                g = np.array([LR * (1 - code - sigmoid(float(z))) for z in h @ b[node]])
                changes += g[:, None] * b[node]
                b[node] += g @ h
            np.add.at(a, words[group], changes)
    return a, b


@pytest.mark.parametrize(("model", "together"), [("skip-gram", EACH), ("cbow", MEAN)])
def test_hierarchical_softmax_is_gensims(model: str, together: int) -> None:
    """With gensim's table the loop gives gensim's numbers; with an exact sigmoid, and the words around in
    groups, it gives the kernel's."""
    golden, mean = GOLDEN[model], together == MEAN
    words = corpus(golden)
    loop = plainly(golden, words, looked_up, mean=mean, at_once=1)
    for name, values in zip(("input_after", "output_after"), loop, strict=True):
        np.testing.assert_allclose(values, golden[name], atol=2e-5)
    a, b = by_kernel(golden, words, together)
    for found, values in zip((a, b), plainly(golden, words, exact, mean=mean, at_once=GROUP), strict=True):
        np.testing.assert_allclose(found, values, atol=1e-12)


def by_kernel(golden: dict[str, Any], words: np.ndarray, together: int) -> tuple[np.ndarray, np.ndarray]:
    """The same pass by the kernels, in float64."""
    ends = np.concatenate([[0], np.cumsum([len(code) for code in golden["codes"]])])
    points = np.array([p for path in golden["points"] for p in path], np.int32)
    codes = np.array([1 - 2 * c for code in golden["codes"] for c in code], np.int32)
    longest = max(len(code) for code in golden["codes"])
    targets, signs = np.empty(len(words) * longest, np.int32), np.empty(len(words) * longest, np.int32)
    bounds = np.empty(len(words) + 1, np.int64)
    tree_targets(words, ends, points, codes, targets, signs, bounds)
    targets, signs = targets[: bounds[-1]], signs[: bounds[-1]]
    a, b = (np.pad(np.array(golden[name]), ((0, 0), (0, WHOLE - 7))) for name in ("input", "output"))
    embed_windows(
        a, b, words, np.full(len(words), 2, np.int32), np.zeros(0, np.int32), targets, signs, bounds,
        np.zeros(1, np.int64), np.array([len(words)]), longest, LR, 1, together, 0, 1, np.empty((1, 2)),
    )  # fmt: skip
    return a[:, :7], b[:, :7]


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_is_written_and_writes_what_is_read(tmp_path: Path, binary: bool) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    words = ["the", "猫", "naïve", "New_York"]
    vectors = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    path = tmp_path / "vectors"
    path.write_bytes((to_binary if binary else to_text)(words, vectors))
    loaded = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
    assert loaded.index_to_key == words
    np.testing.assert_array_equal(loaded.vectors, vectors)
    loaded.save_word2vec_format(str(tmp_path / "back"), binary=binary)
    back = read_vectors(tmp_path / "back")
    assert back.words == words
    np.testing.assert_allclose(back.vectors, vectors, rtol=1e-6)
