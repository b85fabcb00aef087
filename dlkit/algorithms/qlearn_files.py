"""What a run leaves to be looked at: qtable.csv, policy.csv, policy.png, learning.png."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dlkit.algorithms.qlearn_exact import Optimum
from dlkit.algorithms.qlearn_world import World, reached
from dlkit.pictures import figures
from dlkit.training.metrics import to_csv


@dataclass
class View:
    """What is shown of a run."""

    world: World
    q: np.ndarray
    """(S, A) action values of the agent that answers."""
    policies: np.ndarray
    """(K, S) what each agent does."""
    chosen: int
    best: Optimum | None
    history: Mapping[str, np.ndarray]
    """(epochs, K) each: mean return while learning ("train"), exact return without exploration ("greedy")."""
    episodes: int
    """Of an epoch."""


def run_files(view: View, pictures: bool, log: Callable[[str], None]) -> Iterator[tuple[str, str | bytes]]:
    """(name, content) of every file."""
    yield "qtable.csv", qtable_csv(view)
    yield "policy.csv", policy_csv(view)
    if not pictures:
        return
    if not figures.available():
        log('no pictures: they need matplotlib (pip install "dlkit[report]")')
        return
    names = "".join([*view.world.states, *view.world.actions])
    if told := figures.missing_font(names):
        log(told)
    from dlkit.pictures import decisions

    if (drawn := policy_picture(view)) is not None:
        yield "policy.png", drawn
    if len(view.history["train"]):
        best = view.best.total if view.best else None
        greedy = view.history["greedy"] if view.best else None
        yield "learning.png", decisions.learning(view.history["train"], greedy, best, view.episodes)


def qtable_csv(view: View) -> str:
    """A row a state, a column an action: its value; empty where the state does not have the action."""
    world = view.world
    values = world.by_action(view.q)
    rows = [
        [world.states[s], *("" if np.isnan(q) else repr(q) for q in values[s].tolist())]
        for s in np.flatnonzero(world.choices).tolist()
    ]
    return to_csv(["state", *world.actions], rows)


def policy_csv(view: View) -> str:
    """A row a state: what is done there and its value; what would be best and its value; on a map, where."""
    world, best, policy = view.world, view.best, view.policies[view.chosen]
    header = ["state", "action", "value", "agents"]
    header += ["optimal_action", "optimal_value"] if best is not None else []
    rows = []
    for s in np.flatnonzero(world.choices).tolist():
        a = int(policy[s])
        agreed = float((view.policies[:, s] == a).mean())
        row = [world.states[s], world.action_name(s, a), repr(float(view.q[s, a])), repr(agreed)]
        if best is not None:
            row += [world.action_name(s, int(best.policy[s])), repr(float(best.v[s]))]
        rows.append(row)
    return to_csv(header, rows)


MOST_CELLS = 4000
"""Of a map that is drawn."""
MOST_ROWS = 60
"""States of a table that is drawn as one."""


def policy_picture(view: View) -> bytes | None:
    """Arrows on the map, beside them the exact ones; without a map the table of action values."""
    from dlkit.pictures import decisions

    world, layout = view.world, view.world.layout
    policy = view.policies[view.chosen]
    if layout is None:
        shown = np.flatnonzero(world.choices)
        if len(shown) > MOST_ROWS:
            return None
        names = [world.states[s] for s in shown.tolist()]
        return decisions.value_table(world.by_action(view.q)[shown], names, world.actions)
    if sum(map(len, layout.rows)) > MOST_CELLS:
        return None
    live = np.flatnonzero((world.choices > 0) & reached(world, ends=False))
    panels = np.unique(layout.places[live, 0])  # panels that no start leads to show nothing
    places = layout.places[live]
    places = np.column_stack([np.searchsorted(panels, places[:, 0]), places[:, 1:]])
    titles = [layout.panels[k] for k in panels.tolist()]

    def side(title: str, actions: np.ndarray, values: np.ndarray) -> decisions.Side:
        marks = [layout.arrows.get(name, name[:1]) for name in
                 (world.action_name(int(s), int(a)) for s, a in zip(live, actions, strict=True))]  # fmt: skip
        return decisions.Side(title, marks, values)

    learnt = side("learnt", policy[live], view.q[live, policy[live]])
    sides = [learnt]
    if view.best is not None:
        sides.append(side("exact", view.best.policy[live], view.best.v[live]))
    return decisions.maps(layout.rows, titles, places, sides)
