"""What a trained factorisation is asked: ratings of pairs, recommendations with reasons, likeness."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.mf_artifacts import FilesSpec, factor_files, whole
from dlkit.algorithms.mf_figures import JudgedRatings, as_pairs
from dlkit.algorithms.mf_model import Factors
from dlkit.algorithms.mf_ranking import best_k
from dlkit.algorithms.mf_rated import grouped
from dlkit.algorithms.protocol import Answer, File
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Made
from dlkit.readers.paths import resolve_path
from dlkit.readers.ratings import RatingLines, Wanted
from dlkit.readers.ratings_names import Names

REASONS = 3
"""Liked items named beside a recommendation."""
Visitors = dict[str, tuple[np.ndarray, np.ndarray, tuple[float, np.ndarray]]]
"""New users by name: items, ratings, and the bias and factors that fit them."""


class AskedRatings(JudgedRatings):
    """Questions and answers."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"ratings"}),
        "evaluate": frozenset(),
        "recommend": frozenset({"top", "ratings", "rated_too"}),
        "similar": frozenset({"top"}),
        "export": frozenset({"format"}),
    }

    # -- predict ------------------------------------------------------------------------------------
    @cached_property
    def _host(self) -> Factors:
        return self.model.factors(self.seen).on_host(self.context)

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """The file's pairs with their predicted rating; what is not known of a pair is named in `cold`."""
        factors = self.model.factors(self.seen)
        users, items = Names(self.users), Names(self.items)
        visitors = self._visitors(options.get("ratings"))
        guests = {users.put(name): solution for name, (_, _, solution) in visitors.items()}
        lines = RatingLines(
            resolve_path(source).path, as_pairs(self.recipe.data), users, items,
            Wanted(rating=False, on_bad_row=self.recipe.on_bad_row),
        )  # fmt: skip
        for piece in lines:
            known_users, known_items = self.known(piece.users, piece.items)
            values = factors.predict(known_users, known_items, self.context)
            for n in np.flatnonzero(np.isin(piece.users, list(guests))):
                bias, p = guests[int(piece.users[n])]
                item = int(known_items[n])
                values[n] = factors.mu + bias
                if item >= 0:
                    values[n] += self._host.bi[item] + p @ self._host.q[item]
                known_users[n] = 0  # no longer cold
            cold = np.where(known_users < 0, np.where(known_items < 0, "user item", "user"), "")
            cold = np.where((known_users >= 0) & (known_items < 0), "item", cold)
            yield Answer(
                ["user", "item", "rating" if self.model.explicit else "score", "cold"],
                [
                    [users.text(int(u)) for u in piece.users],
                    [items.text(int(i)) for i in piece.items],
                    self.clipped(values),
                    cold,
                ],
            )
        self._tell(lines)

    # -- recommend ----------------------------------------------------------------------------------
    def recommend(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """Best unseen items of each user, with the liked items that lie nearest as reason."""
        guests = self._visitors(options.get("ratings"))
        if not names and not guests:
            raise UsageError("name a user, or give the ratings of new ones with --ratings", where="recommend")
        for name in names or list(guests):
            rated, values, solution = self._asking(name, guests)
            yield self._offer(name, rated, values, solution, options)

    def _asking(
        self, name: str, guests: "Visitors"
    ) -> tuple[np.ndarray, np.ndarray, tuple[float, np.ndarray]]:
        """What a user has rated, and his bias and factors. Raises UsageError for one who is not known."""
        if name in guests:
            return guests[name]
        index = self._user_index.get(name, -1)
        if index < 0 or not self.seen.counts[index]:
            near = get_close_matches(name, self.users, n=1)
            hint = f"did you mean {near[0]}?" if near and index < 0 else "--ratings FILE folds in new users"
            known = "no training rating of" if index >= 0 else "no user is called"
            raise UsageError(f"{known} {name}", where="recommend", hint=hint)
        rated, values = self.seen.of(index)
        return rated, values, (float(self._host.bu[index]), self._host.p[index])

    def _offer(
        self, name: str, rated: np.ndarray, values: np.ndarray, solution: tuple[float, np.ndarray],
        options: Mapping[str, Any],
    ) -> Answer:  # fmt: skip
        bias, p = solution
        scores = (self._host.mu + bias + self._host.bi + self._host.q @ p).astype(np.float64)
        offered = scores.copy()
        offered[~self._known_items] = -np.inf
        if not options.get("rated_too"):
            offered[rated] = -np.inf
        (best,) = best_k(offered[None], options.get("top") or 10)
        best = best[best >= 0]
        columns: list[Any] = [
            [name] * len(best),
            list(range(1, len(best) + 1)),
            [self.items[i] for i in best],
            *([[self.titles[i] for i in best]] if self.titles else []),
            self.clipped(scores[best]).astype(self.context.backend.dtype),
            self._reasons(best, rated, values),
        ]
        title = ["title"] if self.titles else []
        score = "rating" if self.model.explicit else "score"
        return Answer(["user", "rank", "item", *title, score, "because"], columns)

    def _reasons(self, best: np.ndarray, rated: np.ndarray, values: np.ndarray) -> list[str]:
        """For each item the user's liked items nearest to it, by the cosine of their factors, positive ones
        alone."""
        liked = rated[values >= values.mean()]
        near = self._units[best] @ self._units[liked].T
        reasons = []
        for row, item in zip(near, best.tolist(), strict=True):
            order = np.argsort(-row, kind="stable")[: REASONS + 1]
            named = [self._called(int(liked[k])) for k in order if row[k] > 0 and liked[k] != item]
            reasons.append("; ".join(named[:REASONS]))
        return reasons

    def _called(self, item: int) -> str:
        """The title, or the id where there is none."""
        return (self.titles[item] if self.titles else "") or self.items[item]

    @cached_property
    def _units(self) -> np.ndarray:
        """(n_items, k) float64: factors of length 1; items without any are 0."""
        q = self._host.q.astype(np.float64)
        length = np.linalg.norm(q, axis=1, keepdims=True)
        return np.divide(q, length, out=np.zeros_like(q), where=length > 0)

    @cached_property
    def _user_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.users)}

    @cached_property
    def _item_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.items)}

    # -- report ---------------------------------------------------------------------------------------
    def exhibits(self) -> Iterator[Made | str]:
        from dlkit.algorithms import mf_exhibits

        return mf_exhibits.exhibits(self)

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """The factors: csv, user_factors.csv and item_factors.csv; npz, factors.npz."""
        form = exported.chosen(options, "csv", "npz")
        spec = FilesSpec(csv=form == "csv", npz=form == "npz")
        files = factor_files(spec, self._host, self.users, self.items, self.titles, self.context.log)
        yield from (File(name, whole(content)) for name, content in files)

    # -- new users ------------------------------------------------------------------------------------
    def _visitors(self, path: Path | None) -> "Visitors":
        """Users whose ratings stand in a file: (items, ratings, (bias, factors)) by name, folded in."""
        if path is None:
            return {}
        users, items = Names(), Names(self.items)
        wanted = Wanted(on_bad_row=self.recipe.on_bad_row)
        lines = RatingLines(resolve_path(str(path)).path, as_pairs(self.recipe.data), users, items, wanted)
        pieces = list(lines)
        self._tell(lines)
        columns = [np.concatenate([piece[k] for piece in pieces]) for k in range(3)]
        known = self.known(np.zeros_like(columns[0]), columns[1])[1] >= 0
        if unknown := int((~known).sum()):
            ratings = "rating" if unknown == 1 else "ratings"
            self.context.log(f"{lines.name}: {unknown:,} {ratings} of what was not learnt left out")
        table = grouped(columns[0][known], columns[1][known], columns[2][known], len(users))
        visitors: Visitors = {}
        for index, name in enumerate(users.texts()):
            rated, values = table.of(index)
            if not len(rated):
                raise DataError(f"user {name} has rated nothing that was learnt", where=lines.name)
            rated, first = np.unique(rated[::-1], return_index=True)  # of several ratings the last holds
            values = values[::-1][first].astype(np.float64)
            visitors[name] = rated, values, self.model.fold_in(rated, values, self._host)
        return visitors

    # -- similar --------------------------------------------------------------------------------------
    def similar(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """The items whose factors point in the most similar direction (cosine)."""
        if not self._host.q.shape[1]:
            raise UsageError(f"{self.recipe.model.name} has no factors to compare items by", where="similar")
        for name in names:
            item = self._item(name)
            near = self._units @ self._units[item]
            near[~self._known_items] = -np.inf
            near[item] = -np.inf
            (best,) = best_k(near[None], options.get("top") or 10)
            best = best[best >= 0]
            columns: list[Any] = [
                [self._called(item)] * len(best),
                list(range(1, len(best) + 1)),
                [self.items[i] for i in best],
                *([[self.titles[i] for i in best]] if self.titles else []),
                near[best].astype(np.float32),
            ]
            title = ["title"] if self.titles else []
            yield Answer(["to", "rank", "item", *title, "cosine"], columns)

    def _item(self, name: str) -> int:
        """An item by its id, or by its title. Raises UsageError."""
        index = self._item_index.get(name, -1)
        if index < 0 and self.titles and name in self.titles:
            index = self.titles.index(name)
        if index < 0:
            near = get_close_matches(name, [*self.items, *(self.titles or [])], n=1)
            hint = f"did you mean {near[0]}?" if near else None
            raise UsageError(f"no item is called {name}", where="similar", hint=hint)
        if not self._known_items[index]:
            raise UsageError(f"{name} has no training rating", where="similar")
        return index
