"""Codes of a VAE as `predict` writes them: a CSV file with columns mean_0, mean_1, ..."""

import csv
import io
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.opening import read_bytes


def read_codes(source: str, latent: int) -> np.ndarray | None:
    """(n, latent) means; None for a file that does not begin with a column mean_0.

    Raises DataError, with the line, for codes of another length and for what is no number.
    """
    path = Path(source)
    if source == "-" or not path.is_file():
        return None
    data = read_bytes(path)
    if not data.lstrip(b"\xef\xbb\xbf").startswith(b"mean_0"):
        return None
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))))
    columns = {name: k for k, name in enumerate(rows[0])}
    wanted = [f"mean_{k}" for k in range(latent)]
    found = sum(name.startswith("mean_") for name in columns)
    if found != latent or not set(wanted) <= set(columns):
        raise DataError(f"expected codes of {latent} numbers, found {found}", where=f"{source}:1")
    codes = np.empty((len(rows) - 1, latent))
    for line, row in enumerate(rows[1:], 2):
        try:
            codes[line - 2] = [float(row[columns[name]]) for name in wanted]
        except (ValueError, IndexError):
            raise DataError(f"expected {len(columns)} numbers", where=f"{source}:{line}") from None
    if not np.isfinite(codes).all():
        line = int(np.flatnonzero(~np.isfinite(codes).all(axis=1))[0]) + 2
        raise DataError("a code that is not finite", where=f"{source}:{line}")
    return codes
