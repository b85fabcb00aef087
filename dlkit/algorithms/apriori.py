"""apriori: frequent item sets and association rules from baskets of items.

With sigma(X) the baskets that hold all of X, of n:

    support(X) = sigma(X) / n                                    frequent: support >= min_support
    confidence(X => Y) = sigma(X and Y) / sigma(X)               a rule: confidence >= min_confidence
    lift(X => Y) = confidence(X => Y) / support(Y)

Item sets are found by Apriori (levelwise.py), FP-growth (fp_tree.py) or Eclat (eclat.py), all the same ones;
rules.py makes the rules, rule_measures.py judges them; docs/apriori.md has the mathematics.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.apriori_recipe import AprioriRecipe, as_list, least_count
from dlkit.algorithms.branches import Branches, Miner
from dlkit.algorithms.eclat import Eclat
from dlkit.algorithms.found import Found
from dlkit.algorithms.fp_tree import FPGrowth, Tree
from dlkit.algorithms.itemsets import ItemSets
from dlkit.algorithms.levelwise import LevelWise
from dlkit.algorithms.limits import Limits
from dlkit.algorithms.protocol import Progress
from dlkit.algorithms.protocol import Tree as State
from dlkit.algorithms.rule_answers import AskedRules, checked
from dlkit.algorithms.rule_files import level_table, pictures, rules_csv
from dlkit.algorithms.rules import RuleMaker, Rules
from dlkit.algorithms.set_lines import itemsets_csv
from dlkit.algorithms.set_order import ordered
from dlkit.algorithms.transactions import Transactions, label_order
from dlkit.errors import DataError
from dlkit.pictures.exhibits import Left
from dlkit.readers.baskets import read_baskets
from dlkit.readers.paths import resolve_path
from dlkit.training.metrics import Column

ANY_LENGTH = 1 << 30
RULE_SETS = 1 << 14
"""Sets whose rules are made in a step."""
ROOM = 1 << 18
"""Rules for which there is room at first."""
SMALL = 100_000
"""Entries (items of baskets) below which threads are not worth waking."""


class Apriori(AskedRules):
    """Counts once: the steps of the one epoch are chunks of candidates, or branches, and then of rules."""

    command = "apriori"
    Recipe = AprioriRecipe
    UNIT = "item sets"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_item_sets", "count", "item sets written: frequent, of the kind and lengths asked for"),
        Column("train_rules", "count", "rules written"),
        Column("train_longest", "items", "length of the longest frequent item set"),
        Column("train_frequent", "count", "all frequent item sets up to max_length"),
        Column("train_closed", "count", "those without a larger set of the same support"),
        Column("train_maximal", "count", "those without a larger frequent set"),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left("network.png", "Network of rules", "An arrow from what a rule begins with to what follows."),
        Left(
            "rules.png", "Rules", "A dot for each rule by its support and confidence; the colour is its lift."
        ),
        Left("rules.csv", "Rules as a table", "The first rules of the file, with their measures."),
        Left("itemsets.csv", "Frequent item sets", "The first item sets of the file."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit apriori data/baskets.txt --min-support 0.3 --min-confidence 0.7
  dlkit apriori retail.dat --min-support 0.002 --algorithm fp-growth
  dlkit apriori orders.csv --basket InvoiceNo --item Description --rank lift --top 50
  gzip -dc baskets.csv.gz | dlkit apriori - --kind closed --head "whole milk" -o runs/milk"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        found = resolve_path(recipe.data.train, context.base)
        self._resolved = found.written
        self.baskets = read_baskets(found.path, recipe.data, recipe.on_bad_row)
        if self.baskets.skipped:
            context.log(f"{self.baskets.skipped} bad rows left out; the first: {self.baskets.first_fault}")
        self.n = len(self.baskets)
        self.min_count = least_count(recipe.min_support, self.n)

    def inputs(self) -> list[Path]:
        return self.baskets.files

    def resolved_recipe(self) -> Any:
        data = self.recipe.data.model_copy(update={"train": self._resolved})
        return self.recipe.model_copy(update={"data": data})

    def worthwhile_shards(self, threads: int) -> int:
        return threads if len(self.baskets.codes) >= SMALL else 1

    # -- frequent items ---------------------------------------------------------------------------
    def build(self) -> None:
        """L_1: the frequent items, numbered from the rarest, and the baskets made of them."""
        baskets, recipe, comm = self.baskets, self.recipe, self.context.comm
        self.limits = Limits(recipe, self.context.backend.free_memory(), self.min_count, self.n)
        self.item_counts = np.bincount(baskets.codes, minlength=len(baskets.items))
        frequent = np.flatnonzero(self.item_counts >= self.min_count)
        excluded = self._named(recipe.exclude, "exclude")
        frequent = np.array([k for k in frequent.tolist() if baskets.items[k] not in excluded], np.int64)
        rank = np.empty(len(frequent), np.int64)
        rank[label_order([baskets.items[k] for k in frequent.tolist()])] = np.arange(len(frequent))
        rarest_first = np.lexsort([rank, self.item_counts[frequent]])
        frequent, self.rank = frequent[rarest_first], rank[rarest_first]
        self.labels = [baskets.items[k] for k in frequent.tolist()]
        number = np.full(len(baskets.items), -1, np.int32)
        number[frequent] = np.arange(len(frequent))
        codes, starts = baskets.codes, baskets.starts
        self.counts = self.item_counts[frequent]
        if comm.size > 1 and self._method() == "apriori":  # each rank holds its own baskets only
            ends = np.linspace(0, self.n, comm.size + 1).astype(np.int64)
            first, last = ends[comm.rank], ends[comm.rank + 1]
            codes = codes[starts[first] : starts[last]]
            starts = starts[first : last + 1] - starts[first]
        self.limits.room(24 * int(self.counts.sum()), "the baskets, transposed", "min_support")
        self.transactions = Transactions(codes, starts, number, len(frequent))
        for key in ("body", "head"):
            self._named(getattr(recipe, key), key)
        self.found: list[Found] = []
        self.sets: ItemSets | None = None
        self.rules = Rules.none()
        self.next_set = 0
        self._engine = self._make_engine()

    def _named(self, items: str | list[str] | None, key: str) -> set[str]:
        """The items that a key names; one that is in no basket is told."""
        names = set(as_list(items) or [])
        missing = sorted(names - set(self.baskets.items))
        if missing:
            raise DataError(f'no basket holds "{missing[0]}"', where=key)
        return names

    def _method(self) -> str:
        if self.recipe.algorithm != "auto":
            return str(self.recipe.algorithm)
        return "eclat" if self.context.backend.name == "cpu" else "apriori"

    def _make_engine(self) -> LevelWise | Branches:
        data, context, recipe = self.transactions, self.context, self.recipe
        # one item more than is asked for tells whether the longest sets are closed
        longest = recipe.max_length or ANY_LENGTH
        longest += recipe.max_length is not None
        if self._method() == "apriori":
            return LevelWise(
                data, self.counts, self.min_count, longest, backend=context.backend, team=context.team,
                comm=context.comm, room=lambda size, what: self.limits.room(size, what, "min_support"),
                report=self._tell_level,
            )  # fmt: skip

        def miner(min_count: int) -> Miner:
            if self._method() == "eclat":
                return Eclat(data, min_count, longest)
            self._tree = getattr(self, "_tree", None) or Tree(data)
            return FPGrowth(data, self._tree, min_count, longest)

        return Branches(data, self.min_count, longest, miner=miner, team=context.team, comm=context.comm)

    def _tell_level(self, level: Any) -> None:
        for line in level_table(level, self.labels, self.baskets.items, self.item_counts):
            self.context.detail(line)

    # -- the epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        step = skip
        if self.sets is None:
            for parts in self._chunks():
                step += 1
                self.found += parts
                self._raise_threshold()
                sets, members = self._held()
                self.limits.check_sets(sets, members)
                self._heed()
                yield Progress(step, 0, sum(map(len, parts)))
            self._order()
            yield Progress(step := step + 1, 0, 0)
        if self.recipe.rules:
            which = self._rule_sets()
            while self.next_set < len(which):
                self._more_rules(which)
                self._heed()
                yield Progress(step := step + 1, 0, 0)
            self.rules = self.rules.ranked(self._sets(), self.n, self.recipe.rank, self.recipe.top)

    def _chunks(self) -> Iterator[list[Found]]:
        if isinstance(self._engine, LevelWise):
            for found in self._engine.steps():
                yield [found]
        else:
            while len(self._engine.tasks):
                yield self._engine.step()

    def _heed(self) -> None:
        """A signal that one rank received travels in this sum to all."""
        if self.context.comm.size > 1:
            self.context.comm.all_sum(np.zeros(1, np.int64))

    def _held(self) -> tuple[int, int]:
        return sum(map(len, self.found)), sum(len(part.members) for part in self.found)

    def _raise_threshold(self) -> None:
        """With top_sets the support of the last one wanted is the threshold, once there are as many."""
        recipe = self.recipe
        if recipe.top_sets is None or recipe.kind != "all":
            return
        longest = recipe.max_length or ANY_LENGTH
        found = Found.joined(self.found)
        wanted = found.counts[(found.lengths >= recipe.min_length) & (found.lengths <= longest)]
        if len(wanted) >= recipe.top_sets:
            place = len(wanted) - recipe.top_sets
            least = int(np.partition(wanted, place)[place])
            self._engine.raise_to(least)
            self.found = [found.at_least(least)]

    def _order(self) -> None:
        """All sets are found: their order, which are closed, which are to be written."""
        sets, closed, maximal = ordered(self.labels, self.rank, Found.joined(self.found), self.context.team)
        within = sets.lengths <= (self.recipe.max_length or ANY_LENGTH)
        if not within.all():  # the item more has told what is closed
            sets, closed, maximal = (
                ItemSets(self.labels, sets.found.where(within)), closed[within], maximal[within]
            )  # fmt: skip
        self._hold(sets, closed, maximal)
        self.found = []
        if not self.chosen.any():
            self.context.log(
                "no item set is as frequent and long as asked for: lower min_support or min_length"
            )

    # -- rules ------------------------------------------------------------------------------------
    def _rule_sets(self) -> np.ndarray:
        return np.flatnonzero(self.chosen & (self._sets().lengths > 1))

    def _more_rules(self, which: np.ndarray) -> None:
        recipe, sets = self.recipe, self._sets()
        room, chunk = ROOM, which[self.next_set : self.next_set + RULE_SETS]
        maker = RuleMaker(
            sets,
            min_confidence=recipe.min_confidence,
            max_head=recipe.max_head or ANY_LENGTH,
            in_body=self._may(recipe.body),
            in_head=self._may(recipe.head),
        )
        done, rules = maker.make(chunk, room)
        while not done:
            self.limits.check_rules(len(self.rules), room)
            room *= 4
            self.limits.room(12 * room, "the rules of one set", "max_length")
            done, rules = maker.make(chunk[:1], room)
        self.next_set += done
        if recipe.min_lift > 0:
            rules = rules[rules.measures(sets, self.n)["lift"] >= recipe.min_lift]
        rules = Rules.joined([self.rules, rules])
        if recipe.top is None:
            self.limits.check_rules(len(rules), 0)
        self.rules = rules.ranked(sets, self.n, recipe.rank, recipe.top) if recipe.top else rules

    def _may(self, items: str | list[str] | None) -> np.ndarray:
        names = as_list(items)
        return np.array([names is None or label in names for label in self.labels], bool)

    # -- the end ----------------------------------------------------------------------------------
    def end_epoch(self, epoch: int) -> dict[str, float]:
        sets = self._sets()
        return {
            "train_item_sets": int(self.chosen.sum()),
            "train_rules": len(self.rules),
            "train_longest": int(sets.lengths.max(initial=0)),
            "train_frequent": len(sets),
            "train_closed": int(self.closed.sum()),
            "train_maximal": int(self.maximal.sum()),
        }

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        sets, rank = self._sets(), self.recipe.rank
        closed, maximal = self.closed[self.chosen], self.maximal[self.chosen]
        chosen = sets.found.where(self.chosen)
        yield "itemsets.csv", itemsets_csv(self.labels, chosen, closed, maximal, self.n)
        if self.recipe.rules:
            yield "rules.csv", rules_csv(sets, self.rules, self.n)
            if self.recipe.pictures and len(self.rules):
                yield from pictures(sets, self.rules, self.n, rank, self.context.log)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> State:
        finding = self.sets is None
        found = Found.joined(self.found) if self.sets is None else self.sets.found
        nothing = np.zeros(0, bool)
        return {
            "items": self.labels,
            "baskets": self.n,
            "min_count": self.min_count,
            "ordered": not finding,
            "found": found.arrays,
            "closed": nothing if finding else self.closed,
            "maximal": nothing if finding else self.maximal,
            "rules": self.rules.arrays,
            "next_set": self.next_set,
            "engine": self._engine.state() if finding and hasattr(self, "_engine") else {},
        }

    def load(self, state: State) -> None:
        if state["items"] != self.labels or (state["baskets"], state["min_count"]) != (
            self.n,
            self.min_count,
        ):
            raise DataError("its items or supports are not those of these baskets")
        if state["ordered"]:
            self._take(state)
        else:
            self.found = [checked(state, len(self.labels))]
            self._engine.load(state["engine"])


ALGORITHM = Apriori
