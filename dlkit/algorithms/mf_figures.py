"""How good a trained factorisation is: errors of its ratings, figures of its ranked lists.

None of it needs the file that was learnt from: a checkpoint keeps what each user has rated.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_model import Factors, RatingModel
from dlkit.algorithms.mf_models import model_for
from dlkit.algorithms.mf_ranking import best_k, ranking_figures
from dlkit.algorithms.mf_rated import Rated, grouped
from dlkit.algorithms.protocol import Algorithm, Context, Tree
from dlkit.errors import UsageError
from dlkit.readers.cells import skipped_rows
from dlkit.readers.paths import resolve_path
from dlkit.readers.ratings import RatingLines, Wanted
from dlkit.readers.ratings_names import Names
from dlkit.readers.ratings_spec import RatingsSpec

LISTS_AT_ONCE = 1 << 22
"""Scores of users times items that are held at once."""


class JudgedRatings(Algorithm):
    """Factors with the names of users and items, and what was rated."""

    data: RatingData
    """The run's own ratings, after `read_data`."""
    model: RatingModel
    users: list[str]
    items: list[str]
    titles: list[str] | None
    low: float
    high: float
    seen: Rated
    """Training ratings by user."""

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "JudgedRatings":
        self = cls(recipe, context)
        self.users, self.items, self.titles = state["users"], state["items"], state["titles"]
        self.low, self.high = map(float, state["scale"])
        self.seen = Rated.checked(state["seen"], len(self.users), len(self.items))
        self.model = model_for(recipe.model, len(self.users), len(self.items), context)
        self.model.mu = float(state["mean"])
        self.model.load_parameters(state["model"])
        return self

    # -- figures ----------------------------------------------------------------------------------
    def known(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The numbers, -1 for who or what has no training rating."""
        rated = np.append(self.seen.counts > 0, False)
        known = np.append(self._known_items, False)
        u, i = np.minimum(users, len(self.users)), np.minimum(items, len(self.items))
        return np.where(rated[u], u, -1).astype(np.int32), np.where(known[i], i, -1).astype(np.int32)

    def clipped(self, values: np.ndarray) -> np.ndarray:
        """Answers on the scale of the ratings."""
        return np.clip(values, self.low, self.high) if self.model.explicit else values

    def errors(
        self, factors: Factors, users: np.ndarray, items: np.ndarray, values: np.ndarray
    ) -> dict[str, float]:
        """RMSE and MAE of clipped predictions; what is cold is predicted from what is known."""
        known = self.known(users, items)
        found = self.clipped(factors.predict(*known, self.context)).astype(np.float64)
        error = found - values
        return {"rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean())}

    def ranked(
        self, factors: Factors, users: np.ndarray, items: np.ndarray, values: np.ndarray
    ) -> dict[str, float]:
        """Figures of the ranked lists of the users that like a held-out item; see mf_ranking.py."""
        spec = self.recipe.ranking
        threshold = spec.liked
        if threshold is None:
            mean = self.seen.mean()
            threshold = mean if self.model.explicit else np.finfo(np.float64).tiny
        good = values >= threshold
        liked = grouped(users[good], items[good], values[good], len(self.users))
        chosen = np.flatnonzero((liked.counts > 0) & (self.seen.counts[: len(self.users)] > 0))
        if len(chosen) > spec.users:
            rng = self.context.streams.get("ranking")
            chosen = np.sort(rng.choice(chosen, spec.users, replace=False))
        host = factors.on_host(self.context)
        return ranking_figures(
            chosen,
            lambda user: liked.of(user)[0],
            lambda some: self._lists(host, some, spec.k),
            spec.k,
            len(self.items),
        )

    def _lists(self, factors: Factors, users: np.ndarray, k: int) -> np.ndarray:
        """(n, k) best unseen items of users, -1 where there are no more."""
        found = []
        at_once = max(LISTS_AT_ONCE // max(len(self.items), 1), 1)
        for start in range(0, len(users), at_once):
            some = users[start : start + at_once]
            scores = factors.p[some] @ factors.q.T + factors.bi
            scores[:, ~self._known_items] = -np.inf
            for row, user in zip(scores, some.tolist(), strict=True):
                row[self.seen.of(user)[0]] = -np.inf
            found.append(best_k(scores, k))
        return np.concatenate(found)

    @cached_property
    def _known_items(self) -> np.ndarray:
        """(n_items,) bool: has a training rating."""
        return self.seen.item_counts(len(self.items)) > 0

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Figures on rated pairs, cold ones counted."""
        if source is None:
            if self.recipe.data.train == "-":
                raise UsageError(
                    "the run learnt from standard input; name a file of ratings", where="evaluate"
                )
            self.read_data()
            if self.data.test is None:
                raise UsageError("the recipe has no test ratings; name a file of ratings", where="evaluate")
            pairs = self.data.test
            users, items, values = pairs
        else:
            user_names, item_names = Names(self.users), Names(self.items)
            wanted = Wanted(on_bad_row=self.recipe.on_bad_row)
            spec = as_pairs(self.recipe.data)
            lines = RatingLines(resolve_path(source).path, spec, user_names, item_names, wanted)
            pieces = list(lines)
            self._tell(lines)
            users, items, values = (np.concatenate([piece[k] for piece in pieces]) for k in range(3))
        known_users, known_items = self.known(users, items)
        cold = (known_users < 0) | (known_items < 0)
        factors = self.model.factors(self.seen)
        figures: dict[str, float] = {"ratings": len(values), "cold": int(cold.sum())}
        if self.model.explicit:
            errors = self.errors(factors, users, items, values)
            figures |= {f"test_{name}": value for name, value in errors.items()}
        if self.recipe.ranking is not None and not cold.all():
            ranked = self.ranked(factors, known_users[~cold], known_items[~cold], values[~cold])
            figures |= {f"test_{name}": value for name, value in ranked.items()}
        return figures

    def _tell(self, lines: RatingLines) -> None:
        if lines.skipped:
            self.context.log(skipped_rows(lines.name, lines.skipped, lines.first_fault))


def as_pairs(spec: RatingsSpec) -> RatingsSpec:
    """How another file of the same making is read: a list, whatever the training file was."""
    return spec.model_copy(update={"format": "list"})
