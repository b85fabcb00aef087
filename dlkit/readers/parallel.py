"""The pairs that a run learns from and is judged by: read, divided, cut into words, turned into numbers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.pair_spec import PairsSpec
from dlkit.readers.pairs import Name, PairLines, read_pairs
from dlkit.readers.sentences import Language, Sentences, texts_of
from dlkit.readers.split import TEST, VALID, Draws, hold_out, rows_wanted
from dlkit.readers.words import Spans

SAID = ("source", "target")


@dataclass
class Corpus:
    """Pairs of one set as numbers."""

    name: str
    source: Sentences
    target: Sentences
    originals: list[list[str]] | None = None
    """The words of each source sentence, those that are not known too; None: training pairs need none."""
    references: list[list[str]] | None = None
    """The same of the target."""

    def __len__(self) -> int:
        return len(self.source)

    @property
    def words(self) -> int:
        """Words of the target, with one </s> a sentence: what a model is asked to foretell."""
        return len(self.target.ids) + len(self)


@dataclass
class ParallelData:
    """All that a run reads."""

    train: Corpus
    valid: Corpus | None
    test: Corpus | None
    source: Language
    target: Language
    files: list[Path] = field(default_factory=list)
    resolved: dict[str, Any] = field(default_factory=dict)
    """Recipe keys whose paths were found elsewhere than written."""
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """The line `data ...`."""
        parts = [f"{self.train.name} {len(self.train):,}"]
        parts += [f"{len(c):,} {n}" for n, c in (("valid", self.valid), ("test", self.test)) if c]
        sides = ", ".join(
            f"{len(corpus.ids) / max(len(corpus), 1):.1f} {what} words a sentence of {language.size:,}"
            for what, corpus, language in (
                ("source", self.train.source, self.source),
                ("target", self.train.target, self.target),
            )
        )
        return f"{' + '.join(parts)} pairs · {sides}"


class _Set:
    """The pairs of one set, cut into words."""

    def __init__(self, pairs: PairLines, spec: PairsSpec, on_bad_row: OnBadRow, both: list[Language]) -> None:
        self.pairs = pairs
        self.spans = [language.cut(side.texts()) for language, side in zip(both, _sides(pairs), strict=True)]
        units = np.stack([spans.units for spans in self.spans])
        bad = ((units == 0) | (units > spec.max_length)).any(0)
        for k in np.flatnonzero(bad).tolist():
            if k not in pairs.faults:
                self._fault(k, units[:, k], spec, on_bad_row)
        self.rows = pairs.good()

    def _fault(self, k: int, units: np.ndarray, spec: PairsSpec, on_bad_row: OnBadRow) -> None:
        for target, (side, size) in enumerate(zip(SAID, units.tolist(), strict=True)):
            if size == 0:
                text = f"the {side} sentence is empty"
            elif size > spec.max_length:
                text = f"{size} words in the {side} sentence, more than data.max_length {spec.max_length}"
            else:
                continue
            self.pairs.fault(k, text, target=bool(target), on_bad_row=on_bad_row)

    def corpus(self, both: list[Language], rows: np.ndarray, *, texts: bool) -> Corpus:
        """Some of the pairs as numbers; texts: their words too."""
        source, target = (taken(spans, rows) for spans in self.spans)
        words = (texts_of(source), texts_of(target)) if texts else (None, None)
        return Corpus(self.pairs.name, both[0].encode(source), both[1].encode(target), *words)


def _sides(pairs: PairLines) -> tuple[Any, Any]:
    return pairs.source, pairs.target


def taken(spans: Spans, rows: np.ndarray) -> Spans:
    """The spans of some documents."""
    ends = np.cumsum(spans.units)
    units = spans.units[rows]
    starts = ends[rows] - units
    at = np.arange(int(units.sum())) + np.repeat(starts - (np.cumsum(units) - units), units)
    return Spans(spans.flat, spans.first[at], spans.last[at], units)


def read_parallel(
    spec: PairsSpec,
    languages: tuple[Language, Language],
    on_bad_row: OnBadRow,
    streams: Draws,
    base: Path | None,
) -> ParallelData:
    """Read all that `spec` names, learn both vocabularies from the training pairs. Raises DataError."""
    both = list(languages)
    sets: dict[str, _Set] = {}
    for part in ("train", "valid", "test"):
        name = getattr(spec, part)
        if isinstance(name, str | list):
            sets[part] = _Set(read_pairs(name, spec, on_bad_row, base), spec, on_bad_row, both)
    train = sets["train"]
    left = train.rows
    if not len(left):
        raise DataError(f"no pair is left; {train.pairs.note()}", where=train.pairs.name)
    rows = {}
    for part, position in (("test", TEST), ("valid", VALID)):
        asked = getattr(spec, part)
        if isinstance(asked, int | float):
            wanted = rows_wanted(asked, len(left), f"data.{part}", train.pairs.name)
            rows[part] = hold_out(left, None, wanted, streams.get("split", position))
            left = np.setdiff1d(left, rows[part])
    for k, language in enumerate(both):
        language.learn(taken(train.spans[k], left))
    _refuse_no_words(both, train.pairs.name)
    held = {part: train.corpus(both, chosen, texts=True) for part, chosen in rows.items()}
    held |= {part: s.corpus(both, s.rows, texts=True) for part, s in sets.items() if part != "train"}
    return ParallelData(
        train.corpus(both, left, texts=False),
        held.get("valid"),
        held.get("test"),
        both[0],
        both[1],
        files=[path for s in sets.values() for path in s.pairs.files],
        resolved={
            part: s.pairs.written for part, s in sets.items() if s.pairs.written != getattr(spec, part)
        },
        notes=[f"{part}: {s.pairs.note()}" for part, s in sets.items() if s.pairs.faults],
    )


def read_labelled(
    name: Name, spec: PairsSpec, languages: tuple[Language, Language], on_bad_row: OnBadRow, base: Path | None
) -> tuple[Corpus, str]:
    """The pairs of another set by the words already known, and what was left out. Raises DataError."""
    both = list(languages)
    found = _Set(read_pairs(name, spec, on_bad_row, base), spec, on_bad_row, both)
    if not len(found.rows):
        raise DataError(f"no pair is left; {found.pairs.note()}", where=found.pairs.name)
    return found.corpus(both, found.rows, texts=True), found.pairs.note()


def _refuse_no_words(both: list[Language], name: str) -> None:
    for side, language in zip(SAID, both, strict=True):
        if not len(language.vocabulary):
            text = f"no word of the {side} stands {language.spec.min_count} times or more"
            raise DataError(text, where=name, hint=f"lower {side}_words.min_count")
