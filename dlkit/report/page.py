"""The page about one run or several: its sections, in the order in which one reads them."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from statistics import median
from typing import Any

from dlkit.report.gathered import Run, differences
from dlkit.report.learnt import Learnt
from dlkit.report.markup import Html, data, document, element, join, number, table
from dlkit.report.thin import columns_of, evenly, thinned

LARGEST = 2_000_000
"""Bytes of a page about one run; several share four times as much."""
VALUES = {False: 90_000, True: 300_000}
"""Numbers of all curves together, for one run and for several."""
TABLE_ROWS = 200
"""Rows of the table of one run's figures; several runs share ten times as many, 10 each at least."""
SIDE_BY_SIDE = 6
"""Runs up to which each has a column of the summary."""
X = ("epoch", "step", "seconds")
SPLITS = ("valid", "test", "train")
UNDRAWN = {*X, "lr", "examples_per_second", "peak_memory_bytes"}
PROVENANCE_APART = {"inputs", "recipe_as_given", "artifacts", "notes"}


def page(runs: Sequence[Run]) -> bytes:
    """The whole page, the same bytes for the same runs. At most `LARGEST` bytes for one run."""
    title = _title(runs)
    rows = [run for run in runs if run.rows]
    drawn = rows if any(len(run.rows) > 1 for run in rows) else []  # a single point is no curve
    sections = [
        ("summary", "Summary", join(_summary(runs))),
        ("warnings", "Warnings", _lines(runs, [run.warnings() for run in runs], "warnings")),
        ("notes", "Notes of the training", _lines(runs, [run.said() for run in runs], "note")),
        ("differences", "What differs", join(_differences(runs)) if len(runs) > 1 else None),
        ("curves", "Curves", join(_curves(drawn)) if drawn else None),
        ("figures", "Figures as tables", join(_tables(rows)) if rows else None),
        ("timing", "Timing", _timing(rows)),
        ("recipe", "Recipe", join(map(_recipe, runs))),
        ("provenance", "Provenance", join(map(_provenance, runs))),
    ]
    learnt = Learnt(runs)
    scripts = [name for name, wanted in (("curves.js", drawn), ("frames.js", learnt.sequences)) if wanted]
    bare = _bound(title, sections, scripts)
    section = learnt.section(LARGEST * min(len(runs), 4) - len(bare) - 4_000)
    return _bound(title, [*sections[:5], ("pictures", "What was learnt", section), *sections[5:]], scripts)


def _title(runs: Sequence[Run]) -> str:
    if all(run.name.startswith(f"{runs[0].name}/") for run in runs[1:]):  # one run, or a family
        return runs[0].name
    names = ", ".join(run.name for run in runs[:3])
    return f"{len(runs)} runs: {names}" + (", …" if len(runs) > 3 else "")


def _bound(title: str, sections: Sequence[tuple[str, str, Html | None]], scripts: Sequence[str]) -> bytes:
    there = [(key, name, body) for key, name, body in sections if body]
    links = [element("li", element("a", name, href=f"#{key}")) for key, name, _ in there]
    parts = [
        element("section", element("h2", name, id=f"h-{key}"), body, id=key, aria_labelledby=f"h-{key}")
        for key, name, body in there
    ]
    return document(
        f"{title} · dlkit report",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", element("h1", title), element("nav", element("ul", *links), aria_label="Sections")),
        element("main", join(parts), id="content", tabindex=-1),
        scripts=scripts,
    )


# -- sections ---------------------------------------------------------------------------------------
def _summary(runs: Sequence[Run]) -> Iterator[Html]:
    if len(runs) == 1:
        run = runs[0]
        rows = [("command", run.command), ("state", run.state)]
        yield table("Figures at the end", ("figure", "value"), rows + _figures(run.summary))
        return
    single = [run for run in runs if not run.members]
    names = list(dict.fromkeys(name for run in single for name in run.summary))
    each = [
        [run.name, run.command, run.state, *(number(run.summary.get(name)) for name in names)]
        for run in single
    ]
    head = ["run", "command", "state", *names]
    if len(single) <= SIDE_BY_SIDE:
        first, *rest = zip(head, *each, strict=True)
        yield table("Figures at the end, a run a column", ["figure", *first[1:]], rest)
    else:
        yield table("Figures at the end, a run a row", head, each)
    for run in runs:
        if run.members and run.summary:
            inside = table(f"{run.name}: figures of the family", ("figure", "value"), _figures(run.summary))
            summary = f"{run.name}: a family of {len(run.members)} runs"
            yield element("details", element("summary", summary), inside)


def _figures(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, number(value)) for name, value in summary.items()]


def _lines(runs: Sequence[Run], said: Sequence[list[str]], kind: str) -> Html | None:
    """What is said of the runs, each line once with the runs that it is said of."""
    about: dict[str, list[str]] = {}
    for run, lines in zip(runs, said, strict=True):
        for line in lines:
            about.setdefault(line, []).append(run.name)
    found = [f"{_some(names)}: {line}" if len(runs) > 1 else line for line, names in about.items()]
    return element("ul", *(element("li", line) for line in found), class_=kind) if found else None


def _some(names: Sequence[str]) -> str:
    """One to three names, or how many there are."""
    first = ", ".join(names[:3])
    return first if len(names) <= 3 else f"{len(names)} runs ({first}, …)"


def _differences(runs: Sequence[Run]) -> Iterator[Html]:
    single = [run for run in runs if not run.members]
    names = ("run" if len(single) > SIDE_BY_SIDE else "key", *(run.name for run in single))
    recipes = differences([run.recipe for run in single])
    with_what = differences([_versions(run) for run in single])
    for what, found in (("recipe", recipes), ("environment", with_what)):
        if found:
            rows = [names, *((key, *values) for key, values in found.items())]
            if len(single) > SIDE_BY_SIDE:
                rows = list(zip(*rows, strict=True))  # a run a row
            yield table(f"Keys of the {what} that are not the same in all runs", rows[0], rows[1:])
        else:
            yield element("p", f"The {what} is the same in all runs.")


def _versions(run: Run) -> dict[str, Any]:
    apart = {*PROVENANCE_APART, "started", "finished", "command_line", "directory", "resumed"}
    about = {key: value for key, value in run.environment.items() if key not in apart}
    inputs = [one for one in run.environment.get("inputs", []) if isinstance(one, dict)]
    names = [PurePath(str(one.get("path"))).name for one in inputs]  # wherever it lay
    named = zip(names, inputs, strict=True)
    return about | {
        f"input {name if names.count(name) == 1 else one.get('path')}": one.get("sha256")
        for name, one in named
    }


def _columns(runs: Sequence[Run]) -> list[str]:
    names = dict.fromkeys(key for run in runs for row in run.rows for key in row)
    return [name for name in names if name not in UNDRAWN]


def _curves(runs: Sequence[Run]) -> Iterator[Html]:
    names, along = _columns(runs), [x for x in X if any(x in run.rows[0] for run in runs)]
    most = max(VALUES[len(runs) > 1] // (len(runs) * max(len(names) + len(along), 1)), 2)
    series, left = [], 0
    for run in runs:
        own = [name for name in names if any(name in row for row in run.rows)]
        kept = thinned(run.rows, own, most)
        left += len(kept) < len(run.rows)
        series.append({"name": run.name, "rows": columns_of(run.rows, [*along, *own], kept)})
    columns = [{"name": name, **dict(zip(("split", "measure"), _split(name), strict=True))} for name in names]
    yield element(
        "p",
        "Point at a curve to read it, drag to zoom, double-click to see everything. With the keyboard: Tab "
        "to a chart, arrows to read, + and - to zoom, 0 for everything, l for a logarithmic scale. The same "
        "figures are in the tables below.",
        class_="note",
    )
    if left:
        yield element(
            "p",
            f"Of {left} {'run' if left == 1 else 'runs'} not every row is drawn: at most {most:,} of each, "
            "with the extremes of every stretch. metrics.csv has them all.",
            class_="note",
        )
    yield Html('<div id="controls" class="controls"></div><div id="legend"></div><svg class="none"></svg>')
    yield Html("<noscript><p>The curves need JavaScript; the tables do not.</p></noscript>")
    yield Html('<div id="panels" class="panels"></div>')
    yield data("rows", {"runs": series, "columns": columns, "xs": along})


def _split(name: str) -> tuple[str, str]:
    first, _, rest = name.partition("_")
    return (first, rest) if first in SPLITS and rest else ("", name)


def _tables(runs: Sequence[Run]) -> Iterator[Html]:
    most = max(min(TABLE_ROWS, 10 * TABLE_ROWS // len(runs)), 10)
    for run in runs:
        names = list(dict.fromkeys(key for row in run.rows for key in row))
        names.sort(key=lambda name: name not in ("epoch", "step"))
        kept = evenly(len(run.rows), most)
        caption = f"{run.name}: {len(kept)} of {len(run.rows):,} rows"
        rows = [[number(run.rows[at].get(name)) for name in names] for at in kept]
        summary = element("summary", caption)
        yield element("details", summary, table(caption, names, rows))


def _timing(runs: Sequence[Run]) -> Html | None:
    rows = []
    for run in runs:
        if run.seconds is None:
            continue
        speeds = _numbers(run, "examples_per_second")
        peak = max(_numbers(run, "peak_memory_bytes"), default=None)
        each = run.seconds / len(run.rows)
        rows.append(
            (
                run.name,
                f"{run.seconds:,.2f}",
                f"{each:.4g}",
                number(round(median(speeds))) if speeds else "",
                f"{peak / 2**20:,.0f}" if peak else "",
                str(run.environment.get("device", "")),
                str(run.environment.get("threads", "")),
            )
        )
    head = (
        "run",
        "seconds",
        "seconds an epoch",
        "examples a second (median)",
        "peak memory, MiB",
        "device",
        "threads",
    )
    return table("What training took", head, rows) if rows else None


def _numbers(run: Run, name: str) -> list[float]:
    return [row[name] for row in run.rows if isinstance(row.get(name), int | float)]


def _recipe(run: Run) -> Html:
    if not run.recipe_text:
        return element("p", f"{run.name}: there is no recipe.yaml")
    return element("details", element("summary", run.name), element("pre", run.recipe_text, tabindex=0))


def _provenance(run: Run) -> Html:
    if not run.environment:
        return Html("")
    plain = [(key, _said(value)) for key, value in run.environment.items() if key not in PROVENANCE_APART]
    parts = [table(f"{run.name}: what it ran with", ("entry", "value"), plain)]
    inputs = [one for one in run.environment.get("inputs", []) if isinstance(one, dict)]
    if inputs:
        rows = [(str(one.get("path")), number(one.get("bytes")), str(one.get("sha256"))) for one in inputs]
        parts.append(table(f"{run.name}: files it read", ("file", "bytes", "SHA-256"), rows))
    artifacts = [
        element("li", name) for name in dict.fromkeys(map(str, run.environment.get("artifacts", [])))
    ]
    if artifacts:
        parts.append(element("p", f"{run.name}: files it wrote besides"))
        parts.append(element("ul", *artifacts))
    return element("details", element("summary", run.name), join(parts))


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return "" if value is None else str(value)
