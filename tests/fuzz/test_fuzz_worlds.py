"""Spoilt maps and tables of transitions through `qlearn --dry-run`, judged by a plain search and by csv.

What is accepted is a world: a start, goals that a start leads to, probabilities that add up to 1. What is not
ends with code 1 or 2, each problem at its place.
"""

import csv
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.fuzz.mutations import NUMBERS, YAML, spoilt_file, spoilt_text
from tests.fuzz.program import run, share

MAPS = [
    "map: |\n  S..#\n  .#.X\n  ...G\nstep_cost: 0.04\nslip: 0.2\n",
    "map: |\n  S.>.\n  .<^v\n  a.犬G\ncells: {a: 0.5, 犬: {reward: 1, ends: goal}}\nmoves: 8\n",
    "seed: 2\nmap: |2-\n    S..\n   ..G\nwind: [0, 1, 0, -1, 2]\nrewards: {goal: 2, pit: -3}\n",
]
SYMBOLS = [
    "S",
    "G",
    "#",
    "X",
    ".",
    "<",
    "^",
    "Z",
    "\t",
    "犬",
    "map: |\n",
    "cells: {Z: 1}",
    "slip: 0.5",
    "wind: [1]",
]
DRAWN = st.one_of(
    st.lists(st.text("SG#X.Z", min_size=1, max_size=6), min_size=1, max_size=4),
    st.lists(st.text("SG#X..", min_size=4, max_size=4), min_size=1, max_size=6),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


def tried(path: Path, data: bytes, *more: str) -> object:
    path.write_bytes(data)
    done = run("qlearn", path, "--dry-run", "--set", "exact=false", *more)
    if done.code:
        assert not done.stdout and done.errors, done
    return done


def reachable(rows: list[str]) -> set[tuple[int, int]]:
    """Cells that steps to the four sides lead to, goals and pits not walked through."""
    seen = {(r, c) for r, row in enumerate(rows) for c, one in enumerate(row) if one == "S"}
    frontier = list(seen)
    while frontier:
        r, c = frontier.pop()
        if rows[r][c] in "GX":
            continue
        for y, x in ((r, c - 1), (r + 1, c), (r, c + 1), (r - 1, c)):
            if 0 <= y < len(rows) and 0 <= x < len(rows[0]) and rows[y][x] != "#" and (y, x) not in seen:
                seen.add((y, x))
                frontier.append((y, x))
    return seen


@given(DRAWN)
def test_drawn_maps(folder: Path, rows: list[str]) -> None:
    """Every fault at its line and column, and no other."""
    text = "map: |\n" + "".join(f"  {row}\n" for row in rows)
    done = tried(folder / "g.yaml", text.encode())
    places = [tuple(map(int, place)) for place in re.findall(r"g\.yaml:(\d+):(\d+): map", done.stderr)]
    expected = [(r + 2, c + 3) for r, row in enumerate(rows) for c, one in enumerate(row) if one == "Z"]
    width = len(rows[0])
    expected += [(r + 2, min(len(row), width) + 3) for r, row in enumerate(rows) if len(row) != width]
    if not expected and not any("S" in row for row in rows):
        expected = [(2, 3)]
    if not expected:
        seen = reachable(rows)
        goals = {(r, c) for r, row in enumerate(rows) for c, one in enumerate(row) if one == "G"}
        expected = [(r + 2, c + 3) for r, c in sorted(goals - seen)]
        if not any(one in row for row in rows for one in "GX"):
            expected = [(2, 3)]
    assert sorted(places) == sorted(expected), (rows, done)
    assert (done.code == 2) == bool(expected), done


@share(0.5)
@given(spoilt_text(MAPS, [*NUMBERS, *YAML, *SYMBOLS]))
def test_spoilt_maps(folder: Path, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    done = tried(folder / "g.yaml", data)
    if done.code:
        assert all(f"{folder / 'g.yaml'}:" in line or "error: --" in line for line in done.errors), done
        return
    drawn = yaml.safe_load(data)["map"]
    rows = drawn.rstrip("\n").split("\n")
    assert len({len(row) for row in rows}) == 1 and any("S" in row for row in rows), done
    assert re.search(r"\d+ states", done.stdout), done


TABLE = """\
state,action,next,probability,reward
a,x,b,0.25,1
a,x,a,0.75,-1
a,"y, 犬",b,1,0
b,x,c,1,2
"""
WORDS = [*NUMBERS, "", ",", '"', "\r", "\n", "a", "b", "NA", "é", "\0", "\ufeff", "reward", "0.75"]


@share(0.5)
@given(spoilt_file(TABLE, WORDS))
def test_spoilt_transitions(folder: Path, data: bytes) -> None:
    assume(not (b"\n" in data and re.search(rb"\r(?!\n)", data)))  # csv has no word on mixed line ends
    path = folder / "t.csv"
    done = tried(path, data)
    if done.code:
        assert all(line.startswith(f"error: {path}") for line in done.errors), done
        return
    text = data.decode("utf-8-sig")
    text = text.replace("\r", "\n") if "\n" not in text else text
    rows = [row for row in csv.reader(text.splitlines(), skipinitialspace=True) if any(map(str.strip, row))]
    total: dict[tuple[str, str], float] = {}
    header = [cell.strip().lower() for cell in rows[0]]
    named = "next" in header or "to" in header
    where = header.index("probability") if "probability" in header else 3 if not named else None
    for row in rows[1:] if named else rows:
        s, a = (
            (row[header.index("state")], row[header.index("action")])
            if named and "state" in header
            else row[:2]
        )
        p = float(row[where]) if where is not None else 1.0
        total[s.strip(), a.strip()] = total.get((s.strip(), a.strip()), 0.0) + p
    assert all(abs(p - 1) < 1e-5 for p in total.values()), done
