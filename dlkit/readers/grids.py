"""Worlds drawn as text: a character is a cell, a line is a row.

S..#        S start   G goal   X pit    # wall   . floor
.#.X        < > ^ v   floor where a wind blows that way
...G        any other character: as the caller says
"""

from collections.abc import Collection

from dlkit.recipe.schema import TextFault

START, GOAL, PIT, WALL, FLOOR = "S", "G", "X", "#", "."
WINDS = {"<": (0, -1), "v": (1, 0), ">": (0, 1), "^": (-1, 0)}
"""Symbol -> rows down and columns to the right that the wind carries."""
BUILT_IN = {START: "start", GOAL: "goal", PIT: "pit", WALL: "wall", FLOOR: "floor"} | dict.fromkeys(
    WINDS, "wind"
)
MOST_CELLS = 250_000


def rows_of(text: str) -> list[str]:
    """The rows of a map: its lines without line ends; empty lines at the end do not count."""
    rows = text.split("\n")
    while rows and not rows[-1]:
        rows.pop()
    return rows


def map_faults(text: str, more: Collection[str] = ()) -> list[TextFault]:
    """All that is wrong in a drawing by itself: unknown symbols, rows of unequal length, no start.

    more: symbols that the caller knows besides BUILT_IN.
    """
    rows = rows_of(text)
    if not rows:
        return [
            TextFault(0, 0, "the map is empty", f"{START} is the start, {GOAL} a goal, {FLOOR} the floor")
        ]
    if sum(map(len, rows)) > MOST_CELLS:
        return [TextFault(0, 0, f"more than {MOST_CELLS:,} cells")]
    faults = []
    for r, row in enumerate(rows):
        for c, symbol in enumerate(row):
            if symbol not in BUILT_IN and symbol not in more:
                known = ", ".join([*(f"{one} {name}" for one, name in BUILT_IN.items()), *more])
                faults.append(
                    TextFault(r, c, f'unknown symbol "{symbol}"', f"known: {known}; others in cells")
                )
        if len(row) != len(rows[0]):
            text = f"expected {len(rows[0])} cells as in the first row, found {len(row)}"
            faults.append(TextFault(r, min(len(row), len(rows[0])), text))
    if not faults and not any(START in row for row in rows):
        faults.append(TextFault(0, 0, f"the map has no start ({START})"))
    return faults
