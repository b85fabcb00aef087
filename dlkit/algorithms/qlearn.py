"""qlearn: Agents that learn by trial and error what to do in a world, and how good that is, exactly.

    Q(s, a) <- Q(s, a) + alpha [r + gamma max_a' Q(s', a') - Q(s, a)]                         (Watkins 1989)

The table begins with zeros. In each step of an episode the agent takes the action of the largest value or,
with probability epsilon, any; the reward and the best value of where it got to move the entry of what it did.
The recipe, a map first of all, is in qlearn_recipe.py; agents with a table are in qlearn_table.py, with a
network in qlearn_deep.py; the exact answers in qlearn_exact.py; docs/qlearn.md has the mathematics.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.protocol import Description, Progress, Tree
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_asked import AskedWorld
from dlkit.algorithms.qlearn_exact import Optimum, greedy_policies, judged, optimum
from dlkit.algorithms.qlearn_files import View, run_files
from dlkit.algorithms.qlearn_learners import learner_for
from dlkit.algorithms.qlearn_recipe import QLearnRecipe, literal_text
from dlkit.algorithms.qlearn_world import World
from dlkit.algorithms.qlearn_worlds import Opened, open_world
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Left
from dlkit.training.metrics import Column


class QLearn(AskedWorld):
    """Episodes of all agents, and what their policies are worth."""

    command = "qlearn"
    Recipe = QLearnRecipe
    SOURCE_KEY = "transitions"
    UNIT = "steps"
    SPLIT = "products"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_return", "reward", "mean sum of rewards of an episode, exploration included", True),
        Column("train_length", "steps", "mean length of an episode", False),
        Column("train_success", "fraction", "episodes that ended in a goal", True),
        Column("train_epsilon", "1", "probability of any action, in the epoch's last episode", False),
        Column("train_alpha", "1", "learning rate in the epoch's last episode", False),
        Column("train_loss", "reward squared", "mlp: half the squared error of a step, large errors linear"),
        Column(
            "train_change", "reward", "value_iteration: largest change of a value in the last sweep", False
        ),
        Column(
            "greedy_return", "reward", "exact sum of rewards within the horizon without exploration", True
        ),
        Column("greedy_low", "reward", "the same of the worst agent", True),
        Column("greedy_high", "reward", "the same of the best agent", True),
        Column("optimal_return", "reward", "the largest there is, by dynamic programming", True),
        Column(
            "greedy_success", "fraction", "exact probability of ending in a goal within the horizon", True
        ),
        Column("greedy_value", "reward", "exact discounted sum of rewards without end", True),
        Column("optimal_value", "reward", "the largest there is, by value iteration", True),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left(
            "policy.png",
            "Policy",
            "What is done in each state, and what would be best; coloured by the value.",
        ),
        Left("learning.png", "Learning", "Return while learning, and of what is learnt without exploration."),
        Left(
            "policy.csv", "Policy as a table", "What is done in each state, its value, the agents that agree."
        ),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit qlearn grid.yaml                                  a file with a map is a recipe
  dlkit qlearn --world frozenlake-8x8 --epochs 100 -o runs/lake
  dlkit qlearn transitions.csv --discount 0.9
  dlkit inspect runs/lake --play"""

    # -- the world --------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe: QLearnRecipe = self.recipe
        self.opened: Opened = open_world(recipe, self.context.base)
        self.world: World = self.opened.world
        for note in self.opened.notes:
            self.context.log(note)

    def inputs(self) -> list[Path]:
        return self.opened.files if hasattr(self, "opened") else []

    def resolved_recipe(self) -> Any:
        changes = {"transitions": self.opened.written} if self.opened.written else {}
        return literal_text(self.recipe.model_copy(update=changes))

    # -- the agents -------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        return self._made_agents().shards(threads)

    def _made_agents(self) -> Agents:
        made = learner_for(self.recipe, self.world, self.horizon, self.context, self.opened.make)
        if not made.parallel and self.context.comm.size > 1:
            raise UsageError(
                "these agents are not shared out: several ranks do not help", hint="run it without mpiexec"
            )
        if not made.on_gpu and self.context.backend.name == "gpu":
            raise UsageError("this runs on the CPU alone", hint="leave --gpu out")
        return made

    def build(self) -> None:
        self.agents = self._made_agents()
        self.pick = 0
        self.best: Optimum | None = None
        if self.exact_figures() and not self.context.describes_only:
            self.best = optimum(self.world, self.recipe.discount, self.horizon)
        self.history: dict[str, np.ndarray] = {
            name: np.zeros((0, self.agents.count)) for name in ("train", "greedy")
        }

    def describe(self) -> Description:
        recipe = self.recipe
        unit = "sweeps" if recipe.method == "value_iteration" else "episodes"
        count = self.agents.steps if recipe.function.name == "mlp" else recipe.episodes
        unit = "steps" if recipe.function.name == "mlp" else unit
        played = f"{recipe.epochs} × {count} {unit}, {self.horizon} steps at most"
        agents = f"{self.agents.count} agent{'s' if self.agents.count != 1 else ''}"
        how = f"{recipe.method} · {agents} · {played}"
        facts = {"agents": how}
        if (best := getattr(self, "best", None)) is not None:
            facts["best"] = f"return {best.total:.6g} within the horizon"
            facts["best"] += "" if best.value is None else f", value {best.value:.6g}"
        return Description(
            data=self.world.summary(),
            layers=self.agents.layers(),
            parameters=self.agents.parameters,
            facts=facts,
        )

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        if skip == 0:
            self.agents.begin_epoch()
        steps = self.agents.steps
        for number in range(skip + 1, steps + 1):
            played, loss = self.agents.step(epoch, number)
            yield Progress(number, steps, played, loss)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        figures = self.agents.figures()
        row = {f"train_{name}": float(np.mean(value)) for name, value in figures.items()}
        nothing = np.full(self.agents.count, np.nan)
        train = self._remember("train", figures.get("return", nothing))
        if self.best is None:
            self._remember("greedy", nothing)
            self.pick = int(np.argmax(np.nan_to_num(train, nan=-np.inf)))
            return row
        exact = self._judged(self.agents.q())
        self.pick = int(np.argmax(np.round(exact.get("value", exact["return"]), 9)))
        self._remember("greedy", exact["return"])
        row |= {f"greedy_{name}": float(exact[name].mean()) for name in exact if name != "length"}
        row |= {"greedy_low": float(exact["return"].min()), "greedy_high": float(exact["return"].max())}
        row["optimal_return"] = self.best.total
        if self.best.value is not None:
            row["optimal_value"] = self.best.value
        return row

    def _judged(self, q: np.ndarray) -> dict[str, np.ndarray]:
        policies = greedy_policies(self.world, q)
        return judged(self.world, policies, self.recipe.discount, self.horizon)

    def _remember(self, name: str, values: Any) -> np.ndarray:
        row = np.broadcast_to(np.asarray(values, np.float64), (self.agents.count,))
        self.history[name] = np.concatenate([self.history[name], row[None]])
        return row

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        """Exact figures of the agent that answers questions: the one whose policy is worth most."""
        if self.best is None:
            return {}
        exact = self._judged(self.agents.q()[self.pick][None])
        names = ("return", "value", "success", "length")
        return {f"test_{name}": float(exact[name][0]) for name in names if name in exact}

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        q = self.agents.q()
        policies = greedy_policies(self.world, q)
        unit = self.agents.steps if self.recipe.function.name == "mlp" else self.recipe.episodes
        view = View(self.world, q[self.pick], policies, self.pick, self.best, self.history, int(unit))
        return run_files(view, self.recipe.pictures, self.context.log)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return {
            "world": self.world.state(),
            "agents": self.agents.state(),
            "chosen": self.pick,
            "horizon": self.horizon,
            "history": dict(self.history),
        }

    def load(self, state: Tree) -> None:
        theirs = World.from_state(state["world"])
        if not _same(theirs, self.world) or state["horizon"] != self.horizon:
            raise DataError("the world is not that of the run", hint="--force starts anew")
        self.agents.load(state["agents"])
        self.pick = int(state["chosen"])
        for name in self.history:
            kept = state["history"][name]
            if kept.ndim != 2 or kept.shape[1] != self.agents.count:
                raise ValueError(f"history of {kept.shape[1:]} agents, there are {self.agents.count}")
            self.history[name] = np.array(kept)


def _same(one: World, other: World) -> bool:
    """Whether two worlds are the same to an agent."""

    def plain(world: World) -> Mapping[str, Any]:
        return {
            key: value for key, value in world.state().items() if key not in ("layout", "name", "horizon")
        }

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
        return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)

    return equal(plain(one), plain(other))


ALGORITHM = QLearn
