"""Documents as numbered words: text a document a line or file, titles between tabs, docword, LDA-C.

All of a corpus is held in memory, four bytes a word. Words are kept apart by their text, so that a model of
one file answers for another one, whatever numbers its words have there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from dlkit.errors import DataError
from dlkit.readers.again import Rereadable
from dlkit.readers.cells import OnBadRow, quoted
from dlkit.readers.opening import check_size, display, joined, read_bytes
from dlkit.readers.paths import resolve_path
from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import FoldSpec, Part, a_part_of
from dlkit.readers.text import TAB, Encoding, Texts, TextSource
from dlkit.readers.vocabulary import Vocabulary
from dlkit.readers.word_counts import WordCounts, format_of, read_word_counts
from dlkit.readers.words import Spans, Tokeniser

Format = Literal["auto", "text", "items", "docword", "ldac"]


class DocumentsSpec(SourceSpec):
    """Where the documents are, and how to read them."""

    train: str = Field(
        description="Documents: a text file with one a line, a folder with one a file, UCI docword or LDA-C "
        "counts; each file also .gz; - for standard input."
    )
    valid: Part = Field(
        None,
        description="Validation set: a file, a number of documents, or a share (0 to 1) of the training "
        "documents.",
        json_schema_extra={"flag": "--valid", "aka": ["validation", "val", "dev"]},
    )
    test: Part = Field(
        None,
        description="Test set: a file, a number of documents, or a share (0 to 1) of the training documents.",
        json_schema_extra={"flag": "--test"},
    )
    format: Format = Field(
        "auto",
        description="text; items: titles between tabs, a document a line; docword (UCI) and ldac: counts of "
        "numbered words. auto: docword or ldac where the first lines look so, else text.",
        json_schema_extra={"flag": "--format"},
    )
    labelled: bool = Field(
        False,
        description="Lines begin with a label and a tab (of a folder: its sub-folders are labels). The "
        "topics do not see it; doc_topics.csv shows it.",
        json_schema_extra={"flag": "--labelled", "aka": ["labels", "label"]},
    )
    vocabulary: str | None = Field(
        None,
        description="File with the words of docword or ldac, one a line; null: vocab.X beside docword.X, "
        "else words are called by their numbers.",
        json_schema_extra={"flag": "--vocabulary", "aka": ["vocab"]},
    )
    encoding: Encoding = Field("utf-8", description="Encoding of text; counts are plain ASCII.")
    fold: FoldSpec | None = Field(
        None, description="Cross-validation: which fold is the test set; null: no folds."
    )

    _part = field_validator("valid", "test")(a_part_of("documents"))


@dataclass
class Documents:
    """Documents one after the other: words[ends[d]:ends[d + 1]] are those of document d."""

    name: str
    words: np.ndarray
    """(T,) int32 number of each word, -1 for one that the vocabulary has not."""
    ends: np.ndarray
    """(D + 1,) int64."""
    lines: np.ndarray | None
    """(D,) line of each document; None where each is a file, or several lines."""
    files: list[str] | None = None
    """Path of each document in its folder."""
    labels: list[str] | None = None
    """Label of each document."""
    skipped: int = 0
    first_fault: str = ""

    def __len__(self) -> int:
        return len(self.ends) - 1

    @property
    def names(self) -> list[str]:
        """How answers call the documents: by file, by line, or by number from 1."""
        if self.files is not None:
            return self.files
        return [str(n) for n in (range(1, len(self) + 1) if self.lines is None else self.lines.tolist())]

    def take(self, chosen: np.ndarray) -> "Documents":
        """Some of the documents; (D,) bool."""
        numbers = np.flatnonzero(chosen).tolist()
        sizes = np.diff(self.ends)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[chosen])])
        lines = np.array([int(name) for name in self.names]) if self.files is None else None
        files = None if self.files is None else [self.files[d] for d in numbers]
        labels = None if self.labels is None else [self.labels[d] for d in numbers]
        words = self.words[np.repeat(chosen, sizes)]
        return Documents(self.name, words, ends, None if lines is None else lines[chosen], files, labels)

    def renumbered(self, number: np.ndarray) -> "Documents":
        """Without the words whose new number is -1. number: (V,) by old number; unknown words go too."""
        words = np.where(self.words >= 0, np.append(number, -1)[self.words], -1)
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(words >= 0)])
        kept = words[words >= 0].astype(np.int32)
        return Documents(self.name, kept, before[self.ends], self.lines, self.files, self.labels)


def joined_documents(pieces: list[Documents]) -> Documents:
    """All of them as one; what was skipped is that of the last, which counts on."""
    first, last = pieces[0], pieces[-1]
    before = np.cumsum([0, *(len(piece.words) for piece in pieces)])
    ends = [piece.ends[1:] + start for piece, start in zip(pieces, before.tolist(), strict=False)]
    lines = [piece.lines for piece in pieces if piece.lines is not None]
    return Documents(
        first.name,
        np.concatenate([piece.words for piece in pieces]),
        np.concatenate([np.zeros(1, np.int64), *ends]),
        np.concatenate(lines) if lines else None,
        None if first.files is None else [file for piece in pieces for file in piece.files or []],
        None if first.labels is None else [label for piece in pieces for label in piece.labels or []],
        last.skipped,
        last.first_fault,
    )


def document_frequencies(documents: Documents, words: int) -> np.ndarray:
    """(words,) documents that each word stands in."""
    owner = np.repeat(np.arange(len(documents), dtype=np.int64), np.diff(documents.ends))
    pairs = np.unique(documents.words.astype(np.int64) * max(len(documents), 1) + owner)
    return np.bincount(pairs // max(len(documents), 1), minlength=words)


class DocumentReader:
    """Reads files of documents into one vocabulary."""

    def __init__(
        self,
        spec: DocumentsSpec,
        tokeniser: Tokeniser,
        vocabulary: Vocabulary,
        on_bad_row: OnBadRow,
        base: Path | None,
    ) -> None:
        self.spec, self.tokeniser, self.vocabulary = spec, tokeniser, vocabulary
        self.on_bad_row, self.base = on_bad_row, base
        self.vocabulary_file: Path | None = None
        """File of words that the last file of counts was read with."""

    def read(self, path: Path) -> Documents:
        """All documents of a file or folder; words not met before are put into the vocabulary."""
        return joined_documents(list(self._pieces(path, grow=True, labels=None)))

    def pieces(self, path: Path, labels: list[str] | None = None) -> Iterator[Documents]:
        """Other documents, some MiB at a time where they are text; words not in the vocabulary are -1.

        labels: those of the training data, where it had any: what is read may come without. Raises DataError.
        """
        return self._pieces(path, grow=False, labels=labels)

    def _pieces(self, path: Path, *, grow: bool, labels: list[str] | None) -> Iterator[Documents]:
        file = Rereadable(path)
        form = self._format(file)
        if form in ("docword", "ldac"):
            yield self._counted(file, form, grow)
            return
        source = TextSource(
            file,
            encoding=self.spec.encoding,
            on_bad_row=self.on_bad_row,
            labelled=self.spec.labelled and labels is None,
            classes=labels,
        )
        source.drop_labels = labels is not None
        cut = title_spans if form == "items" else self.tokeniser.spans
        for chunk in source.chunks():
            made = self._cut(chunk, source, cut, grow)
            made.skipped, made.first_fault = source.skipped, source.first_fault
            yield made

    def _format(self, file: Rereadable) -> Format:
        if self.spec.format != "auto" or file.path.is_dir():
            return "text" if self.spec.format == "auto" else self.spec.format
        return format_of(file.head()[: 1 << 16]) or "text"

    # -- text -------------------------------------------------------------------------------------
    def _cut(self, chunk: Texts, source: TextSource, cut: Callable[[Texts], Spans], grow: bool) -> Documents:
        spans = cut(chunk)
        words = self.vocabulary.index(spans.flat, spans.first, spans.last, grow=grow)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(spans.units)])
        labels = None
        if source.labelled:
            names = source.classes
            labels = [names[code] for code in chunk.labels.tolist()]
        inside = f"{source.path}/"
        files = None if chunk.files is None else [file.removeprefix(inside) for file in chunk.files]
        return Documents(source.name, words, ends, chunk.lines, files, labels)

    # -- counts -----------------------------------------------------------------------------------
    def _counted(self, file: Rereadable, form: Any, grow: bool) -> Documents:
        name = file.name
        found = read_word_counts(joined(file.blocks(), name), form, name, self.on_bad_row)
        tokens = int(found.counts.astype(np.float64).sum())
        check_size(16 * tokens, name, f"a corpus of {tokens:,} words")
        numbers, entries = np.unique(found.words, return_inverse=True)
        codes = self._named(numbers, found, file, grow)
        words = np.repeat(codes[entries].astype(np.int32), found.counts)
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(found.counts)])
        made = Documents(name, words, before[found.ends], found.lines)
        made.skipped, made.first_fault = found.skipped, found.first_fault
        if not len(made):
            because = f"; {found.first_fault}" if found.first_fault else ""
            raise DataError(f"no document in it{because}", where=name)
        return made

    def _named(self, numbers: np.ndarray, found: WordCounts, file: Rereadable, grow: bool) -> np.ndarray:
        """Vocabulary numbers of the words that a file of counts numbers so (from 0)."""
        path = self._vocabulary_path(file)
        self.vocabulary_file = path
        first = 0 if found.vocabulary is None else 1
        if path is None:
            texts = [str(number + first) for number in numbers.tolist()]
        else:
            words = read_vocabulary(path)
            needed = int(numbers[-1]) + 1 if len(numbers) else 0
            if found.vocabulary is not None and found.vocabulary != len(words):
                text = f"{len(words):,} words, but {file.name} has {found.vocabulary:,}"
                raise DataError(text, where=display(path))
            if needed > len(words):
                text = f"{len(words):,} words, but {file.name} has a word {needed - 1 + first}"
                raise DataError(text, where=display(path))
            texts = [words[number] for number in numbers.tolist()]
        if grow:
            return self.vocabulary.add(texts)
        pieces = [text.encode("utf-8") for text in texts]
        last = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        start = np.concatenate([np.zeros(1, np.int64), last[:-1]]) if pieces else last
        return self.vocabulary.index(np.frombuffer(b"".join(pieces), np.uint8), start, last, grow=False)

    def _vocabulary_path(self, file: Rereadable) -> Path | None:
        if self.spec.vocabulary is not None:
            return resolve_path(self.spec.vocabulary, self.base).path
        stem = file.path.name.removesuffix(".gz")
        if file.once or not stem.startswith("docword."):
            return None
        beside = file.path.with_name(f"vocab.{stem.removeprefix('docword.')}")
        return beside if beside.is_file() else None


def read_vocabulary(path: Path) -> list[str]:
    """The words of a file, one a line. Raises DataError for one that stands twice, or is missing."""
    name = display(path)
    try:
        lines = read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"not UTF-8: byte 0x{error.object[error.start]:02x}", where=f"{name}:{line}"
        ) from error
    words = [line.strip() for line in (lines[:-1] if lines[-1] == "" else lines)]
    seen: dict[str, int] = {}
    for line, word in enumerate(words, 1):
        if not word:
            raise DataError("expected a word, found a blank line", where=f"{name}:{line}")
        if seen.setdefault(word, line) != line:
            raise DataError(f"{quoted(word)} stands in line {seen[word]} too", where=f"{name}:{line}")
    return words


def title_spans(texts: Texts) -> Spans:
    """What stands between tabs, without the blanks around it; empty titles are none."""
    data = texts.data
    firsts, lasts, units = [], [], []
    tabs = np.flatnonzero(data == TAB)
    for start, end in zip(texts.starts.tolist(), texts.ends.tolist(), strict=True):
        inner = tabs[np.searchsorted(tabs, start) : np.searchsorted(tabs, end)].tolist()
        count = 0
        for first, last in _between(start, end, inner):
            piece = data[first:last].tobytes()
            left = len(piece) - len(piece.lstrip())
            stripped = len(piece.strip())
            if stripped:
                firsts.append(first + left)
                lasts.append(first + left + stripped)
                count += 1
        units.append(count)
    as_numbers = [np.array(values, np.int64) for values in (firsts, lasts, units)]
    return Spans(data, *as_numbers)


def _between(start: int, end: int, tabs: list[int]) -> Iterator[tuple[int, int]]:
    """The bounds of what the tabs leave."""
    for tab in tabs:
        yield start, tab
        start = tab + 1
    yield start, end
