"""train-cnn: a network of convolutions that learns classes or numbers from images.

    x^0 = image,   x^l_k = f(sum_c W^l_kc * x^(l-1)_c + b^l_k)   (*: correlation over a window), then pooling;
    flattened at the end: dense layers and the output layer, as in train-mlp

The recipe lists the layers or names a preset; the output layer follows from the data. What an epoch does is
in minibatch.py and supervised.py, what can be asked of the result in asked.py and cnn_looks.py;
docs/train-cnn.md has the mathematics.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from dlkit.algorithms import cnn_looks
from dlkit.algorithms.labelled import LabelledRecipe
from dlkit.algorithms.protocol import File
from dlkit.algorithms.rows import Rows
from dlkit.algorithms.supervised import Supervised
from dlkit.autograd import Tape, Variable
from dlkit.errors import UsageError
from dlkit.kernels.augment import gather_moved
from dlkit.nn.layer_list import network
from dlkit.nn.module import Module
from dlkit.nn.presets import ImageModel
from dlkit.nn.step import shard_rows
from dlkit.pictures.exhibits import Made
from dlkit.readers.augment import AugmentSpec
from dlkit.recipe.schema import ByteSize

COLOURS = (1, 3)
"""Channels that images usually have."""


class CNNRecipe(LabelledRecipe):
    """The recipe of train-cnn."""

    command: Literal["train-cnn"] = Field("train-cnn", description="Command that this recipe is for.")
    model: ImageModel = Field(
        TypeAdapter(ImageModel).validate_python("lenet"),
        description="Layers in order, or a preset (lenet, resnet-small); the output layer follows from "
        "the data.",
        json_schema_extra={"aka": ["layers", "network"]},
    )
    augment: AugmentSpec | None = Field(
        None, description="What is done to an image each time it is learnt from; null: nothing."
    )
    unfold_memory: ByteSize | None = Field(
        None,
        description="Most bytes of unfolded images that a shard holds at a time, such as 4MiB; "
        "null: 4 MiB (GPU 64).",
    )


class TrainCNN(Supervised):
    """Convolutions, pooling, dense layers, then the output layer."""

    command = "train-cnn"
    Recipe = CNNRecipe
    UNIT = "images"
    SPLIT = "products"
    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        **Supervised.ASKED,
        "inspect": frozenset({"filters", "features", "row", "confusion", "data"}),
    }
    EXAMPLES: ClassVar[str] = """\
  dlkit train-cnn recipes/lenet-digits.yaml -o runs/lenet
  dlkit train-cnn photos --resize 64 --valid 0.2             photos/cat/1.png, photos/dog/2.jpg, ...
  dlkit train-cnn recipes/lenet-mnist.yaml --set augment.shift=2
  dlkit train-cnn mnist/train --set model=resnet-small --epochs 5"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        super().read_data()
        row = self.schema.input_shape
        if len(row) == 3 and row[0] in COLOURS and row[2] not in COLOURS:
            shape = "×".join(map(str, row))
            self.context.log(
                f"images of {shape}: height × width × channels; are the channels first in the file?"
            )

    # -- model ------------------------------------------------------------------------------------
    def shape_of(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """An image (height, width, channels), or the part of it that `augment.crop` leaves."""
        if len(row) != 3:
            text = f"train-cnn takes images; the rows here are {'×'.join(map(str, row))} numbers"
            raise UsageError(text, where="data.shape", hint="[height, width, channels] makes images of them")
        if self.recipe.augment is None:
            return row
        try:
            return (*self.recipe.augment.output(row[:2]), row[2])
        except ValueError as error:
            raise UsageError(str(error), where="augment.crop") from error

    def network(self, input_shape: tuple[int, ...], outputs: int) -> Module:
        recipe = self.recipe
        return network(
            recipe.model,
            input_shape,
            outputs,
            activation=recipe.activation,
            init=recipe.init,
            unfold_memory=recipe.unfold_memory,
        )

    # -- augmentation -----------------------------------------------------------------------------
    def before_step(self, n: int, position: tuple[int, int]) -> None:
        """Draw how each image of the step is moved: for all of the batch, of which a rank takes its share."""
        augment, context = self.recipe.augment, self.context
        if augment is not None:
            moves = augment.draw(context.streams.get("augment", *position), n, self._image())
            mine = shard_rows(n, context.comm.size, context.comm.rank)
            self._moves = context.backend.asarray(moves[mine])

    def training_loss(
        self, tape: Tape, table: Rows, batch: Any, rows: slice, weight: float
    ) -> tuple[Variable, list[Any]]:
        if self.recipe.augment is None:
            return super().training_loss(tape, table, batch, rows, weight)
        index = batch[rows]
        x = self._moved(tape, table, table.x, index, self._moves[rows])
        f = self.model(tape, tape.constant(x))
        return self.objective.loss(tape, f, table.y[index], weight)

    def _input(self, tape: Tape, rows: Rows, index: Any) -> Variable:
        if self.input_shape == self.schema.input_shape:
            return super()._input(tape, rows, index)
        still = self.recipe.augment.still(len(index), self._image())
        moves = self.context.backend.asarray(still)
        return tape.constant(self._moved(tape, rows, *self._on_device(rows, index), moves))

    def _moved(self, tape: Tape, rows: Rows, table: Any, index: Any, moves: Any) -> Any:
        """(n, h, w, c): images `index` of a table as the network takes them, moved as `moves` (n, 3) says."""
        x = tape.empty((len(index), *self.input_shape))
        height, edge = self.schema.input_shape[0], self.recipe.augment.edge
        gather_moved(table, index, moves, height, rows.scale, rows.shift, edge, x)
        return x

    def _image(self) -> tuple[int, int]:
        """(height, width) of an image as read."""
        return self.schema.input_shape[0], self.schema.input_shape[1]

    # -- what is in it ----------------------------------------------------------------------------
    def look(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """Pictures of the filters, of what they answer to an image, and of what is confused with what."""
        yield from cnn_looks.look(self, options)

    def exhibits(self) -> Iterator[Made | str]:
        """The filters, then what the rows held out say."""
        yield from cnn_looks.exhibits_of_filters(self)
        yield from super().exhibits()


ALGORITHM = TrainCNN
