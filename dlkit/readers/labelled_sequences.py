"""Labelled sequences: documents with a class each, as numbers of symbols, and batches of like lengths."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.again import Rereadable
from dlkit.readers.cells import OnBadRow
from dlkit.readers.opening import STDIN
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.readers.split import TEST, VALID, Draws, hold_out, rows_wanted
from dlkit.readers.symbols import UNKNOWN, Cut, Symbols, pieces
from dlkit.readers.text import NONE, Texts, TextSource

POOL = 32
"""Batches out of which sequences of like lengths are put together."""


@dataclass
class Sequences:
    """Sequence k is ids[starts[k]:starts[k + 1]]; labels (n,) int64."""

    ids: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    cut_off: int = 0
    """Sequences that were longer than is read."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def padded(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, B) int64 ids, time first, the unknown symbol as padding; (B,) lengths."""
        lengths = self.lengths[rows]
        steps = np.arange(int(lengths.max(initial=1)))
        inside = steps[:, None] < lengths[None, :]
        places = np.minimum(self.starts[rows][None, :] + steps[:, None], max(len(self.ids) - 1, 0))
        ids = self.ids[places] if len(self.ids) else np.zeros(places.shape, np.int64)
        return np.where(inside, ids, UNKNOWN).astype(np.int64), lengths

    def take(self, rows: np.ndarray) -> "Sequences":
        """Some of the sequences."""
        lengths = self.lengths[rows]
        parts = [self.ids[self.starts[k] : self.starts[k + 1]] for k in rows.tolist()]
        ids = np.concatenate(parts) if parts else self.ids[:0]
        return Sequences(ids, np.concatenate([[0], np.cumsum(lengths)]), self.labels[rows])


class Coder:
    """Texts to numbers: with known symbols, or to codes in the order of first appearance."""

    def __init__(self, cut: Cut, lower: bool, longest: int, symbols: Symbols | None = None) -> None:
        self.cut, self.lower, self.longest = cut, lower, longest
        self.symbols = symbols
        self.codes: dict[str, int] = {}

    def whole(self, texts: TextSource) -> Sequences:
        """All documents; one without a symbol is a bad row. Raises DataError where no document is left."""
        found = self.coded(texts.chunks(), texts)
        if not len(found):
            raise DataError(f"no sequence in it; {texts.first_fault}", where=texts.name)
        return found

    def coded(self, chunks: Iterator[Texts], faulty: TextSource | None = None) -> Sequences:
        """The documents of some chunks; faulty: leaves those without a symbol out, as bad rows of it."""
        parts, sizes, labels, cut_off = [], [0], [], 0
        for chunk in chunks:
            data = chunk.data.tobytes()
            bounds = zip(chunk.starts.tolist(), chunk.ends.tolist(), chunk.labels.tolist(), strict=True)
            for d, (lo, hi, label) in enumerate(bounds):
                text = data[lo:hi].decode("utf-8")
                found = pieces(text.lower() if self.lower else text, self.cut)
                if faulty and not found:
                    faulty.fault("no symbol in the sequence", chunk, d)
                    continue
                cut_off += len(found) > self.longest
                found = found[: self.longest]
                sizes.append(len(found))
                labels.append(label)
                parts.append(np.fromiter(map(self._code, found), np.int32, len(found)))
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return Sequences(ids, np.cumsum(sizes), np.array(labels, np.int64), cut_off)

    def _code(self, symbol: str) -> int:
        if self.symbols is not None:
            return self.symbols.numbers.get(symbol, UNKNOWN)
        return self.codes.setdefault(symbol, len(self.codes))


@dataclass
class SequenceData:
    """Splits of labelled sequences."""

    symbols: Symbols
    classes: list[str]
    train: Sequences
    valid: Sequences | None = None
    test: Sequences | None = None
    files: list[Path] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line: sequences of each split, classes, symbols."""
        parts = [("train", self.train), ("valid", self.valid), ("test", self.test)]
        sizes = ", ".join(f"{name} {len(part):,}" for name, part in parts if part is not None)
        return f"sequences: {sizes}; {len(self.classes)} classes; {len(self.symbols) - 1:,} symbols known"


def read_labelled_sequences(
    spec: SequencesSpec, source: Rereadable, on_bad_row: OnBadRow, base: Path | None, streams: Draws
) -> SequenceData:
    """Read, split, number. Raises DataError with file:line, or where a class has no sequence."""
    texts = TextSource(source, encoding=spec.encoding, on_bad_row=on_bad_row)
    coder = Coder(spec.tokens, spec.lower, spec.longest)
    whole = coder.whole(texts)
    classes = sorted(texts.classes[code] for code in np.unique(whole.labels).tolist())
    if len(classes) < 2:
        raise DataError(f"one class only, {classes[0]}: nothing to tell apart", where=texts.name)
    numbers = {name: k for k, name in enumerate(classes)}
    code = np.array([numbers.get(name, NONE) for name in texts.classes], np.int64)
    whole.labels = code[whole.labels]
    rows = np.arange(len(whole))
    parts: dict[str, np.ndarray] = {}
    for split, position in (("test", TEST), ("valid", VALID)):
        part = getattr(spec, split)
        if part is not None and not isinstance(part, str):
            wanted = rows_wanted(part, len(rows), split, texts.name)
            parts[split] = hold_out(rows, whole.labels[rows], wanted, streams.get("split", position))
            rows = np.setdiff1d(rows, parts[split])
    counts = _counts(whole, rows, len(coder.codes))
    symbols, table = Symbols.chosen(
        spec.tokens, spec.lower, list(coder.codes), counts, least=spec.least, most=spec.most_symbols
    )
    if len(symbols) < 2:
        raise DataError(f"no symbol occurs {spec.least} times", where=texts.name, hint="data.min_count")
    whole.ids = table[whole.ids] if len(whole.ids) else whole.ids
    files = [] if str(source.path) == STDIN else [source.path]
    data = SequenceData(symbols, classes, whole.take(rows), files=files)
    for split, chosen in parts.items():
        setattr(data, split, whole.take(chosen))
    _tell(data, texts, whole)
    for split in ("valid", "test"):
        part = getattr(spec, split)
        if isinstance(part, str):
            found = find_file_or_folder(part, base)
            if found.written != part:
                data.resolved[split] = found.written
            setattr(data, split, judged_by(data, spec, Rereadable(found.path), on_bad_row))
            data.files.append(found.path)
    return data


def judged_by(data: SequenceData, spec: SequencesSpec, source: Rereadable, on_bad_row: OnBadRow) -> Sequences:
    """Labelled sequences of another file in the numbers of known symbols and classes. Raises DataError."""
    texts = TextSource(source, encoding=spec.encoding, on_bad_row=on_bad_row, classes=data.classes)
    found = Coder(spec.tokens, spec.lower, spec.longest, data.symbols).whole(texts)
    _tell(data, texts, found)
    return found


def _counts(whole: Sequences, rows: np.ndarray, codes: int) -> np.ndarray:
    """How often each code stands in some of the sequences."""
    return np.bincount(whole.take(rows).ids, minlength=codes).astype(np.int64)


def _tell(data: SequenceData, texts: TextSource, found: Sequences) -> None:
    if texts.skipped:
        data.notes.append(f"{texts.skipped} bad rows left out; the first: {texts.first_fault}")
    if found.cut_off:
        data.notes.append(f"{texts.name}: {found.cut_off:,} sequences are cut at data.longest")


class SequenceBatches:
    """Every sequence once an epoch, in batches of like lengths: out of each 32 batches of an order drawn
    anew, sorted by length; the batches then come in an order drawn anew. Epoch e depends on (seed, e) alone.
    """

    def __init__(self, lengths: np.ndarray, batch: int, streams: Draws) -> None:
        self.lengths, self.size, self._streams = lengths, min(batch, len(lengths)), streams

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.lengths) // self.size)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """(step from 1, rows) of each batch, without the first `skip` steps."""
        rng = self._streams.get("batches", epoch)
        order = rng.permutation(len(self.lengths))
        pool = self.size * POOL
        sorted_parts = [
            part[np.argsort(self.lengths[part], kind="stable")]
            for part in (order[lo : lo + pool] for lo in range(0, len(order), pool))
        ]
        order = np.concatenate(sorted_parts)
        batches = [order[lo : lo + self.size] for lo in range(0, len(order), self.size)]
        for step, k in enumerate(rng.permutation(len(batches)).tolist(), 1):
            if step > skip:
                yield step, batches[k]
