"""Networks that may begin with weights of another program, or of another run: the recipe's `start`."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from dlkit.algorithms.protocol import Algorithm
from dlkit.nn.module import Module
from dlkit.readers.paths import Found, find_file_or_folder


class Started(Algorithm, ABC):
    """To be named before the class that reads the data and builds the network."""

    start: Found | None = None
    """Weights to begin with."""

    @abstractmethod
    def network_to_start(self) -> Module:
        """The network, once it is built."""

    def read_data(self) -> None:
        super().read_data()  # type: ignore[safe-super]
        start = self.recipe.start
        self.start = find_file_or_folder(start, self.context.base) if start else None

    def build(self) -> None:
        super().build()  # type: ignore[safe-super]
        if self.start is not None:
            from dlkit.algorithms import first_weights

            described = self.context.describes_only
            first_weights.take(
                self.network_to_start(), self.start.path, self.context.log, only_check=described
            )

    def inputs(self) -> list[Path]:
        if self.start is None:
            return super().inputs()
        from dlkit.algorithms import first_weights

        return [*super().inputs(), first_weights.file_of(self.start.path)]

    def resolved_recipe(self) -> Any:
        recipe = super().resolved_recipe()
        return recipe if self.start is None else recipe.model_copy(update={"start": self.start.written})
