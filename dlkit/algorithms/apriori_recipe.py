"""The recipe of apriori: what is frequent, which rules are wanted, and how much of it there may be."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dlkit.readers.baskets import BasketSpec
from dlkit.recipe.schema import ByteSize, TrainingRecipe

Support = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Items = str | list[str]
Measure = Literal["support", "confidence", "lift", "leverage", "conviction", "zhang", "jaccard", "kulczynski"]


class AprioriRecipe(TrainingRecipe):
    """The recipe of apriori."""

    command: Literal["apriori"] = Field("apriori", description="Command that this recipe is for.")
    data: BasketSpec = Field(description="Baskets, and how to read them.")
    algorithm: Literal["auto", "apriori", "fp-growth", "eclat"] = Field(
        "auto",
        description="How item sets are found; all find the same. auto: eclat, on a GPU apriori.",
        json_schema_extra={"aka": ["method"]},
    )
    min_support: Support = Field(
        0.01,
        description="Least support of an item set: a share of the baskets (0.01), or baskets (25).",
        json_schema_extra={"aka": ["support", "minsup"]},
    )
    min_confidence: Share = Field(
        0.5, description="Least confidence of a rule.", json_schema_extra={"aka": ["confidence", "minconf"]}
    )
    min_lift: Annotated[float, Field(ge=0)] = Field(0.0, description="Least lift of a rule.")
    min_length: Annotated[int, Field(ge=1)] = Field(1, description="Fewest items of a set.")
    max_length: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most items of a set; null: any number.", json_schema_extra={"aka": ["max_len"]}
    )
    kind: Literal["all", "closed", "maximal"] = Field(
        "all",
        description="Sets to write and to make rules of: all frequent ones, closed (no larger set has "
        "the same support) or maximal (no larger set is frequent).",
        json_schema_extra={"aka": ["target", "sets"]},
    )
    rules: bool = Field(True, description="Make rules; false: item sets alone.")
    max_head: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Most items on the right of a rule; null: any number."
    )
    body: Items | None = Field(
        None,
        description="Items that may stand on the left of a rule (one, or a list); null: any.",
        json_schema_extra={"flag": "--body", "aka": ["lhs", "antecedent"]},
    )
    head: Items | None = Field(
        None,
        description="Items that may stand on the right of a rule (one, or a list); null: any.",
        json_schema_extra={"flag": "--head", "aka": ["rhs", "consequent"]},
    )
    exclude: Items | None = Field(
        None,
        description="Items to leave out altogether (one, or a list).",
        json_schema_extra={"flag": "--exclude", "aka": ["ignore"]},
    )
    rank: Measure = Field(
        "confidence",
        description="Measure that rules are ordered by, best first.",
        json_schema_extra={"aka": ["sort"]},
    )
    top: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Keep the best rules only, this many; null: all."
    )
    top_sets: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Keep the sets with the highest support only, this many; null: all."
    )
    max_rules: Annotated[int, Field(ge=1)] = Field(
        1_000_000, description="Stop where there are more rules than this."
    )
    max_sets: Annotated[int, Field(ge=1)] = Field(
        5_000_000, description="Stop where there are more item sets than this."
    )
    max_mem: ByteSize | None = Field(
        None, description="Stop where more memory than this is needed, e.g. 2GB; null: half of what is free."
    )
    pictures: bool = Field(True, description="Draw the rules (scatter and network), if matplotlib is there.")
    epochs: Literal[1] = Field(
        1, description="Always 1: the sets are found once.", json_schema_extra={"flag": False}
    )

    @model_validator(mode="after")
    def _possible(self) -> "AprioriRecipe":
        if self.folds is not None:
            raise ValueError("folds: there is nothing to test rules on; split the baskets yourself")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(f"max_length: must be at least min_length ({self.min_length})")
        if self.device != "cpu" and self.algorithm in ("eclat", "fp-growth"):
            raise ValueError(f"algorithm: {self.algorithm} runs on the CPU; on a GPU there is apriori")
        return self


def as_list(items: Items | None) -> list[str] | None:
    """One item or several, as a list."""
    return [items] if isinstance(items, str) else items


def least_count(min_support: float | int, baskets: int) -> int:
    """The smallest count c with c / baskets >= min_support, in floating point as a user would check it."""
    if isinstance(min_support, int):
        return min_support
    count = math.ceil(min_support * baskets)
    while count > 1 and (count - 1) / baskets >= min_support:
        count -= 1
    while count / baskets < min_support:
        count += 1
    return max(count, 1)
