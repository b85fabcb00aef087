"""The recipe of qlearn: a world, and how an agent learns in it. A file with a map is a recipe already."""

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from dlkit.algorithms.qlearn_maps import Grid, Kind, faults_of
from dlkit.algorithms.qlearn_world import ENDS, GOAL, GOES_ON
from dlkit.nn.layer_list import ActivationName, DenseSpec, LayerList
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.readers.grids import BUILT_IN
from dlkit.recipe.schema import Spec, TextFaults, TrainingRecipe
from dlkit.recipe.tagged import Named

WORLDS = ("map", "world", "transitions", "gym")
MAP_ONLY = ("wind", "cells", "moves")
GRID_ONLY = ("slip", "step_cost", "rewards")
TABLE_ONLY = ("start", "goals")


class RewardsSpec(Spec):
    """What entering a goal or a pit is worth; both end the episode."""

    goal: float = Field(1.0, description="Reward of a goal (G).")
    pit: float = Field(
        -1.0, description="Reward of a pit (X); a penalty is below 0.", json_schema_extra={"aka": ["penalty"]}
    )


class CellSpec(Spec):
    """What a symbol of your own means."""

    SHORTHAND: ClassVar[str | None] = "reward"

    reward: float = Field(0.0, description="Reward of every step that ends there.")
    ends: Literal["no", "yes", "goal"] = Field(
        "no", description="Whether it ends the episode, as a goal or not."
    )
    restart: bool = Field(False, description="The agent goes back to a start and the episode goes on.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.restart and self.ends != "no":
            raise ValueError("restart: a cell that ends the episode cannot send the agent back")
        return self

    def kind(self) -> Kind:
        return Kind(self.reward, {"no": GOES_ON, "yes": ENDS, "goal": GOAL}[self.ends], self.restart)


def _symbols(cells: dict[str, CellSpec]) -> dict[str, CellSpec]:
    for symbol in cells:
        if len(symbol) != 1 or not symbol.isprintable() or symbol.isspace():
            raise ValueError(f"{symbol!r} is no symbol: one visible character stands for a cell")
        if symbol in BUILT_IN:
            raise ValueError(f"{symbol} is {BUILT_IN[symbol]} already; take another character")
    return cells


class GymSpec(Spec):
    """A world of Gymnasium."""

    SHORTHAND: ClassVar[str | None] = "id"

    id: str = Field(min_length=1, description="Its id, such as Taxi-v3.")
    options: dict[str, Any] = Field({}, description="What gymnasium.make is given besides.")


class ScheduleBase(Spec):
    """A number that changes over the episodes."""

    SHORTHAND: ClassVar[str | None] = "start"

    shape: Literal["linear", "exponential"] = Field("linear", description="How it goes from start to end.")
    over: float = Field(1.0, gt=0, le=1, description="Share of all episodes after which the end is reached.")

    def values(self, start: float, end: float | None, first: int, count: int, total: int) -> np.ndarray:
        """(count,) values at episodes first .. first + count of `total`."""
        if end is None:
            return np.full(count, start)
        done = np.minimum((first + np.arange(count)) / max(self.over * total, 1), 1.0)
        if self.shape == "linear":
            return start + (end - start) * done
        mixed: np.ndarray = start ** (1 - done) * end**done
        return mixed


class EpsilonSpec(ScheduleBase):
    """How often any action is tried instead of the best one."""

    start: float = Field(1.0, ge=0, le=1, description="Probability at the beginning.")
    end: float | None = Field(0.05, ge=0, le=1, description="Probability at the end; null: as at the start.")
    over: float = Field(0.8, gt=0, le=1, description="Share of all episodes after which the end is reached.")

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, value: Any) -> Any:
        return {"start": value, "end": None} if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _never_zero(self) -> Self:
        if self.shape == "exponential" and self.end is not None and not self.start * self.end:
            raise ValueError("shape: exponential never comes from or to 0")
        return self

    def at(self, first: int, count: int, total: int) -> np.ndarray:
        return self.values(self.start, self.end, first, count, total)


class AlphaSpec(ScheduleBase):
    """The learning rate: how much of the error a step takes off."""

    start: float = Field(0.1, gt=0, le=1, description="Rate at the beginning.")
    end: float | None = Field(None, gt=0, le=1, description="Rate at the end; null: as at the start.")
    half: float | None = Field(
        None,
        gt=0,
        description="Updates of a state and action after which its rate has halved: rate half / (half + n); "
        "null: however often it was updated.",
    )

    def at(self, first: int, count: int, total: int) -> np.ndarray:
        return self.values(self.start, self.end, first, count, total)


FUNCTIONS = Named("function", default="table")


@FUNCTIONS.add(aka=("tabular",))
class TableSpec(Spec):
    """A number for every state and action."""

    name: Literal["table"] = Field("table", description="A table of action values.")
    initial: float = Field(0.0, description="What the table begins with; above what can be had: curiosity.")
    ties: Literal["random", "first"] = Field("random", description="Which of equally good actions is taken.")


@FUNCTIONS.add(aka=("dqn", "network", "neural"))
class MLPSpec(Spec):
    """Deep Q-learning: a network that sees what a state is made of (Mnih et al. 2015)."""

    name: Literal["mlp"] = Field("mlp", description="A network of dense layers.")
    model: LayerList = Field(
        [DenseSpec(units=128), DenseSpec(units=128)],
        description="Its layers but the last.",
    )
    activation: ActivationName = Field("relu", description="Of the layers that name none.")
    optimizer: OptimizerSpec = Field(AdamSpec(lr=5e-4), description="How the weights change.")
    features: Literal["factors", "one_hot"] = Field(
        "factors",
        description="What it sees: one of n for each factor of a state (row, column), or one of all states.",
    )
    actors: int = Field(8, ge=1, le=4096, description="Episodes that are played side by side.")
    steps: int = Field(1000, ge=1, description="Steps of all actors in an epoch, in place of `episodes`.")
    batch: int = Field(64, ge=1, description="Steps from the replay that an update learns from.")
    update_every: int = Field(1, ge=1, description="Steps of all actors between two updates.")
    replay: int = Field(50_000, ge=1, description="Steps that are remembered, the newest ones.")
    warm_up: int = Field(1000, ge=0, description="Steps in the replay before the first update.")
    target_every: int = Field(500, ge=1, description="Updates after which the target network is renewed.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.replay < max(self.actors, self.warm_up):
            raise ValueError(f"replay: {self.replay} does not hold {max(self.actors, self.warm_up)} steps")
        if self.optimizer.name == "sgld":  # type: ignore[attr-defined]
            raise ValueError("optimizer: sgld draws from a posterior; Q-learning has none")
        if self.optimizer.schedule.name == "plateau":  # type: ignore[attr-defined]
            raise ValueError("optimizer: plateau waits for a validation loss; Q-learning has none")
        return self


class QLearnRecipe(TrainingRecipe):
    """The recipe of qlearn."""

    command: Literal["qlearn"] = Field("qlearn", description="Command that this recipe is for.")
    map: str | None = Field(
        None,
        description="The world as a drawing: S start, G goal, X pit, # wall, . floor, < > ^ v wind.",
        json_schema_extra={"flag": False},
    )
    world: Literal["frozenlake-4x4", "frozenlake-8x8", "cliff", "taxi"] | None = Field(
        None, description="A built-in world."
    )
    transitions: str | None = Field(
        None, description="The world as a table, CSV: state, action, next, probability, reward."
    )
    gym: GymSpec | None = Field(
        None, description="The world by its id in Gymnasium; states and actions are discrete."
    )
    rewards: RewardsSpec | None = Field(
        None, description="Rewards of a map; null: goal 1, pit -1, or the world's own."
    )
    cells: Annotated[dict[str, CellSpec], AfterValidator(_symbols)] = Field(
        {}, description="Symbols of your own in the map: what entering such a cell does."
    )
    step_cost: float | None = Field(
        None, description="Taken off the reward of every step; null: 0, or the world's own."
    )
    slip: float | None = Field(
        None, ge=0, le=1, description="Probability that a move goes aside; null: 0, or the world's own."
    )
    wind: list[int] | None = Field(None, description="Cells that the wind of each column carries upwards.")
    moves: Literal[4, 8] = Field(4, description="Directions: 4, or 8 with the diagonals.")
    start: list[str] = Field(
        [], description="(transitions) States where episodes begin; none: the file's first."
    )
    goals: list[str] = Field([], description="(transitions) States that end the episode with success.")
    discount: float = Field(
        0.99,
        ge=0,
        le=1,
        description="gamma: what a reward is worth one step later.",
        json_schema_extra={"aka": ["gamma"]},
    )
    horizon: Annotated[int, Field(ge=1, le=10_000_000)] | Literal["auto"] = Field(
        "auto", description="Most steps of an episode.", json_schema_extra={"aka": ["max_steps"]}
    )
    method: Literal["q_learning", "sarsa", "expected_sarsa", "double_q", "value_iteration"] = Field(
        "q_learning", description="How it learns; value_iteration does not play, it computes."
    )
    alpha: AlphaSpec = Field(
        AlphaSpec(), description="Learning rate of the table.", json_schema_extra={"aka": ["lr"]}
    )
    epsilon: EpsilonSpec = Field(EpsilonSpec(), description="Exploration: the probability of any action.")
    function: Annotated[Spec, FUNCTIONS] = Field(
        TableSpec(), description="What holds the action values: table or mlp."
    )
    seeds: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = Field(
        "auto",
        description="Agents that learn apart from each other; auto: 10 with a table, 1 with a network.",
    )
    episodes: int = Field(500, ge=1, description="Episodes of each agent in an epoch, a row of metrics.csv.")
    epochs: int = Field(20, ge=1, description="Epochs: episodes times epochs are played.")
    chunk: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Episodes between two looks at the clock; the result does not depend on it."
    )
    exact: bool | Literal["auto"] = Field(
        "auto",
        description="Exact figures after each epoch, by dynamic programming; auto: where it takes a second.",
    )
    pictures: bool = Field(True, description="policy.png and learning.png; they need matplotlib.")

    @model_validator(mode="after")
    def _one_world(self) -> Self:
        given = [key for key in WORLDS if getattr(self, key) is not None]
        if not given:
            raise ValueError("no world to learn in: give a map, world, transitions or gym")
        if len(given) > 1:
            raise ValueError(f"{given[1]}: a second world beside {given[0]}")
        self._refuse_idle_keys(given[0])
        if self.map is not None and (faults := faults_of(self.grid())):
            raise TextFaults(faults, key="map")
        return self

    @model_validator(mode="after")
    def _method_suits(self) -> Self:
        if self.function.name == "mlp" and self.method not in ("q_learning", "double_q"):  # type: ignore[attr-defined]
            raise ValueError(f"method: {self.method} learns a table; a network takes q_learning or double_q")
        return self

    def _refuse_idle_keys(self, kind: str) -> None:
        """Keys that would do nothing in this kind of world."""
        fields = type(self).model_fields
        idle = {
            **({} if kind == "map" else dict.fromkeys(MAP_ONLY, "a map")),
            **(
                {} if kind in ("map", "world") and self.world != "taxi" else dict.fromkeys(GRID_ONLY, "a map")
            ),
            **({} if kind == "transitions" else dict.fromkeys(TABLE_ONLY, "transitions")),
        }
        for key, only in idle.items():
            if getattr(self, key) != fields[key].default:
                raise ValueError(f"{key}: only for {only}")

    def grid(self) -> Grid:
        """The rules of the recipe's map."""
        rewards = self.rewards or RewardsSpec()
        return Grid(
            self.map or "",
            goal=rewards.goal,
            pit=rewards.pit,
            cells={symbol: cell.kind() for symbol, cell in self.cells.items()},
            step_cost=self.step_cost or 0.0,
            slip=self.slip or 0.0,
            wind=self.wind,
            moves=self.moves,
        )

    @property
    def agents(self) -> int:
        """Seeds, with `auto` settled."""
        if self.seeds != "auto":
            return int(self.seeds)
        return 10 if self.function.name == "table" else 1  # type: ignore[attr-defined]


def literal_text(recipe: QLearnRecipe) -> QLearnRecipe:
    """The recipe with its map ending in one line end, as a block of YAML gives it."""
    if recipe.map is None:
        return recipe
    return recipe.model_copy(update={"map": recipe.map.rstrip("\n") + "\n"})
