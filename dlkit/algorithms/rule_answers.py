"""What a run of apriori can be asked: what else belongs in a basket, by the rules whose body it holds."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.apriori_recipe import AprioriRecipe
from dlkit.algorithms.found import Found
from dlkit.algorithms.itemsets import ItemSets
from dlkit.algorithms.protocol import Algorithm, Answer, Context, Description
from dlkit.algorithms.protocol import Tree as State
from dlkit.algorithms.rules import Rules
from dlkit.algorithms.set_lines import one_cell
from dlkit.errors import UsageError, UserError
from dlkit.readers.baskets import Baskets, BasketSpec, read_baskets
from dlkit.readers.paths import resolve_path

TOP = 10
"""Recommendations for a basket, unless told otherwise."""
PIECE = 1000
"""Baskets answered at once."""


class AskedRules(Algorithm):
    """Sets in order and the rules made of them."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "recommend": frozenset({"top", "baskets"}),
        "predict": frozenset(),
    }

    recipe: AprioriRecipe
    labels: list[str]
    """Frequent items, from the rarest."""
    n: int
    """Baskets."""
    min_count: int
    sets: ItemSets | None = None
    """All frequent sets, once they are found and in order."""
    rules: Rules
    next_set: int
    found: list[Found]
    baskets: Baskets
    """The run's own, after `read_data`."""

    def _hold(self, sets: ItemSets, closed: np.ndarray, maximal: np.ndarray) -> None:
        """All sets are found; which of them are wanted."""
        recipe = self.recipe
        self.sets, self.closed, self.maximal = sets, closed, maximal
        kind = {"all": np.ones(len(sets), bool), "closed": closed, "maximal": maximal}[recipe.kind]
        self.chosen = kind & (sets.lengths >= recipe.min_length)
        if recipe.top_sets is not None and self.chosen.sum() > recipe.top_sets:
            which = np.flatnonzero(self.chosen)
            which = which[np.argsort(-sets.counts[which], kind="stable")][: recipe.top_sets]
            self.chosen = np.isin(np.arange(len(sets)), which)

    def _sets(self) -> ItemSets:
        if self.sets is None:
            raise UserError("this run has not found all its item sets yet", hint="--resume goes on with it")
        return self.sets

    def _method(self) -> str:
        if self.recipe.algorithm != "auto":
            return str(self.recipe.algorithm)
        return "eclat" if self.context.backend.name == "cpu" else "apriori"

    def describe(self) -> Description:
        share, threshold = self.min_count / self.n, f"{self.min_count:,} of {self.n:,} baskets or more"
        facts = {"support": f"{threshold} ({share:.4g})", "method": self._method()}
        if self.sets is not None:
            facts["items"] = f"{len(self.labels):,} frequent"
            facts["sets"] = f"{len(self.sets):,} frequent, {self.chosen.sum():,} written"
            facts["rules"] = f"{len(self.rules):,} by {self.recipe.rank}"
            facts |= {f"rule {k}": self._told(k - 1) for k in range(1, 1 + min(len(self.rules), TOP))}
        data = ""
        if hasattr(self, "baskets"):
            b = self.baskets
            frequent = f"{len(self.labels):,} of {len(b.items):,} items in {self.min_count:,} baskets or more"
            data = f"{b.name} {self.n:,} baskets · {frequent} · {len(b.codes):,} entries · {b.layout}"
        return Description(data=data, facts=facts)

    def _told(self, k: int) -> str:
        sets, rule = self._sets(), self.rules[np.array([k])]
        body, head = sets.names([int(rule.body[0]), int(rule.head[0])])
        m = {name: float(values[0]) for name, values in rule.measures(sets, self.n).items()}
        figures = f"support {m['support']:.4g}  confidence {m['confidence']:.4g}  lift {m['lift']:.4g}"
        return f"{{{one_cell(body)}}} => {{{one_cell(head)}}}  {figures}"

    # -- state ------------------------------------------------------------------------------------
    @classmethod
    def restore(cls, recipe: Any, state: State, context: Context) -> "AskedRules":
        self = cls(recipe, context)
        self.labels, self.n, self.min_count = state["items"], state["baskets"], state["min_count"]
        if not all(type(value) is int and value > 0 for value in (self.n, self.min_count)):
            raise ValueError("baskets, min_count: numbers above 0 are expected")
        self.found, self.rules, self.next_set = [], Rules.none(), 0
        if state["ordered"]:
            self._take(state)
        return self

    def _take(self, state: State) -> None:
        """Sets and rules of a state whose sets are in order. Raises ValueError for what cannot be that."""
        found = checked(state, len(self.labels))
        closed, maximal = state["closed"], state["maximal"]
        if not closed.dtype == maximal.dtype == bool or not closed.shape == maximal.shape == (len(found),):
            raise ValueError("closed, maximal: a truth value for each set is expected")
        rules = Rules(*(state["rules"][name] for name in ("both", "body", "head")))
        for a in (rules.both, rules.body, rules.head):
            if a.dtype != np.int32 or a.shape != rules.both.shape or a.ndim != 1:
                raise ValueError("rules: three lists of set numbers are expected")
            if a.size and (a.min() < 0 or a.max() >= len(found)):
                raise ValueError("rules: sets that there are not")
        if type(state["next_set"]) is not int or state["next_set"] < 0:
            raise ValueError("next_set: a number is expected")
        self._hold(ItemSets(self.labels, found), closed, maximal)
        self.rules, self.next_set = rules, state["next_set"]

    # -- questions --------------------------------------------------------------------------------
    def recommend(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """What to add to the basket `names`, or to each basket of options["baskets"] (a file)."""
        top, file = int(options.get("top") or TOP), options.get("baskets")
        if file is None:
            if not names:
                raise UsageError("name the items of a basket, or give a file with --baskets")
            self._tell_unknown(names)
            yield self._answer([set(names)], top, numbered=False)
            return
        if names:
            raise UsageError("items of a basket, or --baskets, not both")
        for piece in self._read(str(file)):
            yield self._answer([basket for _, basket in piece], top, numbered=True, first=piece[0][0])

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """For each basket of a file the one item to add, and why; nothing where no rule applies."""
        index = _Index(self._sets(), self.rules, self.n)
        for piece in self._read(source):
            best = [next(iter(index.items(basket)), None) for _, basket in piece]
            columns: dict[str, list[str]] = {name: [] for name in ("item", *_FIGURES, "because")}
            for found in best:
                for name, value in zip(columns, found or [""] * len(columns), strict=True):
                    columns[name].append(value)
            yield Answer(list(columns), list(columns.values()))

    def _answer(self, baskets: list[set[str]], top: int, *, numbered: bool, first: int = 1) -> Answer:
        index = _Index(self._sets(), self.rules, self.n)
        header = [*(["basket"] if numbered else []), "item", *_FIGURES, "because"]
        rows = [
            [*([str(number)] if numbered else []), *found]
            for number, basket in enumerate(baskets, first)
            for found, _ in zip(index.items(basket), range(top), strict=False)
        ]
        return Answer(header, [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header])

    def _read(self, source: str) -> Iterator[list[tuple[int, set[str]]]]:
        """(number from 1, basket), in pieces."""
        spec = self.recipe.data.model_copy(update={"train": source})
        path = resolve_path(source).path if source != "-" else Path("-")
        b = read_baskets(path, BasketSpec.model_validate(spec.model_dump()), self.recipe.on_bad_row)
        if b.skipped:
            self.context.log(f"{b.skipped} bad rows left out; the first: {b.first_fault}")
        for first in range(0, len(b), PIECE):
            yield [
                (k + 1, {b.items[c] for c in b.codes[b.starts[k] : b.starts[k + 1]].tolist()})
                for k in range(first, min(first + PIECE, len(b)))
            ]

    def _tell_unknown(self, names: Sequence[str]) -> None:
        known = set(self.labels)
        for name in names:
            if name not in known:
                near = get_close_matches(name, self.labels, n=1)
                hint = f' (did you mean "{near[0]}"?)' if near else ""
                self.context.log(f'"{name}" is not among the frequent items{hint}')


_FIGURES = ("confidence", "lift", "support")


class _Index:
    """Rules in their order, found by what a basket holds."""

    def __init__(self, sets: ItemSets, rules: Rules, n: int) -> None:
        self.sets, self.rules = sets, rules
        self.number = {label: k for k, label in enumerate(sets.labels)}
        self.figures = [rules.measures(sets, n)[name] for name in _FIGURES]
        self.starts = np.minimum(sets.starts[:-1], max(len(sets.members) - 1, 0))

    def items(self, basket: set[str]) -> Iterator[list[str]]:
        """Items to add, each by the first rule that gives it: [item, confidence, lift, support, body]."""
        sets, rules = self.sets, self.rules
        inside = np.zeros(len(sets.labels), bool)
        inside[[self.number[name] for name in basket if name in self.number]] = True
        if not len(rules) or not inside.any():
            return
        held = np.add.reduceat(inside[sets.members].astype(np.int64), self.starts) == sets.lengths
        given: set[int] = set()
        for k in np.flatnonzero(held[rules.body] & ~held[rules.head]).tolist():
            head = sets.members[sets.starts[rules.head[k]] : sets.starts[rules.head[k] + 1]]
            for item in head.tolist():
                if not inside[item] and item not in given:
                    given.add(item)
                    because = one_cell(sets.items(int(rules.body[k])))
                    yield [sets.labels[item], *(repr(float(f[k])) for f in self.figures), because]


def checked(state: State, items: int) -> Found:
    """The sets of a state. Raises ValueError for what cannot be sets of so many items."""
    found = Found(*(state["found"][name] for name in ("lengths", "counts", "members")))
    for a, dtype in ((found.lengths, np.int32), (found.counts, np.int64), (found.members, np.int32)):
        if a.dtype != dtype or a.ndim != 1:
            raise ValueError("found: lists of lengths, supports and items are expected")
    sizes_fit = len(found.lengths) == len(found.counts) and found.lengths.sum() == len(found.members)
    if not sizes_fit or (found.lengths < 1).any() or (found.counts < 1).any():
        raise ValueError("found: lengths and supports do not fit")
    if len(found.members) and (found.members.min() < 0 or found.members.max() >= items):
        raise ValueError("found: items that there are not")
    return found
