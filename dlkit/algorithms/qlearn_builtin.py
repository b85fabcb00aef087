"""Worlds that everybody measures on, built from their descriptions: no Gymnasium is needed for them.

FrozenLake and CliffWalking (Sutton & Barto 2018, example 6.6) are maps; Taxi (Dietterich 2000) is a table of
its own. Actions have the numbers that Gymnasium gives them.
"""

from dataclasses import replace

import numpy as np

from dlkit.algorithms.qlearn_maps import Grid, Kind, build
from dlkit.algorithms.qlearn_world import GOAL, GOES_ON, Layout, Outcome, World, table_of

LAKE_4 = "S...\n.X.X\n...X\nX..G\n"
LAKE_8 = "S.......\n........\n...X....\n.....X..\n...X....\n.XX...X.\n.X..X.X.\n...X...G\n"
CLIFF = "............\n............\n............\nSCCCCCCCCCCG\n"

GRIDS = {
    "frozenlake-4x4": Grid(LAKE_4, pit=0, slip=2 / 3, horizon=100, name="frozen lake"),
    "frozenlake-8x8": Grid(LAKE_8, pit=0, slip=2 / 3, horizon=200, name="frozen lake"),
    "cliff": Grid(
        CLIFF, goal=0, cells={"C": Kind(-99, restart=True)}, step_cost=1, horizon=1000, name="cliff",
        order=("up", "right", "down", "left"),
    ),
}  # fmt: skip
"""Frozen lake: a third of the moves goes to either side. Cliff: -1 a step, -100 and back to the start."""

TAXI_MAP = [
    "+---------+",
    "|R: | : :G|",
    "| : | : : |",
    "| : : : : |",
    "| | : | : |",
    "|Y| : |B: |",
    "+---------+",
]
STANDS = {"red": (0, 0), "green": (0, 4), "yellow": (4, 0), "blue": (4, 3)}
TAXI_MOVES = {"south": (1, 0), "north": (-1, 0), "east": (0, 1), "west": (0, -1)}
IN_TAXI = 4


def named_world(name: str, **changes: object) -> World:
    """A built-in world; changes: fields of its Grid that are to differ (slip, step_cost, ...)."""
    if name == "taxi":
        return taxi()
    return build(replace(GRIDS[name], **changes))  # type: ignore[arg-type]


def taxi() -> World:
    """500 states: row, column, where the passenger is (four stands, the taxi) and where they want to go.

    -1 a step, -10 for picking up or setting down where that cannot be, 20 for the ride. An episode starts
    anywhere, with a passenger at one stand who wants to go to another.
    """
    stands = list(STANDS.values())
    places = [(r, c, p, d) for r in range(5) for c in range(5) for p in range(5) for d in range(4)]
    number = {place: s for s, place in enumerate(places)}
    actions = [*TAXI_MOVES, "pick up", "set down"]

    def outcome(r: int, c: int, p: int, d: int, action: str) -> Outcome:
        if action in TAXI_MOVES:
            r, c = _driven(r, c, TAXI_MOVES[action])
            return 1.0, number[r, c, p, d], -1.0, GOES_ON
        if action == "pick up":
            waits = p != IN_TAXI and stands[p] == (r, c)
            return 1.0, number[r, c, IN_TAXI if waits else p, d], -1.0 if waits else -10.0, GOES_ON
        if p != IN_TAXI or (r, c) not in stands:
            return 1.0, number[r, c, p, d], -10.0, GOES_ON
        arrived = stands[d] == (r, c)
        after = number[r, c, stands.index((r, c)), d]
        return 1.0, after, 20.0 if arrived else -1.0, GOAL if arrived else GOES_ON

    names = list(STANDS)
    waiting = [s for s, (_, _, p, d) in enumerate(places) if p not in (d, IN_TAXI)]
    passengers = [*names, "taxi"]
    return World(
        name="taxi",
        states=[f"r{r + 1}c{c + 1} {passengers[p]} to {names[d]}" for r, c, p, d in places],
        actions=actions,
        choices=np.full(len(places), len(actions), np.int32),
        local=np.tile(np.arange(len(actions), dtype=np.int32), (len(places), 1)),
        table=table_of([[[outcome(*place, action)] for action in actions] for place in places], len(actions)),
        starts=np.array(waiting, np.int32),
        start_probabilities=np.full(len(waiting), 1 / len(waiting)),
        horizon=200,
        factors=np.array(places, np.int64),
        layout=Layout(
            TAXI_MAP,
            np.array([(4 * p + d, r + 1, 2 * c + 1) for r, c, p, d in places], np.int64),
            [f"{passenger} → {name}" for passenger in passengers for name in names],
            {name: (float(y), float(x)) for name, (y, x) in TAXI_MOVES.items()},
        ),
    )


def _driven(r: int, c: int, move: tuple[int, int]) -> tuple[int, int]:
    """The next cell, unless the edge or a wall (a bar between two cells) is in the way."""
    y, x = move
    if x and TAXI_MAP[r + 1][2 * c + 1 + x] == "|":
        return r, c
    return min(max(r + y, 0), 4), c + x
