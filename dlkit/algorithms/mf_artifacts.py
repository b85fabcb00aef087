"""The factors as files: CSV to look at, .npz to load."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_model import Factors
from dlkit.recipe.schema import Spec
from dlkit.training.rundir import Content

MOST_IN_CSV = 4_000_000
"""Numbers above which the factors are not written as text unless the recipe says so: 40 MB and some
seconds."""


class FilesSpec(Spec):
    """Which files a run leaves."""

    csv: bool | Literal["auto"] = Field(
        "auto", description="user_factors.csv and item_factors.csv; auto: up to 4 million numbers."
    )
    npz: bool = Field(True, description="factors.npz: mu, p, q, bu, bi, users, items as NumPy arrays.")


def factor_files(
    spec: FilesSpec,
    factors: Factors,
    users: list[str],
    items: list[str],
    titles: list[str] | None,
    log: Callable[[str], None],
) -> Iterator[tuple[str, str | Content]]:
    """(name, content) of each file; the same factors give the same bytes. `factors` on the host."""
    numbers = factors.p.size + factors.q.size
    if spec.csv is True or (spec.csv == "auto" and numbers <= MOST_IN_CSV):
        yield "user_factors.csv", _table("user", users, None, factors.bu, factors.p)
        yield "item_factors.csv", _table("item", items, titles, factors.bi, factors.q)
    elif spec.csv == "auto":
        log(f"{numbers:,} factors: no user_factors.csv and item_factors.csv (files.csv: true writes them)")
    if spec.npz:
        yield "factors.npz", lambda stream: _write_arrays(stream, factors, users, items)


def whole(content: str | Content) -> str | bytes:
    """What a file is to hold, in memory."""
    if not callable(content):
        return content
    stream = io.BytesIO()
    content(stream)
    return stream.getvalue()


def _write_arrays(stream: BinaryIO, factors: Factors, users: list[str], items: list[str]) -> None:
    """mu, p, q, bu, bi and the names, into a file of NumPy's own format."""
    parts: dict[str, Any] = {
        "mu": np.float64(factors.mu),
        "p": factors.p,
        "q": factors.q,
        "bu": factors.bu,
        "bi": factors.bi,
    }
    np.savez(stream, **parts, users=np.array(users, np.str_), items=np.array(items, np.str_))


def _table(
    what: str, names: list[str], titles: list[str] | None, biases: np.ndarray, rows: np.ndarray
) -> str:
    """A line a user or item: name, title where there are titles, bias, factors."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = [what, "title"] if titles else [what]
    writer.writerow([*head, "bias", *(f"factor_{k + 1}" for k in range(rows.shape[1]))])
    for index, (name, bias, row) in enumerate(zip(names, biases, rows, strict=True)):
        first = [name, titles[index]] if titles else [name]
        writer.writerow([*first, str(bias), *map(str, row)])
    return out.getvalue()
