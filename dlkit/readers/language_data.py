"""One long text for a language model: its symbols, and the parts that train, validate and test."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlkit.errors import DataError
from dlkit.readers.again import Rereadable
from dlkit.readers.cells import OnBadRow
from dlkit.readers.long_text import CodedText, Numbered, Spelling
from dlkit.readers.opening import STDIN
from dlkit.readers.paths import resolve_path
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.readers.symbols import Symbols

SPLITS = ("valid", "test")


@dataclass
class LanguageData:
    """A text and the numbers of its symbols."""

    symbols: Symbols
    train: Numbered
    valid: Numbered | None = None
    test: Numbered | None = None
    files: list[Path] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line: symbols of each split, and how many different ones."""
        parts = [("train", self.train), ("valid", self.valid), ("test", self.test)]
        sizes = ", ".join(f"{name} {len(part):,}" for name, part in parts if part is not None)
        return f"{self.train.text.spelling.cut}: {sizes}; {len(self.symbols) - 1:,} symbols known"


def spelling_of(spec: SequencesSpec, on_bad_row: OnBadRow) -> Spelling:
    """How the spec's texts become symbols."""
    return Spelling(spec.tokens, spec.lower, spec.encoding, on_bad_row)


def read_language(
    spec: SequencesSpec, source: Rereadable, on_bad_row: OnBadRow, base: Path | None
) -> LanguageData:
    """Read the text and what it is judged by. source: the training text, opened.

    Raises DataError where a file cannot be read or a part of the text would be empty.
    """
    how = spelling_of(spec, on_bad_row)
    text = CodedText.read(source.blocks(), source.name, how)
    files = [] if str(source.path) == STDIN else [source.path]
    end, cuts = len(text), {}
    for split in reversed(SPLITS):
        part = getattr(spec, split)
        if part is not None and not isinstance(part, str):
            size = round(part * len(text)) if isinstance(part, float) else part
            if size < 2:
                raise DataError(f"{split}: {part} of {len(text):,} symbols is too few", where=text.name)
            cuts[split] = (end - size, end)
            end -= size
    if end < 2:
        left = "1 symbol is" if end == 1 else "no symbols are"
        raise DataError(f"{left} left to train on", where=text.name)
    symbols = text.symbols(0, end, least=spec.least, most=spec.most_symbols)
    whole = text.numbered(symbols)
    data = LanguageData(symbols, whole.part(0, end), files=files)
    for split, (lo, hi) in cuts.items():
        setattr(data, split, whole.part(lo, hi))
    _tell(data, text)
    for split in SPLITS:
        part = getattr(spec, split)
        if isinstance(part, str):
            found = resolve_path(part, base)
            if found.written != part:
                data.resolved[split] = found.written
            other = read_text(Rereadable(found.path), how, symbols)
            setattr(data, split, other)
            data.files.append(found.path)
            _tell(data, other.text)
    return data


def read_text(source: Rereadable, how: Spelling, symbols: Symbols) -> Numbered:
    """Another text in the numbers of known symbols. Raises DataError, also for fewer than two symbols."""
    text = CodedText.read(source.blocks(), source.name, how)
    if len(text) < 2:
        raise DataError("one symbol only: nothing to foretell", where=text.name)
    return text.numbered(symbols)


def _tell(data: LanguageData, text: CodedText) -> None:
    if text.skipped:
        data.notes.append(f"{text.skipped} places left out; the first: {text.first_fault}")


def told_split(data: LanguageData) -> dict[str, Any]:
    """Symbols of validation and test that are not known, as facts for the description."""
    facts = {}
    for split in SPLITS:
        part = getattr(data, split)
        if part is not None and (unknown := part.unknown()):
            facts[f"{split}, unknown"] = f"{unknown:,} of {len(part):,} symbols"
    return facts
