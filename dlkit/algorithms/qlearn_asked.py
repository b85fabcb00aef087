"""What trained agents are asked: values of states, episodes without exploration, an episode to watch."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.protocol import Algorithm, Answer, Context, File, Tree
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_exact import Optimum, greedy_policies, judged, optimum
from dlkit.algorithms.qlearn_learners import learner_for
from dlkit.algorithms.qlearn_maps import play_text
from dlkit.algorithms.qlearn_rollout import Rollout, played, rolled_out
from dlkit.algorithms.qlearn_world import GOAL, World
from dlkit.algorithms.qlearn_worlds import Opened, open_world
from dlkit.errors import DataError, UsageError
from dlkit.readers.cells import quoted
from dlkit.readers.opening import read_bytes
from dlkit.readers.paths import resolve_path
from dlkit.readers.table import Rows, Table, number_text, read_table
from dlkit.recipe.suggest import closest

EXACT_WORK = 500_000_000
"""Outcomes that the exact figures of an epoch may look at where the recipe leaves it open: about a second."""
EPISODES = 1000
"""That `evaluate` plays where nothing is said."""
STATE, ROW, COLUMN = "state", "row", "column"


class AskedWorld(Algorithm):
    """Agents that have learnt; one of them answers."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset(),
        "evaluate": frozenset({"n"}),
        "inspect": frozenset({"play", "episode"}),
        "export": frozenset({"format"}),
    }

    world: World
    agents: Agents
    opened: Opened
    pick: int
    """Number of the agent that answers."""

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        self.world = World.from_state(state["world"])
        self.agents = learner_for(recipe, self.world, int(state["horizon"]), context, None)
        self.agents.load(state["agents"])
        self.pick = int(state["chosen"])
        if not 0 <= self.pick < self.agents.count:
            raise ValueError(f"agent {self.pick} of {self.agents.count}")
        return self

    @property
    def horizon(self) -> int:
        """Most steps of an episode."""
        given = self.recipe.horizon
        return self.world.horizon if given == "auto" else int(given)

    @cached_property
    def table(self) -> np.ndarray:
        """(S, A) action values of the agent that answers."""
        q: np.ndarray = self.agents.q()[self.pick]
        return q

    @property
    def policy(self) -> np.ndarray:
        """(S,) what it does: the first of the best choices."""
        return greedy_policies(self.world, self.table[None])[0]

    @cached_property
    def optimum(self) -> Optimum | None:
        """The exact answer, where there is one."""
        return optimum(self.world, self.recipe.discount, self.horizon) if self.exact_figures() else None

    def exact_figures(self) -> bool:
        """Whether there are exact figures: the recipe says so, or the world is small enough."""
        table, wanted = self.world.table, self.recipe.exact
        if table is None:
            return False
        if wanted != "auto":
            return bool(wanted)
        work = self.recipe.agents * len(table.following) // max(self.world.size[1], 1) * 4 * self.horizon
        if work > EXACT_WORK:
            self.context.log("so large a world is given no exact figures; exact: true computes them")
        return work <= EXACT_WORK

    # -- predict ----------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """For each state of a file the action and the value of every action. On a map a state may also be
        given by the columns row and column, from 1."""
        path = resolve_path(source).path
        states = self._states(read_bytes(path), str(path) if str(path) != "-" else "standard input")
        world, best = self.world, self.policy[states]
        final = world.choices[states] == 0
        values = world.by_action(self.table)[states]
        actions = ["" if end else world.action_name(int(s), int(a)) for s, a, end in
                   zip(states, best, final, strict=True)]  # fmt: skip
        top = [
            "" if end else repr(float(self.table[s, a]))
            for s, a, end in zip(states, best, final, strict=True)
        ]
        columns = [["" if np.isnan(q) else repr(q) for q in column] for column in values.T.tolist()]
        names = [world.states[s] for s in states.tolist()]
        yield Answer(["state", "action", "value", *world.actions], [names, actions, top, *columns])

    def _states(self, data: bytes, name: str) -> np.ndarray:
        """(n,) the states that a file names. Raises DataError with file:line for what is none."""
        known = {state: k for k, state in enumerate(self.world.states)}

        def is_header(rows: Rows) -> bool:
            return (
                rows[0][1][0] not in known
                and {c.lower() for c in rows[0][1]} & {STATE, ROW, COLUMN, "s"} != set()
            )

        table = read_table(data, name, on_bad_row="error", as_text=True, is_header=is_header)
        names = [column.lower() for column in table.names]
        if table.header and ROW in names and COLUMN in names:
            texts = _places(table, names.index(ROW), names.index(COLUMN))
        else:
            at = next((names.index(one) for one in (STATE, "s") if one in names), 0)
            texts = [text.strip() for text in table.cells[at]]
        assert table.lines is not None
        for line, text in zip(table.lines.tolist(), texts, strict=True):
            if text not in known:
                near = closest(text, list(known)) or self.world.states[0]
                raise DataError(f"{quoted(text)} is no state", where=f"{name}:{line}", hint=f"{near} is one")
        return np.array([known[text] for text in texts])

    # -- evaluate ---------------------------------------------------------------------------------
    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Episodes of the greedy policy, and what dynamic programming says of it."""
        if source is not None:
            raise UsageError("the episodes are played in the run's own world", hint="leave INPUT out")
        played = self._rolled_out(int(options.get("n") or EPISODES))
        figures: dict[str, float] = {
            "episodes": len(played.returns),
            "test_return": float(played.returns.mean()),
            "test_return_sd": float(played.returns.std()),
            "test_return_least": float(played.returns.min()),
            "test_return_most": float(played.returns.max()),
            "test_length": float(played.lengths.mean()),
            "test_success": float((played.endings == GOAL).mean()),
        }
        if self.optimum is not None:
            exact = judged(self.world, self.policy[None], self.recipe.discount, self.horizon)
            figures |= {f"exact_{name}": float(values[0]) for name, values in exact.items()}
            figures["optimal_return"] = self.optimum.total
            if self.optimum.value is not None:
                figures["optimal_value"] = self.optimum.value
        return figures

    def _rolled_out(self, episodes: int) -> Rollout:
        streams = self.context.streams
        if self.world.table is not None:
            return rolled_out(self.world, self.table, episodes, self.horizon, streams)
        from dlkit.algorithms.qlearn_stepped import stepped_rollout

        return stepped_rollout(self._environment(), self.table, episodes, self.horizon, streams)

    def _environment(self) -> Any:
        make = open_world(self.recipe, self.context.base).make
        assert make is not None
        return make()

    # -- inspect ----------------------------------------------------------------------------------
    def look(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """An episode, step by step."""
        if not options.get("play"):
            raise UsageError("--episode says which one --play shows", where="--episode")
        if self.world.table is None:
            raise UsageError("this world is stepped through by Gymnasium", hint="dlkit evaluate plays in it")
        number = int(options.get("episode") or 1)
        total, layout = 0.0, self.world.layout
        for t, step in enumerate(played(self.world, self.table, number, self.horizon, self.context.streams)):
            if layout is not None:
                yield play_text(layout, step.state)
            total += step.reward
            state, action = self.world.states[step.state], self.world.action_name(step.state, step.action)
            yield f"{t + 1:>4}  {state}  {action}  reward {step.reward:g}  in all {total:g}"
            last = step
        if layout is not None:
            yield play_text(layout, last.after)
        end = {0: "cut off at the horizon", 1: "ended", 2: "reached the goal"}[last.outcome]
        yield f"{end} in {self.world.states[last.after]} after {t + 1} steps, return {total:g}"

    # -- export -----------------------------------------------------------------------------------
    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """Action values of every agent: csv, qtable.csv; npz, qtable.npz, and weights.npz of the network of
        the agent that answers."""
        world, form = self.world, exported.chosen(options, "csv", "npz")
        q = np.stack([world.by_action(one) for one in self.agents.q()])
        if form == "csv":
            live = np.flatnonzero(world.choices)
            names = [[str(k + 1), world.states[s]] for k in range(len(q)) for s in live.tolist()]
            rows = q[:, live].reshape(-1, q.shape[2])
            yield exported.matrix("qtable.csv", ["agent", "state", *world.actions], names, rows)
            return
        about = {"states": world.states, "actions": world.actions, "agent": self.pick + 1}
        yield File("qtable.npz", exported.npz({"q": q} | about))
        if (network := self.agents.network(self.pick)) is not None:
            yield exported.weights(network)


def _places(table: Table, row: int, column: int) -> list[str]:
    """Names of the states at rows and columns."""
    pairs = zip(table.cells[row], table.cells[column], strict=True)
    return [f"r{_whole(r)}c{_whole(c)}" for r, c in pairs]


def _whole(cell: str) -> str:
    """1 for " 1.0 "; a cell that is no number as it is."""
    try:
        return number_text(float(cell))
    except (ValueError, OverflowError):
        return cell.strip()
