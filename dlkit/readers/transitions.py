"""Tables of transitions: a row says what may follow from an action in a state.

    state,action,next,probability,reward
    sitting,"お手",sitting,1,1

The columns go by their names (those below and their like), without a header by their order. The column of
probabilities may be missing: everything is then certain. Names are texts: 1 and 01 are two states.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import Faults, OnBadRow, number, read_numbers, read_texts
from dlkit.readers.opening import display, read_bytes
from dlkit.readers.table import Rows, Table, read_table

NAMES = {
    "state": ("state", "s", "from", "状態"),
    "action": ("action", "a", "行動"),
    "next": ("next", "s'", "s2", "next_state", "to", "次の状態"),
    "probability": ("probability", "p", "prob", "確率"),
    "reward": ("reward", "r", "報酬"),
}
"""Column -> what it may be called, in lower case."""
ORDER = tuple(NAMES)


@dataclass
class Transitions:
    """The rows of a file, in its order."""

    name: str
    states: list[str]
    """All that are named, those with rows of their own first; each in the order of the file."""
    actions: list[str]
    state: np.ndarray
    """(n,) int64."""
    action: np.ndarray
    """(n,) int64."""
    following: np.ndarray
    """(n,) int64."""
    probability: np.ndarray
    """(n,) float64 in [0, 1]."""
    reward: np.ndarray
    """(n,) float64."""
    lines: np.ndarray
    """(n,) int64 line of each row."""
    skipped: int = 0
    first_fault: str = ""

    def place(self, row: int) -> str:
        return f"{self.name}:{self.lines[row]}"


def read_transitions(path: Path, on_bad_row: OnBadRow = "error") -> Transitions:
    """Read a whole file ("-": standard input). Raises DataError with file:line for a bad row."""
    name = display(path)
    table = read_table(read_bytes(path), name, on_bad_row=on_bad_row, as_text=True, is_header=_is_header)
    columns = _columns(table)
    faults = Faults(name, table.lines, on_bad_row)
    texts = {key: read_texts(table.cells[columns[key]], key, faults) for key in ("state", "action", "next")}
    reward = read_numbers(table.cells[columns["reward"]], "reward", faults)
    probability = np.ones(len(table))
    if "probability" in columns:
        probability = read_numbers(table.cells[columns["probability"]], "probability", faults)
        for row in np.flatnonzero((probability < 0) | (probability > 1)).tolist():
            faults.add(row, f"column probability: {probability[row]:g} is not between 0 and 1")
    kept = faults.kept(len(table))
    rows = np.arange(len(table)) if kept is None else kept
    if not len(rows):
        raise DataError(f"no usable row among {table.total}; {faults.first()}", where=name)
    state = [texts["state"][row] for row in rows]
    following = [texts["next"][row] for row in rows]
    action = [texts["action"][row] for row in rows]
    states, actions = list(dict.fromkeys([*state, *following])), list(dict.fromkeys(action))
    at, act = {s: k for k, s in enumerate(states)}, {a: k for k, a in enumerate(actions)}
    assert table.lines is not None
    return Transitions(
        name,
        states,
        actions,
        np.array([at[s] for s in state]),
        np.array([act[a] for a in action]),
        np.array([at[s] for s in following]),
        probability[rows],
        reward[rows],
        table.lines[rows],
        table.skipped + len(faults.rows),
        table.first_fault or faults.first(),
    )


def _is_header(rows: Rows) -> bool:
    """The first row is one unless its last cell, the reward, is a number."""
    return number(rows[0][1][-1]) is None


def _columns(table: Table) -> dict[str, int]:
    """Where each column stands. Raises DataError for one that is missing."""
    if not table.header:
        if len(table.names) != len(ORDER):
            problem = f"expected {len(ORDER)} columns ({', '.join(ORDER)}), found {len(table.names)}"
            raise DataError(problem, where=f"{table.name}:1", hint="or a header that names them")
        return {key: k for k, key in enumerate(ORDER)}
    lowered = [name.lower() for name in table.names]
    found = {key: lowered.index(one) for key, names in NAMES.items() for one in names[::-1] if one in lowered}
    missing = [key for key in ORDER if key not in found and key != "probability"]
    if missing:
        problem = f"no column {missing[0]}; the header has {', '.join(table.names)}"
        raise DataError(problem, where=f"{table.name}:1", hint=f"expected {', '.join(ORDER)}")
    return found
