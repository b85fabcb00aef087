"""What dlkit export hands over besides ONNX: tables as CSV, arrays as NPZ."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import File
from dlkit.errors import UsageError
from dlkit.training.metrics import to_csv


def chosen(options: Mapping[str, Any], *formats: str) -> str:
    """The format that was asked for, the first where none was. Raises UsageError for any other."""
    name = options.get("format") or formats[0]
    if name not in formats:
        raise UsageError(f"no format {name}; there are {', '.join(formats)}", where="--format")
    return str(name)


def npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays by name, texts as arrays of them; the same bytes for the same arrays."""
    out = io.BytesIO()
    parts = {name: np.array(a, np.str_) if _is_texts(a) else np.asarray(a) for name, a in arrays.items()}
    np.savez(out, **parts)  # type: ignore[arg-type]
    return out.getvalue()


def _is_texts(a: Any) -> bool:
    return isinstance(a, list) and all(isinstance(one, str) for one in a)


def weights(state: Mapping[str, np.ndarray]) -> File:
    """A network's state as the file that `start` reads."""
    return File("weights.npz", npz(state))


def numbered(name: str, what: str, texts: Iterable[str]) -> File:
    """A table of numbers, from 0, and the texts that they stand for."""
    return File(name, to_csv(["number", what], ([str(k), text] for k, text in enumerate(texts))))


def matrix(name: str, header: Sequence[str], names: Sequence[Sequence[str]], values: np.ndarray) -> File:
    """A row of `values` (n, m) a line, behind its names; NaN is empty. Numbers are read back as they are."""

    def lines() -> Iterator[list[str]]:
        for first, row in zip(names, values.tolist(), strict=True):
            yield [*first, *("" if math.isnan(v) else repr(v) for v in row)]

    return File(name, to_csv(header, lines()))
