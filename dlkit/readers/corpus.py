"""A corpus as numbers: read once from text of any size, counted, and kept as 4 bytes a word.

The numbers of a large corpus lie in a temporary file, which has no name and goes with the process; of the
text itself nothing is kept. So memory is that of the vocabulary, whatever the size of the corpus.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.corpus_cuts import Stretches
from dlkit.readers.corpus_text import Sentences, TextPieces, sentences_of
from dlkit.readers.corpus_words import CorpusTokeniser
from dlkit.readers.numbers import MARK, NumberFile
from dlkit.readers.opening import display
from dlkit.readers.text import TAB, Encoding, Texts
from dlkit.readers.vocabulary import Vocabulary


@dataclass
class Reading:
    """How the text of a corpus is read."""

    tokeniser: CorpusTokeniser
    sentences: Sentences = "lines"
    encoding: Encoding = "utf-8"
    on_bad_row: OnBadRow = "error"
    named: bool = False
    """Lines begin with the name of a document and a tab."""
    documents: bool = False
    """Every sentence is a document, to be kept even where no word of it is."""
    distinct: int = 10_000_000
    """Most words held while counting; beyond, the rarest so far are dropped."""
    cache: Path | None = None


class Corpus:
    """The words of some files in the order of the text, by number: the more frequent the smaller.

    Words are those with at least `min_count` occurrences, at most `most` of them. Sentences end with MARK.
    """

    def __init__(self, files: list[tuple[Path, str]], reading: Reading) -> None:
        """files: (file, how messages call it). Raises DataError with file:line for what is no text."""
        self.reading, self.files = reading, files
        self.numbers = NumberFile(reading.cache)
        self.vocabulary = Vocabulary()
        self.counts = np.zeros(1 << 12, np.int64)
        self.names = Vocabulary()
        self.tags: list[np.ndarray] = []
        self.skipped, self.first_fault = 0, ""
        self.documents = self.dropped = self.words_read = self.words_kept = 0
        self._global: np.ndarray | None = None
        self._made = 0
        """Numbers given out; more than there are words, once some were dropped."""
        self._threshold = 0
        self._last = MARK
        for path, name in files:
            self._read(path, name)

    # -- reading ----------------------------------------------------------------------------------
    def _read(self, path: Path, name: str) -> None:
        reading = self.reading
        pieces = TextPieces(path, reading.encoding, reading.on_bad_row)
        began = False
        for piece in pieces:
            found = sentences_of(piece, name, reading.sentences)
            if reading.named and len(found.texts):
                self._take_names(found.texts, 0 if piece.begins else 1)
            self._encode(found.texts, found.closed, found.opened)
            began = True
        self.skipped += pieces.skipped
        self.first_fault = self.first_fault or pieces.first_fault
        if began and (self._last != MARK or reading.sentences == "files"):
            if reading.sentences == "files" and reading.documents:
                self._tag([name])
            self._append(np.array([MARK], np.int32))

    def _take_names(self, texts: Texts, first: int) -> None:
        """Documents from number `first` on begin with their name and a tab."""
        tabs = np.append(np.flatnonzero(texts.data == TAB), len(texts.data))
        tab = tabs[np.searchsorted(tabs, texts.starts)]
        missing = np.flatnonzero(tab[first:] >= texts.ends[first:])
        if len(missing):
            place = texts.place(first + int(missing[0]))
            raise DataError("expected name<TAB>text, found no tab", where=place)
        starts, ends = np.ascontiguousarray(texts.starts[first:]), tab[first:]
        self.tags.append(self.names.index(texts.data, starts, ends, grow=True))
        texts.starts[first:] = tab[first:] + 1

    def _tag(self, names: list[str]) -> None:
        self.tags.append(self.names.add(names))

    def _encode(self, texts: Texts, closed: np.ndarray, opened: bool) -> None:
        """Append the numbers of the words, and marks where sentences end."""
        spans = self.reading.tokeniser.spans(texts)
        ids = self.vocabulary.index(spans.flat, spans.first, spans.last, grow=True)
        self._count(ids)
        if self._global is not None:
            ids = self._global[ids]
        self.words_read += len(ids)
        marks = np.cumsum(spans.units)[closed]
        if opened and self._last != MARK:
            marks = np.concatenate([np.zeros(1, np.int64), marks])
        self._append(np.insert(ids, marks, MARK))
        if len(self.vocabulary) > self.reading.distinct:
            self._drop_rare()

    def _append(self, numbers: np.ndarray) -> None:
        if len(numbers):
            self._last = int(numbers[-1])
            self.documents += int((numbers == MARK).sum())
            self.numbers.append(numbers)

    def _count(self, ids: np.ndarray) -> None:
        """Count, and give new words their numbers."""
        words = len(self.vocabulary)
        if words > len(self.counts):
            longer = np.zeros(max(2 * len(self.counts), words), np.int64)
            longer[: len(self.counts)] = self.counts
            self.counts = longer
        np.add.at(self.counts, ids, 1)
        known = len(self._global) if self._global is not None else words
        if self._global is not None and words > known:
            fresh = np.arange(self._made, self._made + words - known, dtype=np.int32)
            self._global = np.concatenate([self._global, fresh])
            self._made += words - known
        elif self._global is None:
            self._made = words

    def _drop_rare(self) -> None:
        """Words so rare that they cannot matter leave the table; one that comes again starts at 0."""
        words = len(self.vocabulary)
        if self._global is None:
            self._global = np.arange(words, dtype=np.int32)
        counts = self.counts[:words]
        while len(self.vocabulary) > self.reading.distinct // 2:
            self._threshold += 1
            kept = counts > self._threshold
            if kept.sum() <= self.reading.distinct // 2 or self._threshold > 1 << 20:
                break
        self.dropped += int((~kept).sum())
        self.vocabulary.keep(kept)
        self._global = self._global[kept]
        self.counts = np.append(counts[kept], np.zeros(1 << 12, np.int64))

    # -- the vocabulary ---------------------------------------------------------------------------
    def settle(self, min_count: int, most: int | None, first: list[str]) -> np.ndarray:
        """Number the words by frequency and leave out the others; returns the counts of those that stay.

        first: words that are kept whatever their count and have the first numbers, in this order. Among
        equals
        the order is that of the text. Raises DataError where no word is left.
        """
        where = ", ".join(name for _, name in self.files[:3]) + (", ..." if len(self.files) > 3 else "")
        if not self.words_read:
            raise DataError("no word in it", where=where)
        counts = self.counts[: len(self.vocabulary)]
        made = self._made
        before = len(self.vocabulary)
        chosen = np.flatnonzero(counts >= min_count)
        kept_first = self.vocabulary.add(first).astype(np.int64) if first else np.zeros(0, np.int64)
        chosen = np.setdiff1d(chosen, kept_first)
        chosen = chosen[np.argsort(-counts[chosen], kind="stable")]
        order = np.concatenate([kept_first, chosen[: max(most - len(kept_first), 0)] if most else chosen])
        if not len(order):
            text = f"no word occurs {min_count} times; the most frequent one occurs {counts.max()} times"
            raise DataError(text, where=where, hint="lower --min-count")
        padded = np.append(counts, np.zeros(len(self.vocabulary) - before, np.int64))
        self.words = self.vocabulary.words(order)
        self._renumber(order[order < before], np.flatnonzero(order < before), made)
        self.vocabulary, self.counts = (
            Vocabulary(),
            np.zeros(0, np.int64),
        )  # the text's own words are done with
        return padded[order]

    def _renumber(self, keys: np.ndarray, numbers: np.ndarray, made: int) -> None:
        table = np.full(made + 1, MARK - 1, np.int32)
        table[self._global[keys] if self._global is not None else keys] = numbers
        table[-1] = MARK  # what MARK finds
        documents = self.reading.documents

        def change(ids: np.ndarray) -> np.ndarray:
            mapped = table[ids]
            mapped = mapped[mapped >= MARK]
            self.words_kept += int((mapped != MARK).sum())
            if documents or not len(mapped):
                return mapped
            again = np.empty(len(mapped), bool)  # a second end of a sentence with nothing in between
            again[0] = False
            again[1:] = (mapped[1:] == MARK) & (mapped[:-1] == MARK)
            return mapped[~again]

        self.numbers.rewrite(change)
        self._global = None

    # -- the words --------------------------------------------------------------------------------
    def document_names(self) -> tuple[list[str] | None, np.ndarray | None]:
        """Names of the documents, and which of them each sentence has; None, None where they have numbers."""
        if not self.tags:
            return None, None
        return self.names.words(), np.concatenate(self.tags).astype(np.int32)

    def stretches(self, size: int, every: int) -> Stretches:
        """The numbers cut into pieces of about `size`, `every` of them a step."""
        return Stretches(self.numbers, size, every, self.reading.cache)


def corpus_files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """The files themselves, and those of folders in the order of their names; hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path, display(path)
            continue
        found = False
        for parent, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    found = True
                    yield Path(parent) / name, str(Path(parent) / name)
        if not found:
            raise DataError("no file in it", where=str(path))
