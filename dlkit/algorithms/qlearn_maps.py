"""Grid worlds: a map, moves that may slip, winds, and what each cell is worth.

A move goes to the neighbouring cell, or stays where a wall or the edge is. With probability `slip` it goes
one direction aside instead, half to either side. Then the wind of the cell that was left carries the agent
on, cell by cell, as far as it is free. What the step is worth, and whether it ends the episode, is told by
the cell where it ends, the step's cost apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dlkit.algorithms.qlearn_world import ENDS, GOAL, GOES_ON, Layout, Outcome, World, reached, table_of
from dlkit.readers import grids
from dlkit.recipe.schema import TextFault

FOUR = {"left": (0, -1), "down": (1, 0), "right": (0, 1), "up": (-1, 0)}
LONGEST = 10_000
"""Most steps of an episode that a map sets by itself: four for each cell, but no more than these."""
EIGHT = {
    "left": (0, -1), "down-left": (1, -1), "down": (1, 0), "down-right": (1, 1), "right": (0, 1),
    "up-right": (-1, 1), "up": (-1, 0), "up-left": (-1, -1),
}  # fmt: skip
"""Action -> rows down and columns to the right, in a circle: the next one is the next direction."""


@dataclass(frozen=True)
class Kind:
    """What entering a cell does."""

    reward: float = 0.0
    ends: int = GOES_ON
    restart: bool = False
    """The agent goes back to a start, and the episode goes on."""


@dataclass(frozen=True)
class Grid:
    """A map with its rules."""

    map: str
    goal: float = 1.0
    pit: float = -1.0
    cells: Mapping[str, Kind] = field(default_factory=dict)
    step_cost: float = 0.0
    slip: float = 0.0
    wind: Sequence[int] | None = None
    """Cells that the wind of each column carries upwards (below 0: downwards)."""
    moves: int = 4
    order: tuple[str, ...] | None = None
    """Names of the moves in the order of the actions; None: as in FOUR and EIGHT."""
    horizon: int | None = None
    name: str = "map"

    def kind(self, symbol: str) -> Kind:
        if symbol == grids.GOAL:
            return Kind(self.goal, GOAL)
        if symbol == grids.PIT:
            return Kind(self.pit, ENDS)
        return self.cells.get(symbol, Kind())

    def is_state(self, symbol: str) -> bool:
        """Whether the agent can be there: not in a wall, nor where it is sent back from."""
        return symbol != grids.WALL and not self.kind(symbol).restart


def faults_of(grid: Grid) -> list[TextFault]:
    """What is wrong with the map: by itself, and a goal that no start leads to."""
    faults = grids.map_faults(grid.map, tuple(grid.cells))
    if faults:
        return faults
    rows = grids.rows_of(grid.map)
    if grid.wind is not None and len(grid.wind) != len(rows[0]):
        text = f"the map has {len(rows[0])} columns, wind has {len(grid.wind)} numbers"
        return [TextFault(0, 0, text)]
    world = build(grid)
    assert world.layout is not None
    seen = reached(world, ends=True)
    places = world.layout.places[:, 1:].tolist()
    for s, (r, c) in enumerate(places):
        kind = grid.kind(rows[r][c])
        if kind.ends == GOAL and not seen[s]:
            faults.append(TextFault(r, c, "no way leads from a start to this goal"))
    kinds = [grid.kind(symbol) for symbol in sorted(set("".join(rows)))]
    if not any(kind.ends or kind.reward for kind in kinds):
        faults.append(TextFault(0, 0, "nothing to learn: no goal, no pit and no cell with a reward"))
    return faults


def build(grid: Grid) -> World:
    """The world of a map without faults. States are the cells where one can be, row by row."""
    rows = grids.rows_of(grid.map)
    cells = [(r, c) for r, row in enumerate(rows) for c, one in enumerate(row) if grid.is_state(one)]
    number = {cell: s for s, cell in enumerate(cells)}
    starts = np.array([number[r, c] for r, c in cells if rows[r][c] == grids.START], np.int32)
    moves = FOUR if grid.moves == 4 else EIGHT
    pairs: list[list[list[Outcome]]] = []
    for cell in cells:
        ends = grid.kind(rows[cell[0]][cell[1]]).ends
        names = () if ends else grid.order or tuple(moves)
        pairs.append([_outcomes(grid, rows, number, starts, cell, name) for name in names])
    order = list(grid.order or moves)
    n = len(cells)
    return World(
        name=f"{grid.name} {len(rows)} × {len(rows[0])}",
        states=[f"r{r + 1}c{c + 1}" for r, c in cells],
        actions=order,
        choices=np.array([len(choices) for choices in pairs], np.int32),
        local=np.tile(np.arange(len(order), dtype=np.int32), (n, 1)),
        table=table_of(pairs, len(order)),
        starts=starts,
        start_probabilities=np.full(len(starts), 1 / len(starts)),
        horizon=grid.horizon or min(max(100, 4 * n), LONGEST),
        factors=np.array(cells, np.int64),
        layout=Layout(
            rows,
            np.array([(0, r, c) for r, c in cells], np.int64),
            arrows={name: (float(y), float(x)) for name, (y, x) in moves.items()},
        ),
    )


def _outcomes(
    grid: Grid, rows: list[str], number: Mapping[tuple[int, int], int], starts: np.ndarray,
    cell: tuple[int, int], name: str,
) -> list[Outcome]:  # fmt: skip
    """What follows from a move: one outcome for each way in which it can end."""
    directions = list((FOUR if grid.moves == 4 else EIGHT).values())
    names = list(FOUR if grid.moves == 4 else EIGHT)
    ahead = names.index(name)
    ways = [(ahead - 1, grid.slip / 2), (ahead, 1 - grid.slip), (ahead + 1, grid.slip / 2)]
    found: dict[tuple[int, float, int], float] = {}
    for way, p in ways:
        if p <= 0:
            continue
        r, c = _landing(grid, rows, cell, directions[way % len(directions)])
        kind = grid.kind(rows[r][c])
        reward = kind.reward - grid.step_cost
        landings = starts.tolist() if kind.restart else [number[r, c]]
        for s in landings:
            key = (s, reward, kind.ends)
            found[key] = found.get(key, 0.0) + p / len(landings)
    return [(p, s, reward, ends) for (s, reward, ends), p in found.items()]


def _landing(grid: Grid, rows: list[str], cell: tuple[int, int], step: tuple[int, int]) -> tuple[int, int]:
    """The cell where a step ends, wind included."""
    here = _moved(rows, cell, step)
    symbol, column = rows[cell[0]][cell[1]], cell[1]
    blows = [grids.WINDS[symbol]] if symbol in grids.WINDS else []
    if grid.wind is not None:
        strength = grid.wind[column]
        blows += [(-1, 0) if strength > 0 else (1, 0)] * abs(strength)
    for blow in blows:
        here = _moved(rows, here, blow)
    return here


def _moved(rows: list[str], cell: tuple[int, int], step: tuple[int, int]) -> tuple[int, int]:
    """One cell further, or the same where there is none."""
    r, c = cell[0] + step[0], cell[1] + step[1]
    inside = 0 <= r < len(rows) and 0 <= c < len(rows[0])
    return (r, c) if inside and rows[r][c] != grids.WALL else cell


def play_text(layout: Layout, s: int) -> str:
    """The map as text, the agent as @."""
    panel, r, c = layout.places[s].tolist()
    lines = [row[:c] + "@" + row[c + 1 :] if k == r else row for k, row in enumerate(layout.rows)]
    title = layout.panels[panel]
    return "\n".join([title, *lines] if title else lines)
