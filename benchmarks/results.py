"""benchmarks/RESULTS.md: one section a row, each replaced as a whole when its row is run again."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

OPENING = """# Results

Written by `make bench`; a row that is run again replaces its section and leaves the others. How each
figure comes about: `README.md` beside this file. Compare ratios, not milliseconds, between machines.
"""


def replace_section(text: str, title: str, body: str) -> str:
    """`text` with the section `## title` replaced by `body`, or added at the end.

    Headings inside fenced code are not headings. Everything before the first section stays.
    """
    section = f"## {title}\n\n{body.strip()}\n"
    parts = _sections(text or OPENING)
    for index, part in enumerate(parts):
        if part.startswith("## ") and part.splitlines()[0][3:].strip() == title:
            parts[index] = section
            break
    else:
        parts.append(section)
    return "\n".join(part.strip() + "\n" for part in parts)


def _sections(text: str) -> list[str]:
    parts: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        if re.match(r"\s*(```|~~~)", line):
            fenced = not fenced
        if line.startswith("## ") and not fenced:
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) for part in parts if "".join(part).strip()]


def write_section(path: Path, title: str, body: str) -> None:
    """Replace one section of the file at `path`, which keeps its old content if anything fails."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = path.with_name(f".{path.name}.new")
    new.write_text(replace_section(old, title, body), encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105 - one call says that it is atomic


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are figures, aligned right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def seconds_text(seconds: float) -> str:
    """Three figures and the unit that suits: 4.21 ms, 1.30 s, 812 µs."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{_three(seconds * factor)} {unit}"
    raise AssertionError("unreachable")


def bytes_text(count: float) -> str:
    """Mebibytes: 93 MiB."""
    return f"{count / 2**20:,.0f} MiB"


def _three(value: float) -> str:
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{decimals}f}"
