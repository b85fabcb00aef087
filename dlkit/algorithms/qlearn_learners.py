"""The learner that a recipe asks for."""

from collections.abc import Callable
from typing import Any

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_table import TableAgents, ValueIteration
from dlkit.algorithms.qlearn_world import World
from dlkit.errors import UsageError


def learner_for(
    recipe: Any, world: World, horizon: int, context: Context, make: Callable[[], Any] | None
) -> Agents:
    """make: environments to step through, where the world has no table. Raises UsageError: none suits."""
    if recipe.function.name == "mlp":
        if world.table is None:
            raise UsageError("a network needs a world with a table of outcomes", where="function")
        from dlkit.algorithms.qlearn_deep import DeepAgents

        return DeepAgents(recipe, world, horizon, context)
    if recipe.method == "value_iteration":
        if world.table is None:
            raise UsageError("value_iteration needs a world with a table of outcomes", where="method")
        return ValueIteration(recipe, world, horizon, context)
    if world.table is None:
        from dlkit.algorithms.qlearn_stepped import SteppedAgents

        return SteppedAgents(recipe, world, horizon, context, make)
    return TableAgents(recipe, world, horizon, context)
