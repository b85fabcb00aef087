"""Vectors of texts that were not trained: inferred as documents, or the mean of their words."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.w2v_drawing import Drawing, manner, padded
from dlkit.errors import UsageError
from dlkit.kernels.chance import draw
from dlkit.kernels.w2v_windows import embed_windows
from dlkit.readers.corpus import MARK
from dlkit.readers.corpus_text import TextPieces, sentences_of
from dlkit.readers.corpus_words import CorpusTokeniser
from dlkit.readers.text import Texts
from dlkit.readers.vocabulary import Vocabulary

PASSES = 10
"""Passes over a new document, where nothing else is said."""


def sentence_vectors(
    asked: Any, source: Path | list[str], options: Mapping[str, Any]
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Pieces of (words of each text that are known, (n, dim) vectors). source: a file, a text a line, or
    texts.
    """
    vocabulary = Vocabulary()
    vocabulary.add(asked.words)
    tokeniser = CorpusTokeniser(asked.recipe.data)
    passes = options.get("passes") or PASSES
    if options.get("passes") and not asked.document_count:
        raise UsageError("the run has no vectors of documents: nothing is inferred", where="--passes")
    drawing = Drawing(asked.recipe, asked.counts) if asked.document_count else None
    weights = _inference_weights(asked) if drawing is not None else None
    for texts in _texts(source, asked.recipe):
        spans = tokeniser.spans(texts)
        ids = vocabulary.index(spans.flat, spans.first, spans.last, grow=False)
        ends = np.cumsum(spans.units)
        groups = [ids[end - n : end] for end, n in zip(ends.tolist(), spans.units.tolist(), strict=True)]
        groups = [group[group >= 0].astype(np.int32) for group in groups]
        if drawing is None or weights is None:
            rows = [_mean(asked, group) for group in groups]
        else:
            rows = [infer(asked, drawing, weights, group, passes) for group in groups]
        dim = asked.recipe.dim
        yield [len(group) for group in groups], np.array(rows, asked.vectors.dtype).reshape(len(groups), dim)


def _mean(asked: Any, words: np.ndarray) -> np.ndarray:
    return asked._units[words].mean(axis=0) if len(words) else np.zeros(asked.recipe.dim, np.float32)


def _inference_weights(asked: Any) -> tuple[np.ndarray, np.ndarray]:
    """Padded input vectors of the words with one more row, for the document; padded output vectors."""
    width, dim, words = padded(asked.recipe.dim), asked.recipe.dim, len(asked.words)
    a = np.zeros((words + 1, width), asked.vectors.dtype)
    a[:words, :dim] = asked.vectors[:words]
    b = np.zeros((len(asked.matrices["output"]), width), asked.vectors.dtype)
    b[:, :dim] = asked.matrices["output"]
    return a, b


def infer(
    asked: Any, drawing: Drawing, weights: tuple[np.ndarray, np.ndarray], words: np.ndarray, passes: int
) -> np.ndarray:
    """The vector of a document of these words, all else held fixed: as in training, with the rate falling
    again.

    The draws are a function of the seed and the words alone, so that a text has one vector wherever it
    stands.
    """
    recipe, (a, b) = asked.recipe, weights
    dim = recipe.dim
    seed = int(asked.context.streams.get("infer", len(words), *words[:8].tolist()).integers(2**62))
    rng = asked.context.streams.get("infer start", len(words), *words[:8].tolist())
    a[-1] = 0
    a[-1, :dim] = (rng.random(dim, a.dtype) - a.dtype.type(0.5)) / dim
    around, together, exact = manner(recipe)
    loss = np.empty((1, 2))
    for number in range(passes):
        w = drawing.windows(np.append(words, np.int32(MARK)), draw(seed, number + 1) >> 1, 0, None)
        lr = recipe.lr - (recipe.lr - recipe.min_lr) * number / passes
        embed_windows(
            a, b, w.words, w.reach, w.own, w.targets, w.signs, w.ends, np.zeros(1, np.int64),
            np.array([len(w.words)], np.int64), drawing.most, lr, around if together else 0, together,
            exact, 0, loss,
        )  # fmt: skip
    return a[-1, :dim].copy()


def _texts(source: Path | list[str], recipe: Any) -> Iterator[Texts]:
    if isinstance(source, list):
        pieces = [one.replace("\n", " ").encode("utf-8") for one in source]
        ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        yield Texts(
            "", np.frombuffer(b"".join(pieces), np.uint8), starts, ends, np.full(len(pieces), -1, np.int64)
        )
        return
    lines = TextPieces(source, recipe.data.encoding, "error")
    for piece in lines:
        yield sentences_of(piece, lines.name, "lines").texts
