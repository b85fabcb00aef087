"""The index of a folder of runs: a row for each, with a link to its own page."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from dlkit.report.gathered import Run
from dlkit.report.markup import Html, document, element, number, table

FIGURES = 6
"""Figures of a summary that a row shows; the run's own page has them all."""
PLAIN = {"epochs", "steps", "parameters", "lr"}


class Line(NamedTuple):
    """A run of the index."""

    name: str
    link: str
    """Its page, relative to the index."""
    run: Run


def index(title: str, lines: Sequence[Line]) -> bytes:
    """The page, the same bytes for the same runs."""
    rows = [_row(line) for line in lines]
    head = ("run", "command", "state", "started", "epochs", "seconds", "figures", "warnings")
    count = f"{len(lines)} {'run' if len(lines) == 1 else 'runs'}"
    return document(
        f"{title} · dlkit reports",
        element("header", element("h1", title)),
        element("main", element("p", f"{count}, each with a page of its own."), table(count, head, rows)),
    )


def _row(line: Line) -> tuple[object, ...]:
    name, run = element("a", line.name, href=_address(line.link)), line.run
    seconds = run.seconds
    return (
        name,
        run.command + (f", {len(run.members)} members" if run.members else ""),
        run.state,
        str(run.environment.get("started", "")),
        number(run.summary.get("epochs", len(run.rows) or None)),
        "" if seconds is None else f"{seconds:,.1f}",
        _figures(run),
        "; ".join(run.warnings()),
    )


def _address(link: str) -> str:
    """A relative address: percent-encoded, and never taken for a scheme (`a:b`)."""
    return "./" + quote(link)


def _figures(run: Run) -> Html | str:
    said = [(name, value) for name, value in run.summary.items() if name not in PLAIN]
    said.sort(
        key=lambda one: one[0].startswith("train_")
    )  # what it did on rows that it had not seen comes first
    return "; ".join(f"{name} {number(value)}" for name, value in said[:FIGURES])
