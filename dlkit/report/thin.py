"""Fewer rows where there are too many to draw, with every peak still there."""

import math
from collections.abc import Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]


def thinned(rows: Rows, names: Sequence[str], most: int) -> list[int]:
    """Which rows to keep, in order, at most `most` of them (at least 2): all, if they are few enough.

    Otherwise the rows are cut into equal stretches, and of each stretch the row with the least and the row
    with the greatest value of every column of `names` stay; and the first and the last row of all.
    """
    if len(rows) <= most or not names:
        return list(range(len(rows))) if len(rows) <= most else evenly(len(rows), most)
    stretches = (most - 2) // (2 * len(names))
    if stretches < 1:
        return evenly(len(rows), most)
    kept = {0, len(rows) - 1}
    for name in names:
        values = [_finite(row.get(name)) for row in rows]
        for i in range(stretches):
            some = range(i * len(rows) // stretches, (i + 1) * len(rows) // stretches)
            found = [at for at in some if values[at] is not None]
            if found:
                kept |= {min(found, key=values.__getitem__), max(found, key=values.__getitem__)}  # type: ignore[arg-type]
    return sorted(kept)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` (2 or more) of `count` positions at equal distances, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def columns_of(rows: Rows, names: Sequence[str], kept: Sequence[int]) -> dict[str, list[float | None]]:
    """The kept rows column by column, seven significant digits; None where there is no finite number."""
    return {name: [short(rows[at].get(name)) for at in kept] for name in names}


def short(value: Any) -> float | None:
    """A number in few digits, whole ones without a point."""
    finite = _finite(value)
    if finite is None:
        return None
    if isinstance(value, int):
        return value
    rounded = float(f"{finite:.7g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e9 else rounded


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) else None
