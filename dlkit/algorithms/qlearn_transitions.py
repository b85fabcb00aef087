"""Worlds from a table of transitions."""

from collections.abc import Sequence

import numpy as np

from dlkit.algorithms.qlearn_world import (
    ENDS,
    GOAL,
    GOES_ON,
    SUM_TOLERANCE,
    Outcome,
    World,
    reached,
    table_of,
)
from dlkit.errors import UsageError
from dlkit.readers.cells import quoted
from dlkit.readers.transitions import Transitions
from dlkit.recipe.suggest import closest

MOST_PAIRS = 2_000_000


def world_of(read: Transitions, start: Sequence[str], goals: Sequence[str]) -> World:
    """States without rows of their own, and goals, end the episode.

    start: names of the states where an episode begins, the first state of the file where there are none.
    goals: names of the states that count as success; where there are none, the ends that pay, or all ends
    where none pays. Raises UsageError for a world that cannot be: probabilities that do not add up to 1,
    a start or a goal that is no state, a goal that no start leads to.
    """
    places = {name: k for k, name in enumerate(read.states)}
    for key, names in (("start", start), ("goals", goals)):
        for name in names:
            if name not in places:
                near = closest(name, list(places))
                hint = f'did you mean "{near}"?' if near else None
                raise UsageError(f"{quoted(name)} is no state of {read.name}", where=key, hint=hint)
    pairs = _rows_by_pair(read)
    final = np.ones(len(read.states), bool)
    final[read.state] = False
    final[[places[name] for name in goals]] = True
    world = _build(read, pairs, final, _goals(read, final, [places[name] for name in goals]))
    starts = [places[name] for name in start] or [int(read.state[0])]
    for s in starts:
        if final[s]:
            raise UsageError(
                f"{quoted(read.states[s])} ends the episode", where="start" if start else read.name
            )
    world.starts = np.array(starts, np.int32)
    world.start_probabilities = np.full(len(starts), 1 / len(starts))
    _refuse_unreachable(world, read, [places[name] for name in goals])
    return world


def _rows_by_pair(read: Transitions) -> dict[tuple[int, int], list[int]]:
    """Rows of each pair of state and action. Raises UsageError where their probabilities do not add up."""
    pairs: dict[tuple[int, int], list[int]] = {}
    for row, pair in enumerate(zip(read.state.tolist(), read.action.tolist(), strict=True)):
        pairs.setdefault(pair, []).append(row)
    for (s, a), rows in pairs.items():
        total = float(read.probability[rows].sum())
        if abs(total - 1) > SUM_TOLERANCE:
            what = f"state {quoted(read.states[s])}, action {quoted(read.actions[a])}"
            raise UsageError(
                f"{what}: the probabilities add up to {total:.6g}, not 1", where=read.place(rows[0])
            )
    if len(read.states) * len(read.actions) > MOST_PAIRS:
        found = f"{len(read.states):,} states × {len(read.actions):,} actions"
        raise UsageError(f"{found} are more than {MOST_PAIRS:,} pairs", where=read.name)
    return pairs


def _goals(read: Transitions, final: np.ndarray, named: list[int]) -> np.ndarray:
    """(n,) bool: rows that end in a goal."""
    ends = final[read.following]
    if named:
        return np.isin(read.following, named)
    paid: np.ndarray = ends & (read.reward > 0)
    return paid if paid.any() else ends


def _build(
    read: Transitions, pairs: dict[tuple[int, int], list[int]], final: np.ndarray, goal: np.ndarray
) -> World:
    """The world without its starts. The choices of a state are its actions, in the order of the file."""
    n = len(read.states)
    own = [[a for a in range(len(read.actions)) if (s, a) in pairs and not final[s]] for s in range(n)]
    width = max(map(len, own), default=1) or 1
    outcomes: list[list[list[Outcome]]] = []
    for s, actions in enumerate(own):
        outcomes.append([])
        for a in actions:
            found: dict[tuple[int, float, int], float] = {}
            for row in pairs[s, a]:
                after = int(read.following[row])
                end = GOES_ON if not final[after] else GOAL if goal[row] else ENDS
                key = (after, float(read.reward[row]), end)
                found[key] = found.get(key, 0.0) + float(read.probability[row])
            total = sum(found.values())
            outcomes[-1].append([(p / total, after, r, end) for (after, r, end), p in found.items()])
    return World(
        name="transitions",
        states=read.states,
        actions=read.actions,
        choices=np.array(list(map(len, own)), np.int32),
        local=np.array([[*actions, *[-1] * (width - len(actions))] for actions in own], np.int32),
        table=table_of(outcomes, width),
        starts=np.zeros(1, np.int32),
        start_probabilities=np.ones(1),
        horizon=max(100, 4 * n),
        factors=np.arange(n)[:, None],
    )


def _refuse_unreachable(world: World, read: Transitions, goals: list[int]) -> None:
    """Raises UsageError for a goal, named in the recipe, that no start leads to."""
    seen = reached(world, ends=True) if goals else None
    for s in goals:
        if seen is not None and not seen[s]:
            rows = np.flatnonzero(read.following == s)
            where = read.place(int(rows[0])) if len(rows) else read.name
            raise UsageError(f"no way leads from a start to goal {quoted(read.states[s])}", where=where)
