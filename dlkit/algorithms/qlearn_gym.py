"""Worlds of Gymnasium (extra `rl`) with discrete states and actions.

Those that tell their table of outcomes (`P`, as the toy-text ones do) become one of ours, with everything
that this allows. Others are stepped through.
"""

import contextlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlkit.algorithms.qlearn_world import ENDS, GOAL, GOES_ON, SUM_TOLERANCE, Outcome, World, table_of
from dlkit.errors import UsageError, UserError

HORIZON = 1000
"""Most steps of an episode where the environment does not say."""
MOST_STATES = 10_000_000


def gym_world(name: str, options: Mapping[str, Any]) -> tuple[World, Callable[[], Any] | None]:
    """The world of an id, and what makes environments where it has no table.

    Raises UserError where Gymnasium is missing, UsageError for an id or a world that is not for a table.
    """
    if importlib.util.find_spec("gymnasium") is None:
        raise UserError("gym needs the package gymnasium", where="gym", hint='pip install "dlkit[rl]"')
    env = _made(name, options)
    with contextlib.closing(env):
        sizes = _sizes(env.observation_space, "states")
        (actions,) = _sizes(env.action_space, "actions")
        states = int(np.prod(sizes))
        if states > MOST_STATES:
            raise UsageError(f"{states:,} states are more than {MOST_STATES:,}", where="gym")
        table = getattr(env.unwrapped, "P", None)
        starts = getattr(env.unwrapped, "initial_state_distrib", None)
        horizon = getattr(env.spec, "max_episode_steps", None) or HORIZON
    known = isinstance(table, Mapping) and starts is not None and len(sizes) == 1
    weights = np.asarray(starts, np.float64) if known else np.eye(1, states)[0]
    chosen = np.flatnonzero(weights)
    world = World(
        name=name,
        states=[str(s) for s in range(states)],
        actions=[str(a) for a in range(actions)],
        choices=np.full(states, actions, np.int32),
        local=np.tile(np.arange(actions, dtype=np.int32), (states, 1)),
        table=table_of(_outcomes(table or {}, states, actions), actions) if known else None,
        starts=chosen.astype(np.int32),
        start_probabilities=weights[chosen] / weights.sum(),
        horizon=int(horizon),
        factors=np.stack(np.unravel_index(np.arange(states), sizes), axis=1).astype(np.int64),
    )
    return world, None if known else lambda: _made(name, options)


def _made(name: str, options: Mapping[str, Any]) -> Any:
    import gymnasium

    try:
        return gymnasium.make(name, **options)
    except (gymnasium.error.Error, TypeError, ValueError, ImportError) as error:
        text = " ".join(str(error).split())
        raise UsageError(f"gymnasium.make: {text}", where="gym") from error


def _sizes(space: Any, what: str) -> list[int]:
    """Values of each part of a space: Discrete, MultiDiscrete or a tuple of Discrete; actions have one."""
    from gymnasium import spaces

    parts = list(space.spaces) if isinstance(space, spaces.Tuple) else [space]
    sizes: list[int] = []
    for part in parts:
        if isinstance(part, spaces.Discrete) and int(part.start) == 0:
            sizes.append(int(part.n))
        elif isinstance(part, spaces.MultiDiscrete):
            sizes += part.nvec.ravel().tolist()
        else:
            raise UsageError(f"its {what} are {space}, not discrete from 0", where="gym")
    if what == "actions" and len(sizes) != 1:
        raise UsageError(f"its {what} are {space}, not one discrete number", where="gym")
    return sizes


def state_number(observation: Any, sizes: list[int]) -> int:
    """The number of a state that is given in parts."""
    parts = np.ravel(np.asarray(observation, np.int64))
    return int(np.ravel_multi_index(tuple(parts), sizes))


def space_sizes(env: Any) -> list[int]:
    """Values of each part of a state."""
    return _sizes(env.observation_space, "states")


def _outcomes(table: Mapping[int, Any], states: int, actions: int) -> list[list[list[Outcome]]]:
    """Gymnasium's P: state -> action -> (probability, next state, reward, whether it ends).

    An end counts as a goal if it pays or, where no end pays, in any case.
    """
    told = [[list(table[s][a]) for a in range(actions)] for s in range(states)]
    pays = any(end and r > 0 for choices in told for outcomes in choices for _, _, r, end in outcomes)
    pairs: list[list[list[Outcome]]] = []
    for s, choices in enumerate(told):
        pairs.append([])
        for a, outcomes in enumerate(choices):
            found: dict[tuple[int, float, int], float] = {}
            for p, after, r, end in outcomes:
                ends = GOES_ON if not end else GOAL if r > 0 or not pays else ENDS
                key = (int(after), float(r), ends)
                found[key] = found.get(key, 0.0) + float(p)
            if abs(sum(found.values()) - 1) > SUM_TOLERANCE:
                total = f"{sum(found.values()):.6g}"
                raise UsageError(
                    f"state {s}, action {a}: probabilities add up to {total}, not 1", where="gym"
                )
            pairs[-1].append([(p, after, r, ends) for (after, r, ends), p in found.items()])
    return pairs
