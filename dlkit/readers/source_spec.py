"""The base of what recipes say under ``data:``; the name of a known data set stands for its files."""

from typing import Any, ClassVar

from dlkit.readers.data_sets import DATA_SETS
from dlkit.recipe.schema import Spec


class SourceSpec(Spec):
    """``data: mnist`` is ``{train: mnist/train, test: mnist/test}``; other text is the training file."""

    SHORTHAND: ClassVar[str | None] = "train"

    @classmethod
    def from_bare(cls, value: Any) -> dict[str, Any]:
        known = DATA_SETS.get(value) if isinstance(value, str) else None
        if known is None or not known.data:
            return super().from_bare(value)
        return {key: text for key, text in known.data.items() if key in cls.model_fields}
