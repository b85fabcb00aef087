"""What a bandit believes, as tables and arrays."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.bandit_policies import LinearPolicy, Policy
from dlkit.algorithms.protocol import File
from dlkit.errors import UsageError
from dlkit.readers.contexts import BasketContexts, ContextForm, TableContexts

if TYPE_CHECKING:
    from dlkit.algorithms.bandit_asked import AskedBandit

NOT_BELIEF = ("optimizer",)
"""Parts of a policy's state that are of use to its training alone."""


def exports(asked: "AskedBandit", options: Mapping[str, Any]) -> Iterator[File]:
    """csv: arms.csv (mean reward of each arm and what is not known of it), with contexts weights.csv (of a
    linear policy); npz: policies.npz, the posteriors of all runs, (runs, ...) each. Raises UsageError."""
    form = exported.chosen(options, "csv", "npz")
    if form == "npz":
        states = [_arrays(policy.state()) for policy in asked.policies]
        stacked = {name: np.stack([state[name] for state in states]) for name in states[0]}
        yield File("policies.npz", exported.npz({"arms": list(asked.arms)} | stacked))
        return
    names = [[str(r + 1), arm] for r in range(len(asked.policies)) for arm in asked.arms]
    if not asked.form.width:
        parts = [np.column_stack([v[0] for v in policy.values(np.ones((1, 1)))]) for policy in asked.policies]
        yield exported.matrix("arms.csv", ["run", "arm", "mean", "sd"], names, np.concatenate(parts))
        return
    linear = [policy for policy in map(_estimates, asked.policies) if isinstance(policy, LinearPolicy)]
    if len(linear) < len(asked.policies):
        raise UsageError("this policy has no weights to be a table", where="--format", hint="there is npz")
    mu = np.concatenate([policy.posterior.mu for policy in linear])
    yield exported.matrix("weights.csv", ["run", "arm", *_features(asked.form), "constant"], names, mu)


def _estimates(policy: Policy) -> Policy:
    """The policy that knows the rewards: that of epsilon-greedy is inside it."""
    return getattr(policy, "estimates", policy)


def _features(form: ContextForm) -> list[str]:
    """Names of the numbers of a context."""
    if isinstance(form, BasketContexts):
        return form.items
    names = form.schema.encoded_names if isinstance(form, TableContexts) else []
    return names if len(names) == form.width else [f"x{k + 1}" for k in range(form.width)]


def _arrays(state: Mapping[str, Any], before: str = "") -> dict[str, np.ndarray]:
    """The arrays and numbers of a state, by path."""
    found: dict[str, np.ndarray] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            found |= _arrays(value, f"{before}{name}/") if name not in NOT_BELIEF else {}
        else:
            found[before + name] = np.asarray(value)
    return found
