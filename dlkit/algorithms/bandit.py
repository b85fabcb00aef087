"""bandit: decisions under uncertainty: which action to take in which context, learnt from its rewards.

    for t = 1, 2, ...
        sample W from q(W);  receive the context x;  choose the action that is best under W
        receive its reward r;  add (x, a, r) to the data;  update q(W)

The recipe names the policy (bandit_policies.py, bandit_networks.py) and the world (bandit_world.py): a table
of arms or of contexts, from which rewards are drawn, or a log of decisions, which is replayed. What can be
asked of the result is in bandit_asked.py; docs/bandit.md has the mathematics.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from dlkit.algorithms.bandit_asked import AskedBandit
from dlkit.algorithms.bandit_files import log_csv, regret_csv, regret_png
from dlkit.algorithms.bandit_networks import AutoSpec
from dlkit.algorithms.bandit_policies import POLICIES
from dlkit.algorithms.bandit_run import BanditRun
from dlkit.algorithms.bandit_world import Arms, ClassWorld, Replay, World
from dlkit.algorithms.off_policy import Estimates
from dlkit.algorithms.protocol import Description, Progress, Tree
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Left
from dlkit.readers.decisions import ArmTable, ClassRows, DecisionSpec, read_decisions
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.training.metrics import Column

STRETCH = 100
"""Decisions of every run between two looks at the clock and at Ctrl-C. Part of the random streams' names."""

Outcomes = float | Annotated[list[float], Field(min_length=1)]


class BanditRecipe(TrainingRecipe):
    """The recipe of bandit."""

    command: Literal["bandit"] = Field("bandit", description="Command that this recipe is for.")
    data: DecisionSpec = Field(description="Arms, contexts or a log, and how to read them.")
    policy: Annotated[Spec, POLICIES] = Field(
        AutoSpec(),
        description="How actions are chosen: epsilon_greedy, ucb1, linucb, thompson, thompson_linear, "
        "thompson_dropout, uniform; auto: thompson for arms of 0 and 1, else thompson_linear.",
        json_schema_extra={"aka": ["agent", "algorithm"]},
    )
    rewards: dict[str, dict[str, Outcomes]] = Field(
        {},
        description="Rows with a class: reward of each action by class; a list: equally likely ones; "
        "an action that is not named brings 0. {}: the actions are the classes, the right one brings 1.",
    )
    runs: int = Field(
        10, ge=1, le=10_000, description="Runs side by side, each with its own chances (1 for a log).",
        json_schema_extra={"aka": ["seeds", "repetitions"]},
    )  # fmt: skip
    steps: int = Field(
        100, ge=1, description="Decisions of a run in an epoch: between two rows of metrics.csv.",
        json_schema_extra={"aka": ["horizon", "interactions"]},
    )  # fmt: skip
    epochs: int = Field(100, ge=1, description="Epochs; of a log: as many as its rows fill.")
    draws: int = Field(
        100, ge=1, description="Draws of W behind the probabilities in a log and in answers."
    )  # fmt: skip
    logs: int = Field(0, ge=0, description="Runs whose decisions are written to log.csv, with probabilities.")

    @field_validator("rewards", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Classes that are numbers: 2 means "2"."""
        if not isinstance(value, dict):
            return value
        return {str(k) if isinstance(k, int) and not isinstance(k, bool) else k: v for k, v in value.items()}

    @model_validator(mode="after")
    def _together(self) -> "BanditRecipe":
        if self.device != "cpu":
            raise ValueError("device: bandit decides one step after the other, on the CPU; no GPU is used")
        if self.folds:
            raise ValueError("folds: bandit holds no rows out; runs repeats it with other chances")
        if self.logs > self.runs:
            raise ValueError(f"logs: {self.logs} of {self.runs} runs")
        return self


class Bandit(AskedBandit):
    """Runs of one policy in one world."""

    command = "bandit"
    Recipe = BanditRecipe
    UNIT = "decisions"
    OVER = "train_decisions"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column(
            "train_regret", "reward", "expected reward lost so far against the best actions, over runs", False
        ),
        Column("train_regret_sd", "reward", "standard deviation of the regret over runs", False),
        Column("train_reward", "reward", "mean reward of a decision in the epoch, over runs", True),
        Column("train_best", "fraction", "decisions of the epoch that were the best ones, over runs", True),
        Column("train_replay_value", "reward", "log: mean reward of the decisions kept so far", True),
        Column("train_replay_rows", "count", "log: decisions kept so far, mean over runs"),
        Column("train_ips_value", "reward", "log: inverse propensity estimate of a decision's reward", True),
        Column("train_ips_error", "reward", "log: its standard error", False),
        Column("train_snips_value", "reward", "log: self-normalised inverse propensity estimate", True),
        Column("train_effective_rows", "count", "log: rows that the weights are worth"),
        Column("train_logged_value", "reward", "log: mean reward of the log's own actions so far", True),
        Column("train_decisions", "count", "decisions of a run so far"),
    )  # fmt: skip
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left("regret.png", "Regret", "Regret so far: the mean with one standard deviation, and each run."),
        Left(
            "value.png", "Value", "Value of a decision: the mean with one standard deviation, and each run."
        ),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit bandit recipes/bandit-bernoulli.yaml
  dlkit bandit arms.csv --set policy=ucb1                     columns arm, mean
  dlkit bandit data/golf.csv --runs 5                         contexts; the right action is the class
  dlkit bandit log.csv --set policy=thompson_linear           columns action, reward, probability, context
  dlkit evaluate runs/bandit-golf log.csv                     what the policy would have earned"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        if context.comm.size > 1:
            raise UsageError(
                "bandit shares its runs among threads, not among ranks", hint="leave mpiexec out"
            )
        self.read = read_decisions(recipe.data, recipe.on_bad_row, context.base, list(recipe.rewards))
        for note in self.read.notes:
            context.log(note)
        self.world = self._world()
        self._know(self.world.arms, getattr(self.read.what, "form", None))

    def _world(self) -> World:
        what = self.read.what
        if self.recipe.rewards and not isinstance(what, ClassRows):
            raise UsageError("are for rows with a class", where="rewards")
        if isinstance(what, ArmTable):
            return Arms(what)
        if isinstance(what, ClassRows):
            return ClassWorld(what, *self._rewards(what.classes))
        return Replay(what)

    def _rewards(self, classes: list[str]) -> tuple[list[str], list[list[list[float]]]]:
        """Actions, and their equally likely rewards by class and action. Raises DataError."""
        rewards = self.recipe.rewards
        if not rewards:
            return classes, [[[float(c == a)] for a in classes] for c in classes]
        if absent := [c for c in classes if c not in rewards]:
            shown = ", ".join(rewards)
            raise DataError(
                f"class {absent[0]!r} has no rewards", where=self.read.name, hint=f"rewards names {shown}"
            )
        arms = list(dict.fromkeys(a for row in rewards.values() for a in row))
        if len(arms) < 2:
            raise UsageError(f"{len(arms)} action: nothing to choose from", where="rewards")
        table = [[rewards[c].get(a, 0.0) for a in arms] for c in classes]
        return arms, [[one if isinstance(one, list) else [one] for one in row] for row in table]

    def inputs(self) -> list[Path]:
        return self.read.files

    def resolved_recipe(self) -> Any:
        """The recipe with its data path, policy and epochs as found."""
        recipe = self.recipe
        data = recipe.data.model_copy(update={"train": self.read.written})
        policy = recipe.policy
        if isinstance(policy, AutoSpec):
            policy = policy.settled(self.situation(0))
        return recipe.model_copy(update={"data": data, "policy": policy, "epochs": self.epochs})

    @property
    def epochs(self) -> int:
        if isinstance(getattr(self, "world", None), Replay):
            return -(-len(self.world.contexts) // int(self.recipe.steps))
        return int(self.recipe.epochs)

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        """One: between small matrix products a decision is Python's, and two threads would take turns.

        Measured on two cores, 1 and 2 shards: thompson 43 and 16 thousand decisions a second, thompson_linear
        with 118 weights 13 and 6, thompson_dropout 1.6 and 0.8.
        """
        return 1

    def build(self) -> None:
        recipe = self.recipe
        self.runs = [
            BanditRun(
                self.world,
                self.policy_of(r),
                self.situation(r).streams,
                draws=recipe.draws if r < recipe.logs or isinstance(self.world, Replay) else 1,
                logs=r < recipe.logs,
            )
            for r in range(recipe.runs)
        ]
        self.curve = np.zeros((recipe.runs, 0))
        """(runs, epochs done) regret so far, or of a log the value of the replay."""

    def describe(self) -> Description:
        facts = self.facts()
        if not hasattr(self, "read"):
            return Description(facts=facts)
        world, recipe = self.world, self.recipe
        width = world.contexts.shape[1] - 1
        kind = {Arms: "arms", ClassWorld: "contexts", Replay: "logged decisions"}[type(world)]
        rows = "" if isinstance(world, Arms) else f" {len(world.contexts):,} {kind} of {width} numbers ·"
        data = f"{recipe.data.train}{rows} {len(world.arms)} actions"
        return Description(data=f"{data} · {recipe.runs} run{'s' * (recipe.runs > 1)}", facts=facts)

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        """A step is a stretch of decisions in every run; threads share the runs."""
        size = int(self.recipe.steps)
        first = (epoch - 1) * size
        last = first + size
        if isinstance(self.world, Replay):
            last = min(last, len(self.world.contexts))
        starts = range(first, last, STRETCH)
        team = self.context.team
        if skip == 0:
            for run in self.runs:
                run.begin_epoch()
        for number, start in enumerate(starts[skip:], skip + 1):
            steps = min(STRETCH, last - start)

            def work(shard: int, start: int = start, steps: int = steps) -> None:
                for run in self.runs[shard :: team.shards]:
                    run.go(start, steps)

            team.map(work)
            yield Progress(number, len(starts), steps * len(self.runs))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        decisions = {"train_decisions": int(self._ends(epoch)[-1])}
        if isinstance(self.world, Replay):
            each = [Estimates(*run.total) for run in self.runs]
            self._grow(np.array([one.replay for one in each]))
            figures = [one.figures() for one in each]
            names = [name for name in figures[0] if all(name in one for one in figures)]
            return decisions | {
                f"train_{name}": float(np.mean([one[name] for one in figures])) for name in names
            }
        reward, _, best = np.mean([run.sums / max(run.steps, 1) for run in self.runs], axis=0)
        regret = np.array([run.total[1] for run in self.runs])
        self._grow(regret)
        spread = {"train_regret_sd": float(regret.std(ddof=1))} if len(regret) > 1 else {}
        lost = {"train_regret": float(regret.mean())} | spread
        return decisions | lost | {"train_reward": float(reward), "train_best": float(best)}

    def _grow(self, values: np.ndarray) -> None:
        self.curve = np.column_stack([self.curve, values])

    # -- the end ----------------------------------------------------------------------------------
    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        """regret.csv (of a log: value.csv), its picture, the logs that the recipe asks for."""
        what = "value" if isinstance(self.world, Replay) else "regret"
        ends = self._ends(self.curve.shape[1])
        yield f"{what}.csv", regret_csv(ends, self.curve, what)
        picture = regret_png(ends, self.curve, what, self.recipe.policy.name)
        if picture is None:
            self.context.log(f'{what}.png is not drawn: pip install "dlkit[report]"')
        else:
            yield f"{what}.png", picture
        for r, run in enumerate(self.runs[: self.recipe.logs]):
            name = "log.csv" if r == 0 else f"log-{r + 1}.csv"
            yield name, log_csv(run.log, self.world.arms, self.read.what)

    def _ends(self, epochs: int) -> np.ndarray:
        """(epochs,) decisions of a run after each epoch; a log ends before its last epoch may be full."""
        ends = np.arange(1, epochs + 1) * int(self.recipe.steps)
        return np.minimum(ends, len(self.world.contexts)) if isinstance(self.world, Replay) else ends

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return {
            **self.knowledge(),
            "runs": {str(r): run.state() for r, run in enumerate(self.runs)},
            "curve": self.curve.copy(),
        }

    def load(self, state: Tree) -> None:
        self.check_knowledge(state)
        if len(state["curve"]) != len(self.runs):
            raise ValueError(f"{len(state['curve'])} runs, {len(self.runs)} are expected")
        for r, run in enumerate(self.runs):
            run.load(state["runs"][str(r)])
        self.curve = np.array(state["curve"], np.float64)


ALGORITHM = Bandit
