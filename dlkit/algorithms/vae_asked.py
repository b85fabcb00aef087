"""What a trained VAE is asked: codes of images, images of codes, and how well it explains images."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.protocol import Answer, File, Tree
from dlkit.algorithms.rows import PREDICTION_ROWS, RowNetwork, Rows, named
from dlkit.algorithms.vae_codes import read_codes
from dlkit.algorithms.vae_network import Gaussian, VAENetwork
from dlkit.algorithms.vae_pictures import Pictures
from dlkit.autograd import Tape
from dlkit.backend.streams import Streams
from dlkit.errors import DataError, UsageError
from dlkit.ops.noise import random_bits
from dlkit.ops.variational import gaussian_kl, reparameterise
from dlkit.readers.dataset import Dataset, joined, regrouped
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.training.checkpoint.form import misfit

ACTIVE = 0.01
"""Variance of a code's mean over images from which it counts as used (Burda et al. 2016, section 2)."""
MOST_DRAWS = 1024
"""Draws of one image that go through the decoder at once."""


class AskedVAE(RowNetwork):
    """The two networks, and what is needed to read images and to write them."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"reconstruct", "n"}),
        "evaluate": frozenset({"iwae"}),
        "export": frozenset({"format"}),
        "sample": frozenset({"n", "seed", "interpolate", "between", "manifold"}),
    }
    model: VAENetwork
    pixels: np.ndarray
    """(2,): what is black and what is white, in the units of the file."""

    # -- model ------------------------------------------------------------------------------------
    def _take(self, schema: Schema, preprocess: Preprocess) -> None:
        self.schema, self.preprocess = schema, preprocess

    def _lay_out(self) -> None:
        self.input_shape = self.schema.input_shape
        self.model = VAENetwork(self.recipe, self.input_shape)

    def _load_pixels(self, state: Tree) -> None:
        pixels = state["pixels"]
        if misfit(pixels, np.zeros(2)) or not np.isfinite(pixels).all():
            raise ValueError("pixels: two finite numbers are expected")
        self.pixels = pixels

    def noise_std(self) -> float | None:
        """Standard deviation of a pixel, where it is learnt."""
        likelihood = self.model.likelihood
        if not isinstance(likelihood, Gaussian) or likelihood.parameter is None:
            return None
        return math.exp(float(self.context.backend.to_host(likelihood.parameter.data)[0]) / 2)

    # -- forward ----------------------------------------------------------------------------------
    def _images(self, tape: Tape, rows: Rows, index: Any) -> Any:
        """(n, d): rows as the network takes them; with binarize drawn as 0 and 1 from the tape's stream."""
        x = self._inputs(tape, rows, index)
        if not self.recipe.binarize:
            return x
        bits = self.context.backend.asarray(random_bits(tape.rng, x.size)).reshape(x.shape)
        x[...] = bits < x * 65536
        return x

    def _normal(self, tape: Tape, n: int) -> Any:
        """(n, k) standard normal numbers of the tape's stream, drawn on the host."""
        backend = self.context.backend
        return backend.asarray(tape.rng.standard_normal((n, self.recipe.latent), dtype=backend.dtype))

    def decoded(self, z: np.ndarray) -> np.ndarray:
        """Expected pixels (n, d) of codes (n, k), as the network sees pixels. On this rank alone."""
        backend, parts = self.context.backend, []
        for start in range(0, len(z), MOST_DRAWS):
            tape = self._tapes[0]
            tape.begin(training=False)
            code = backend.asarray(np.ascontiguousarray(z[start : start + MOST_DRAWS], backend.dtype))
            y = self.model.decode(tape, tape.constant(code))
            parts.append(self.model.likelihood.mean(np.array(backend.to_host(y.data))))
        return np.concatenate(parts)

    def encoded(self, rows: Rows) -> np.ndarray:
        """f (n, 2k) of rows on the host: means and beside them log variances; binarize left out.

        Raises DataError for a row whose code is not finite.
        """
        to_host = self.context.backend.to_host

        def encode(tape: Tape, index: Any) -> np.ndarray:
            x = self._inputs(tape, rows, index)
            return np.array(to_host(self.model.encode(tape, tape.constant(x)).data))

        f = np.concatenate(self._over_chunks(len(rows), encode, first=rows.first))
        if not np.isfinite(f).all():
            row = int(np.flatnonzero(~np.isfinite(f).all(axis=1))[0])
            raise DataError("the code of this row is not finite", where=rows.place(row),
                            hint="are its numbers far from those of training?")  # fmt: skip
        return f

    # -- figures ----------------------------------------------------------------------------------
    def _figures(self, rows: Rows) -> dict[str, float]:
        """The parts of -ELBO over rows, with one draw an image from the stream "elbo", and active units."""
        xp, k = self.context.backend.xp, self.recipe.latent

        def judge(tape: Tape, index: Any) -> Any:
            x = self._images(tape, rows, index)
            f = self.model.encode(tape, tape.constant(x))
            y = self.model.decode(tape, reparameterise(tape, f, self._normal(tape, len(index))))
            reconstructions = self.model.likelihood.loss(tape, y, x, 1.0)[1]
            kls = gaussian_kl(tape, f, 1.0)[1]
            mu = f.data[:, :k].astype(np.float64)
            sums = [values.sum(dtype=np.float64).reshape(1) for values in (reconstructions, kls)]
            return xp.concatenate([*sums, mu.sum(0), (mu * mu).sum(0)])

        parts = self._over_chunks(len(rows), judge, stream="elbo", noise=False, first=rows.first)
        sums = self.context.backend.to_host(xp.stack(parts)).sum(0)
        mean, square = sums[2 : 2 + k] / len(rows), sums[2 + k :] / len(rows)
        active = int((square - mean * mean > ACTIVE).sum())
        return self.figures(sums[:2], len(rows)) | {"active_units": active}

    def log_likelihood(self, rows: Rows, draws: int) -> float:
        """Mean over rows of log 1/K sum_k p(x, z_k) / q(z_k|x), z_k ~ q: a bound that K tightens, in nats.

        Burda et al. 2016, eq. 8, with K = draws from the stream "iwae".
        """
        xp, block = self.context.backend.xp, min(draws, MOST_DRAWS)

        def judge(tape: Tape, index: Any) -> Any:
            x = xp.array(self._images(tape, rows, index))
            f = xp.array(self.model.encode(tape, tape.constant(x)).data)
            total = xp.full(len(index), -math.inf)
            for done in range(0, draws, block):
                tape.begin(training=False, rng=tape.rng)
                weights = self._log_weights(tape, x, f, min(block, draws - done))
                top = weights.max(0)
                part = xp.log(xp.exp(weights - top).sum(0)) + top
                total = xp.logaddexp(total, part)
            return (total - math.log(draws)).sum().reshape(1)

        parts = self._over_chunks(
            len(rows), judge, passes=block, stream="iwae", noise=False, first=rows.first
        )
        return float(self.context.backend.to_host(xp.concatenate(parts)).sum() / len(rows))

    def _log_weights(self, tape: Tape, x: Any, f: Any, draws: int) -> Any:
        """log p(x|z) + log p(z) - log q(z|x) of `draws` draws for each row: (draws, n) float64."""
        xp, n, k = self.context.backend.xp, len(x), self.recipe.latent
        f, x = xp.tile(f, (draws, 1)), xp.tile(x, (draws, 1))
        e = self._normal(tape, len(f))
        z = reparameterise(tape, tape.constant(f), e)
        y = self.model.decode(tape, z)
        reconstructions = self.model.likelihood.loss(tape, y, x, 1.0)[1]
        prior = (e.astype(np.float64) ** 2 + f[:, k:] - z.data.astype(np.float64) ** 2).sum(1) / 2
        return (prior - reconstructions).reshape(draws, n)

    # -- questions --------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer | File]:  # type: ignore[override]
        if options.get("reconstruct"):
            yield Pictures(self).reconstructions_of(self._first(source, options.get("n") or 64))
            return
        if options.get("n"):
            raise UsageError("how many rows to show goes with --reconstruct", where="-n")
        k = self.recipe.latent
        header = [f"{part}_{j}" for part in ("mean", "std") for j in range(k)]
        chunks, first = self._read(source, need_label=False), 0
        for chunk in regrouped(chunks, PREDICTION_ROWS):
            rows = self._rows(chunk)
            rows.first = first
            f = self.encoded(rows)
            yield Answer(header, [*f[:, :k].T, *np.exp(f[:, k:] / 2).T])
            first += len(chunk)
        self._tell(chunks)

    def _first(self, source: str, n: int) -> Dataset:
        """The first n rows of a file."""
        taken: list[Dataset] = []
        for chunk in self._read(source, need_label=False):
            taken.append(chunk.take(slice(0, n - sum(map(len, taken)))))
            if sum(map(len, taken)) >= n:
                break
        return joined(taken)

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        draws = options.get("iwae")
        if source is None:
            if self.recipe.data.train == "-":
                raise UsageError("the run learnt from standard input; name a file", where="evaluate")
            self.read_data()
            if self.data.test is None:
                raise UsageError("the recipe has no test images; name a file", where="evaluate")
            return named("test", self._judge(self._rows(self.data.test), draws))
        chunks = self._read(source, need_label=False)
        whole = joined(list(chunks))
        self._tell(chunks)
        return {"rows": len(whole)} | named("test", self._judge(self._rows(whole), draws))

    def _judge(self, rows: Rows, draws: int | None) -> dict[str, float]:
        figures = self._figures(rows)
        if draws:
            figures[f"log_likelihood_{draws}"] = self.log_likelihood(rows, draws)
        return figures

    def sample(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        ways = [name for name in ("interpolate", "between", "manifold") if options.get(name)]
        if len(ways) > 1 and ways != ["interpolate", "between"]:
            raise UsageError(f"--{ways[0]} and --{ways[-1]} exclude each other")
        seed = options.get("seed")
        streams = self.context.streams if seed is None else Streams(seed)
        pictures, n = Pictures(self), options.get("n")
        if options.get("manifold"):
            yield pictures.manifold(n or 20)
        elif source := options.get("between"):
            yield pictures.interpolation(*self._ends(source))
        elif options.get("interpolate"):
            yield pictures.interpolation(
                *self._drawn(streams, 2 * (n or 8)).reshape(2, -1, self.recipe.latent)
            )
        else:
            yield pictures.samples(self._drawn(streams, n or 64))

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:

        from dlkit.algorithms import network_export

        return network_export.autoencoder(self, options)

    def _drawn(self, streams: Streams, n: int) -> np.ndarray:
        """n codes (n, k) of the prior."""
        return streams.get("sample").standard_normal((n, self.recipe.latent))

    def _ends(self, source: str) -> tuple[np.ndarray, np.ndarray]:
        """Codes of rows 1, 3, ... and of rows 2, 4, ... of a file of images, or of codes by predict."""
        codes = read_codes(source, self.recipe.latent)
        if codes is None:
            codes = self.encoded(self._rows(self._first(source, 64)))[:, : self.recipe.latent]
        if len(codes) < 2:
            raise DataError("one row; from it to where?", where=source, hint="give two or more")
        pairs = len(codes) // 2
        return codes[0 : 2 * pairs : 2], codes[1 : 2 * pairs : 2]
