"""What a trained bandit can be asked: which action in a context, and what its policy is worth on a log.

The policy that answers is a mixture: one of the runs, drawn by chance.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from dlkit.algorithms.bandit_networks import AutoSpec
from dlkit.algorithms.bandit_policies import Policy
from dlkit.algorithms.bandit_world import Situation, with_constant
from dlkit.algorithms.off_policy import judged
from dlkit.algorithms.protocol import Algorithm, Answer, Context, File, Tree
from dlkit.backend.streams import Streams
from dlkit.errors import UsageError
from dlkit.readers.contexts import ContextForm, PlainContexts, from_state
from dlkit.readers.decisions import read_log_file
from dlkit.training.checkpoint.form import misfit


class AskedBandit(Algorithm):
    """Arms, the form of a context, and the policies of the runs."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset(),
        "evaluate": frozenset(),
        "export": frozenset({"format"}),
    }

    arms: list[str]
    form: ContextForm
    bounds: tuple[float, float]

    def _know(self, arms: list[str], form: ContextForm | None) -> None:
        self.arms, self.form = arms, form or PlainContexts()
        world = getattr(self, "world", None)
        if world is not None:
            self.bounds = (world.low, world.high)

    def situation(self, run: int) -> Situation:
        """What the policy of a run is told: its streams are its own."""
        seed = int(self.context.streams.get("run", run).integers(2**62))
        low, high = self.bounds
        return Situation(self.arms, self.form.width + 1, low, high, Streams(seed), self.context.backend)

    def policy_of(self, run: int) -> Policy:
        """A policy that knows nothing yet."""
        return self.recipe.policy.policy(self.situation(run))

    # -- state ------------------------------------------------------------------------------------
    def knowledge(self) -> Tree:
        """What answers need besides the policies."""
        return {"arms": list(self.arms), "contexts": self.form.state(), "bounds": np.array(self.bounds)}

    def check_knowledge(self, state: Tree) -> None:
        """A saved state must be of the same arms and contexts. Raises ValueError."""
        for name, value in self.knowledge().items():
            if fault := misfit(state[name], value, name):
                raise ValueError(fault)

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        low, high = state["bounds"].tolist()
        self.bounds = (low, high)
        self._know([str(arm) for arm in state["arms"]], from_state(state["contexts"]))
        self.policies = []
        for r in range(recipe.runs):
            policy = self.policy_of(r)
            policy.load(state["runs"][str(r)]["policy"])
            if fault := misfit(state["runs"][str(r)]["policy"], policy.state(), f"state/runs/{r}/policy"):
                raise ValueError(fault)
            self.policies.append(policy)
        return self

    policies: list[Policy]
    """Of a restored bandit, one a run."""

    def _trained(self) -> list[Policy]:
        runs = getattr(self, "runs", None)
        return [run.policy for run in runs] if runs else getattr(self, "policies", [])

    def facts(self) -> dict[str, str]:
        """A line for each arm: what is believed of it in no particular context."""
        policies = self._trained()
        if isinstance(self.recipe.policy, AutoSpec) or not policies or self.form.width:
            return {"arms": ", ".join(self.arms)}
        means, spreads = (
            np.mean(part, axis=0)[0]
            for part in zip(*(policy.values(np.ones((1, 1))) for policy in policies), strict=True)
        )
        return {
            arm: f"mean reward {m:.4g}, not known to {s:.2g}"
            for arm, m, s in zip(self.arms, means, spreads, strict=True)
        }

    # -- questions --------------------------------------------------------------------------------
    def probabilities(self, x: np.ndarray, first: int = 0) -> np.ndarray:
        """(n, K) probability of each action in contexts x (n, d); first: number of the first one."""
        p = np.zeros((len(x), len(self.arms)))
        for r, policy in enumerate(self.policies):
            for k, one in enumerate(x):
                rng = self.context.streams.get("asked", r, first + k)
                p[k] += policy.choose(policy.sample(rng, int(self.recipe.draws)), one)
        return p / len(self.policies)

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """action, p_<action>, mean_<action>: the likeliest action, probabilities, expected rewards."""
        header = ["action", *(f"p_{a}" for a in self.arms), *(f"mean_{a}" for a in self.arms)]
        first = 0
        for raw in self.form.read(source, self.recipe.on_bad_row):
            x = with_constant(raw)
            p = self.probabilities(x, first)
            mean = np.mean([policy.values(x)[0] for policy in self.policies], axis=0)
            yield Answer(header, [[self.arms[a] for a in p.argmax(1)], *p.T, *mean.T])
            first += len(x)
        self._tell()

    def _tell(self) -> None:
        if self.form.unseen:
            self.context.log(f"{self.form.unseen:,} categories or items unknown from training: zeros")

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """The policy's value on a log, by replay, IPS and self-normalised IPS."""
        if source is None:
            raise UsageError(
                "name a log: columns action, reward, probability and the context", where="evaluate"
            )
        recipe = self.recipe
        log = read_log_file(source, recipe.data, recipe.on_bad_row, self.arms, self.form)
        self._tell()
        p = self.probabilities(with_constant(log.x))
        chance = self.context.streams.get("replay").random((len(p), 2))
        found = judged(p, log.action, log.reward, log.probability, chance)
        return {"rows": len(p)} | {f"test_{name}": value for name, value in found.figures().items()}

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """What is believed, as tables or arrays."""
        from dlkit.algorithms import bandit_export

        return bandit_export.exports(self, options)
