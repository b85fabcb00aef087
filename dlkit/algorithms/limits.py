"""How many sets and rules, and how much memory: told before a machine is exhausted."""

from dlkit.algorithms.apriori_recipe import AprioriRecipe
from dlkit.backend.memory import amount
from dlkit.errors import UserError

SET_BYTES = 120
"""Of a set: its length and support in the state, the checkpoint's image, its place in the hash table."""
MEMBER_BYTES = 24
"""Of an item in a set: the state, sorting, the checkpoint's image."""
RULE_BYTES = 400
"""Of a rule: set numbers, measures, its line of rules.csv."""


class Limits:
    """The recipe's limits. Every check raises UserError: what is too much, and what to change."""

    def __init__(self, recipe: AprioriRecipe, free: int | None, min_count: int, baskets: int) -> None:
        """free: bytes that can be had, None where that is not known."""
        self.recipe = recipe
        self.most = recipe.max_mem or (free // 2 if free is not None else None)
        self.frequent = f"in {min_count:,} of {baskets:,} baskets or more"

    def room(self, size: int, what: str, key: str) -> None:
        """`what` needs `size` bytes."""
        if self.most is not None and size > self.most:
            problem = f"{what} need {amount(size)}, more than the {amount(self.most)} that may be used"
            raise UserError(problem, hint=f"{_change(key)}, or allow more with max_mem")

    def check_sets(self, sets: int, members: int) -> None:
        """As many sets are found, of so many items in all."""
        if sets > self.recipe.max_sets:
            problem = f"more than {self.recipe.max_sets:,} item sets are {self.frequent}"
            raise UserError(problem, hint=f"{self._fewer_sets()}, or allow more with max_sets")
        size = SET_BYTES * sets + MEMBER_BYTES * members
        if self.most is not None and size > self.most:
            problem = f"the item sets {self.frequent} need more than the {amount(self.most)} that may be used"
            told = f"{problem} ({sets:,} found so far)"
            raise UserError(told, hint=f"{self._fewer_sets()}, or allow more with max_mem")

    def _fewer_sets(self) -> str:
        shorter = "" if self.recipe.max_length else ", set max_length"
        top = "" if self.recipe.top_sets or self.recipe.kind != "all" else " or top_sets"
        return f"raise min_support{shorter}{top}"

    def check_rules(self, rules: int, at_least: int) -> None:
        """There are more rules than `rules` + `at_least`, or exactly `rules` of them."""
        recipe = self.recipe
        ways = f"raise min_confidence ({recipe.min_confidence:g}), set max_head or top"
        if recipe.top is None and rules + at_least > recipe.max_rules:
            problem = f"there are more than {recipe.max_rules:,} rules"
            raise UserError(problem, hint=f"{ways}, or allow more with max_rules")
        if self.most is not None and RULE_BYTES * rules > self.most:
            problem = f"{rules:,} rules need more than the {amount(self.most)} that may be used"
            raise UserError(problem, hint=f"{ways}, or allow more with max_mem")


def _change(key: str) -> str:
    return {"min_support": "raise min_support"}.get(key, f"set {key}")
