"""vae: an encoder and a decoder that learn a code for images, and to make new ones from it.

    log p(x) >= ELBO = E_q(z|x) log p(x|z) - KL(q(z|x) || p(z))      (Kingma & Welling 2014, eq. 3)

with p(z) = N(0, I), q(z|x) = N(mu, exp s) from the encoder, p(x|z) from the decoder (vae_network.py), and one
draw z = mu + exp(s/2) e an image. What an epoch does is in minibatch.py, what a trained model can be asked in
vae_asked.py, pictures in vae_pictures.py; docs/vae.md has the mathematics.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlkit.algorithms.minibatch import MinibatchTraining
from dlkit.algorithms.protocol import Context, Description, Tree
from dlkit.algorithms.rows import Rows, named
from dlkit.algorithms.started import Started
from dlkit.algorithms.vae_asked import AskedVAE
from dlkit.algorithms.vae_pictures import Pictures
from dlkit.autograd import Tape, Variable
from dlkit.errors import UsageError
from dlkit.nn.image_list import ImageLayerList
from dlkit.nn.init import HeSpec, InitSpec
from dlkit.nn.layer_list import ActivationName, DenseSpec
from dlkit.nn.module import Module
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.ops.shape import add
from dlkit.ops.variational import gaussian_kl, reparameterise
from dlkit.pictures.exhibits import Left
from dlkit.readers.dataset import Dataset
from dlkit.readers.spec import DataSpec
from dlkit.recipe.schema import ByteSize, TrainingRecipe
from dlkit.training.metrics import Column

Batch = Annotated[int, Field(ge=1)] | Literal["full"]
SLACK = 1e-6
"""How far outside of 0..1 rounding may put a number that is to be a probability."""
LEAST_USES = 64
"""How often a shard should use a weight in a step, on average."""


class VAERecipe(TrainingRecipe):
    """The recipe of vae."""

    command: Literal["vae"] = Field("vae", description="Command that this recipe is for.")
    data: DataSpec = Field(description="Images to learn, and how to read them; labels only colour pictures.")
    encoder: ImageLayerList = Field(
        [DenseSpec(units=400)],
        description="Layers of the encoder; a dense layer that gives means and log variances follows.",
    )
    latent: int = Field(
        20,
        ge=1,
        description="Numbers in a code z.",
        json_schema_extra={"aka": ["latent_dim", "z_dim", "code"]},
    )
    decoder: ImageLayerList = Field(
        [DenseSpec(units=400)],
        description="Layers of the decoder; a dense layer that gives the pixels follows, "
        "unless the list ends with the image itself.",
    )
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli", description="p(x|z): bernoulli = pixels from 0 to 1 as probabilities; gaussian.",
        json_schema_extra={"aka": ["loss", "output", "reconstruction"]},
    )  # fmt: skip
    variance: Annotated[float, Field(gt=0)] | Literal["learnt"] = Field(
        "learnt", description="Variance of a Gaussian pixel, the same for all: a number, or learnt."
    )
    beta: float = Field(
        1.0, ge=0, description="Weight of the divergence in the loss; 1: the bound itself, more: beta-VAE."
    )
    binarize: bool = Field(
        False,
        description="Draw pixels as 0 or 1, with their value as probability, anew in every epoch.",
        json_schema_extra={"aka": ["binarise", "binary"]},
    )
    activation: ActivationName = Field("relu", description="Activation of layers that name none.")
    init: InitSpec = Field(HeSpec(), description="Initial weights of layers that name none.")
    unfold_memory: ByteSize | None = Field(
        None,
        description="Most memory for unfolded images in convolutions, a thread's share; "
        "null: 4 MiB (GPU 64).",
    )
    start: str | None = Field(
        None,
        description="Weights to begin with: an .npz file as dlkit export writes it, or a run.",
        json_schema_extra={"aka": ["weights", "pretrained", "init_from"]},
    )
    optimizer: OptimizerSpec = Field(AdamSpec(), description="How the weights are updated.")
    epochs: int = Field(
        10, ge=1, description="Passes over the training images.", json_schema_extra={"aka": ["iterations"]}
    )
    batch: Batch = Field(
        64,
        description="Images of a gradient step: a number, or full.",
        json_schema_extra={"aka": ["batch_size", "minibatch"]},
    )

    @model_validator(mode="after")
    def _bernoulli_alone(self) -> "VAERecipe":
        if self.binarize and self.likelihood != "bernoulli":
            raise ValueError("binarize: pixels that are 0 or 1 need likelihood: bernoulli")
        return self


def _columns(split: str, text: str) -> Iterable[Column]:
    def nats(name: str, doc: str) -> Column:
        return Column(f"{split}_{name}", "nats an image", f"{text}: {doc}", higher_is_better=False)

    yield nats("neg_elbo", "-ELBO, reconstruction + kl whatever beta is")
    yield nats("reconstruction", "-log p(x|z) of one draw z")
    yield nats("kl", "KL(q(z|x) || p(z)), in closed form")


class VAE(Started, AskedVAE, MinibatchTraining):
    """Encoder, draw, decoder; the bound on the log-likelihood as the loss."""

    command = "vae"
    SPLIT = "products"
    Recipe = VAERecipe
    UNIT = "images"
    PLATEAU = "neg_elbo"
    PREVIEWS = ("samples.png", "reconstructions.png")
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *_columns("train", "over the epoch"),
        *_columns("valid", "validation images"),
        Column("valid_active_units", "count", "numbers of the code whose mean varies by more than 0.01"),
        Column("noise_std", "1", "standard deviation of a pixel, where it is learnt"),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left("samples.png", "Samples", "Pictures decoded from codes drawn at random."),
        Left(
            "reconstructions.png",
            "Reconstructions",
            "Each picture, and right of it what becomes of its code.",
        ),
        Left(
            "manifold.png",
            "Plane of codes",
            "Pictures decoded from codes at equal steps of probability along both axes.",
        ),
        Left(
            "latent.png",
            "Map of codes",
            "A dot for each picture at the mean of its code, coloured by its label.",
        ),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit vae mnist/train --test mnist/test                 784-400-20, as in the article
  dlkit vae recipes/vae-mnist.yaml --epochs 50 -o runs/long
  dlkit vae recipes/vae-digits.yaml --latent 2 && dlkit sample runs/vae-vae-digits --manifold
  dlkit vae photos/ --resize 32 --likelihood gaussian     a folder of PNG or JPEG"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        super().read_data()
        low, high = _range(self.data.train)
        if self.recipe.likelihood == "bernoulli" and not -SLACK <= low <= high <= 1 + SLACK:
            raise UsageError(
                f"pixels are probabilities from 0 to 1, these are from {low:g} to {high:g}",
                where="likelihood",
                hint="data.scale: image, or likelihood: gaussian",
            )
        self.pixels = self._as_in_the_file(self.data.train)

    def network_to_start(self) -> Module:
        return self.model

    def _as_in_the_file(self, rows: Dataset) -> np.ndarray:
        """(2,): what is black and what is white, in the file's units."""
        if rows.x.dtype == np.uint8:
            return np.array([0.0, 255.0])
        if not self.preprocess.is_affine:
            return np.array([0.0, 1.0])
        spread = np.broadcast_to(self.preprocess.scale, rows.x.shape[1:])
        shift = np.broadcast_to(self.preprocess.shift, rows.x.shape[1:])
        ends = [(end(rows.x, axis=0) - shift) / spread for end in (np.min, np.max)]
        return np.array([np.min(ends), np.max(ends)], np.float64)

    def worthwhile_shards(self, threads: int) -> int:
        """Where the batch is cut, every shard writes a gradient of its own: it should use a weight often.

        784-400-20 with 64 images a step took 3.0 ms with one shard and 3.4 ms with two shards of the batch.
        """
        shards = super().worthwhile_shards(threads)
        if self.recipe.split == "products":
            return shards
        weights = sum(parameter.size for _, parameter in self.model.parameters())
        uses = self._batch_rows() * self.model.products(self.input_shape) / weights
        return max(min(shards, int(uses // LEAST_USES)), 1)

    # -- the bound --------------------------------------------------------------------------------
    totals = 2

    def batch_loss(self, tape: Tape, rows: Rows, index: Any, weight: float) -> tuple[Variable, list[Any]]:
        x = self._images(tape, rows, index)
        f = self.model.encode(tape, tape.constant(x))
        z = reparameterise(tape, f, self._normal(tape, len(index)))
        y = self.model.decode(tape, z)
        reconstruction, reconstructions = self.model.likelihood.loss(tape, y, x, weight)
        kl, kls = gaussian_kl(tape, f, self.recipe.beta * weight)
        return add(tape, reconstruction, kl), [reconstructions, kls]

    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        reconstruction, kl = (float(total / rows) for total in sums)
        return {"neg_elbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    # -- one epoch --------------------------------------------------------------------------------
    def describe(self) -> Description:
        described = super().describe()
        described.layers = self.model.table()
        return described

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = super().end_epoch(epoch)
        if (std := self.noise_std()) is not None:
            row["noise_std"] = std
        return row

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        return {} if self.data.test is None else named("test", self._figures(self._rows(self.data.test)))

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        """Samples and reconstructions; where a code has two numbers the plane and where images lie in it."""
        return Pictures(self).artifacts(self.data.test or self.data.valid or self.data.train)

    def previews(self) -> Iterable[tuple[str, str | bytes]]:
        return Pictures(self).previews(self.data.test or self.data.valid or self.data.train)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return super().state() | {"pixels": self.pixels}

    def load(self, state: Tree) -> None:
        super().load(state)
        self._load_pixels(state)

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = super().restore(recipe, state, context)
        self._load_pixels(state)
        return self


def _range(rows: Dataset) -> tuple[float, float]:
    """Smallest and largest number that the network is shown."""
    if rows.x.dtype == np.uint8:
        ends = np.stack([rows.shift, rows.shift + 255 * rows.scale])
        return float(ends.min()), float(ends.max())
    return float(rows.x.min()), float(rows.x.max())


ALGORITHM = VAE
