"""The built-in worlds against Gymnasium's transition tables, state by state."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.qlearn_builtin import GRIDS, named_world
from dlkit.algorithms.qlearn_world import World, reached
from tests.oracles.make_gymnasium_golden import canonical

GOLDEN = json.loads((Path(__file__).parent / "gymnasium_golden.json").read_text(encoding="utf-8"))


def numbers(name: str, world: World) -> np.ndarray:
    """(S,) what Gymnasium calls each state: cells are counted row by row, walls and pits included."""
    if name == "taxi":
        return np.arange(len(world.states))
    assert world.layout is not None
    return world.layout.places[:, 1] * len(world.layout.rows[0]) + world.layout.places[:, 2]


def lines_of(name: str) -> list[str]:
    world = named_world(name)
    assert world.table is not None
    table, width, number = world.table, world.size[1], numbers(name, world)
    pairs = {}
    for s in np.flatnonzero(reached(world, ends=False)).tolist():
        for a in range(width):
            span = slice(table.first[s * width + a], table.first[s * width + a + 1])
            columns = (table.probabilities, number[table.following], table.rewards, table.ends > 0)
            outcomes = list(zip(*(column[span].tolist() for column in columns), strict=True))
            pairs[int(number[s]), int(world.local[s, a])] = outcomes
    return canonical(pairs)


@pytest.mark.parametrize("name", [*GRIDS, "taxi"])
def test_the_same_transitions(name: str) -> None:
    lines, golden = lines_of(name), GOLDEN[name]
    assert lines[: len(golden["first"])] == golden["first"]
    assert len(lines) == golden["lines"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == golden["sha256"]
    world = named_world(name)
    assert (len(world.starts), int(reached(world, ends=False).sum())) == (golden["starts"], golden["states"])
