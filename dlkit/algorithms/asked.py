"""A network that answers for rows: outputs, figures, predictions of one network or of draws of its weights.

All that a trained network is asked needs the network, the schema and the preprocessing, not the rows it
learnt from; how it came to be trained is in supervised.py.
"""

import math
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import mc_dropout
from dlkit.algorithms.objectives import Classes, ConstantNoise, LearntNoise, Objective, objective_for
from dlkit.algorithms.protocol import Answer, File
from dlkit.algorithms.rows import PREDICTION_ROWS, RowNetwork, Rows, named
from dlkit.autograd import Tape, Variable
from dlkit.errors import DataError, UsageError
from dlkit.nn.module import Module
from dlkit.pictures.exhibits import Made
from dlkit.readers.dataset import regrouped
from dlkit.readers.preprocess import Preprocess, TargetScale
from dlkit.readers.schema import Schema

PREDICTION_BYTES = 256 << 20
"""About as many bytes of a file are answered at once, at most."""


class AskedNetwork(RowNetwork):
    """A network with what it needs to read rows and to say what its outputs mean."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"mc_samples"}),
        "evaluate": frozenset({"mc_samples"}),
        "export": frozenset({"format"}),
    }

    posterior: Mapping[str, np.ndarray] = MappingProxyType({})
    """Where the optimizer samples weights (sgld): those kept, (samples, *shape) by parameter path."""

    # -- model ------------------------------------------------------------------------------------
    def _take(self, schema: Schema, preprocess: Preprocess) -> None:
        self.schema, self.preprocess = schema, preprocess
        self.objective: Objective = objective_for(
            schema.task, self.recipe.noise, len(schema.classes), preprocess.targets
        )
        if schema.task == "classification" and self.recipe.noise == "learnt":
            raise UsageError("learnt is for regression; the label is one of "
                             f"{len(schema.classes)} classes", where="noise")  # fmt: skip

    def shape_of(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """Shape in which the network takes a row of this shape."""
        return row

    @abstractmethod
    def network(self, input_shape: tuple[int, ...], outputs: int) -> Module:
        """The recipe's layers and the output layer."""

    def _lay_out(self) -> None:
        """The network as sizes; nothing is allocated yet."""
        self.input_shape = self.shape_of(self.schema.input_shape)
        self.model = self.network(self.input_shape, self.objective.outputs)

    def _allocate(self) -> None:
        super()._allocate()
        self.noise_variance = np.full(max(len(self.schema.targets), 1), np.nan)

    # -- forward ----------------------------------------------------------------------------------
    def _input(self, tape: Tape, rows: Rows, index: Any) -> Variable:
        """Some of the rows in the shape in which the network takes them."""
        return tape.constant(self._inputs(tape, rows, index).reshape(len(index), *self.input_shape))

    def outputs(self, rows: Rows, samples: int = 1) -> np.ndarray:
        """Raw outputs (samples, n, outputs) on the host; with samples > 1 each is of another draw of the
        weights: of those that sgld has kept, else by dropout, which stays on (stream "mc").

        Raises DataError for a row whose output is not finite.
        """
        if samples > 1 and self.posterior:
            return self._outputs_of_kept(rows, samples)
        stream = "mc" if samples > 1 else None
        to_host = self.context.backend.to_host

        # Passes go through the network side by side, unless they would share one mask of the weights.
        together = 1 if self.model.has_noise(of_weights=True) else samples

        def forward(tape: Tape, index: Any) -> np.ndarray:
            tiled = self.context.backend.xp.tile(index, together) if together > 1 else index
            draws = []
            for k in range(samples // together):
                if k:
                    tape.begin(training=False, noise=True, rng=tape.rng)
                f = self.model(tape, self._input(tape, rows, tiled))
                draws.append(np.array(to_host(f.data)).reshape(together, len(index), -1))
            return np.concatenate(draws)

        parts = self._over_chunks(len(rows), forward, passes=together, stream=stream, first=rows.first)
        f = np.concatenate(parts, axis=1)
        if not np.isfinite(f).all():
            row = int(np.flatnonzero(~np.isfinite(f).all(axis=(0, 2)))[0])
            text = "the network's output for this row is not finite"
            raise DataError(text, where=rows.place(row), hint="are its numbers far from those of training?")
        return f

    @property
    def kept(self) -> int:
        """Samples of the weights that there are."""
        return len(next(iter(self.posterior.values()), ()))

    def _outputs_of_kept(self, rows: Rows, samples: int) -> np.ndarray:
        """Raw outputs of so many kept samples (at most: of all), evenly spaced; dropout is off."""
        flat, backend = self.model.flat, self.context.backend
        before = flat.data.copy()
        chosen = np.unique(np.linspace(0, self.kept - 1, min(samples, self.kept)).round().astype(np.int64))
        draws = []
        try:
            for k in chosen:
                for path, p in flat.parameters.items():
                    flat.view(flat.data, p)[...] = backend.asarray(self.posterior[path][k])
                draws.append(self.outputs(rows))
        finally:
            flat.data[...] = before
        return np.concatenate(draws)

    # -- figures ----------------------------------------------------------------------------------
    def _judge(self, rows: Rows, samples: int) -> dict[str, float]:
        figures = self._figures(rows)
        if samples > 1:
            figures |= self._mc_figures(rows, samples)
        return figures

    def _mc_figures(self, rows: Rows, samples: int) -> dict[str, float]:
        """Figures of the mean over dropout passes."""
        y = self.context.backend.to_host(rows.y)
        if isinstance(self.objective, Classes):
            p, _, _ = mc_dropout.class_spread(softmax(self.outputs(rows, samples)))
            right = np.maximum(p[np.arange(len(y)), y], np.finfo(float).tiny)
            return {"mc_accuracy": float((p.argmax(1) == y).mean()), "mc_loss": float(-np.log(right).mean())}
        mu, variance = self._moments(rows, samples)
        y = self._targets(rows)
        error = mu.mean(0) - y
        return {
            "mc_rmse": float(np.sqrt((error**2).mean())),
            "mc_log_likelihood": float(mc_dropout.log_likelihood(y, mu, variance).mean()),
        }

    def _moments(self, rows: Rows, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of the targets in their own units, (samples, n, k) each."""
        f = self.outputs(rows, samples).astype(np.float64)
        targets = self._target_scale()
        if isinstance(self.objective, LearntNoise):
            k = len(targets.sd)
            return targets.restore_mean(f[..., :k]), np.exp(f[..., k:]) * targets.sd**2
        return targets.restore_mean(f), np.broadcast_to(self.noise_variance, f.shape)

    def _targets(self, rows: Rows) -> np.ndarray:
        return self._target_scale().restore_mean(self.context.backend.to_host(rows.y))

    def _target_scale(self) -> TargetScale:
        assert self.preprocess.targets is not None, "a regression's targets are standardised"
        return self.preprocess.targets

    # -- questions --------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        samples = self._samples(options)
        answer = self._class_answer if isinstance(self.objective, Classes) else self._number_answer
        chunks = self._read(source, need_label=False)
        first = 0
        # Always the same pieces, whatever a pipe or gzip hands out: the noise and the last digits go by them.
        for chunk in regrouped(chunks, self._piece_rows(samples)):
            rows = self._rows(chunk)
            rows.first = first
            header, columns = answer(rows, samples)
            if rows.names is not None:
                header, columns = ["file", *header], [rows.names, *columns]
            yield Answer(header, columns)
            first += len(chunk)
        self._tell(chunks)
        if isinstance(self.objective, ConstantNoise) and np.isnan(self.noise_variance).any():
            self.context.log("noise is fitted when a run is finished; in this checkpoint it is unknown: nan")

    def _piece_rows(self, samples: int) -> int:
        """Rows of a file that are answered at once: whole evaluation chunks, few where rows are large."""
        size = self._chunk_rows(samples)
        room = PREDICTION_BYTES // (math.prod(self.schema.row_shape) * self.context.backend.dtype.itemsize)
        return max(min(PREDICTION_ROWS, room) // size, 1) * size

    def _samples(self, options: Mapping[str, Any]) -> int:
        samples = options.get("mc_samples") or 1
        if samples > 1 and self.recipe.optimizer.name == "sgld":
            if samples > self.kept:
                raise UsageError(f"sgld has kept {self.kept} samples of the weights", where="--mc-samples",
                                 hint="optimizer.samples, keep_every and burn_in say how many")  # fmt: skip
        elif samples > 1 and not self.model.has_noise():
            raise UsageError("this network has no dropout: its passes would be equal", where="--mc-samples")
        return int(samples)

    def _class_answer(self, rows: Rows, samples: int) -> Answer:
        draws = softmax(self.outputs(rows, samples))
        p, entropy, information = mc_dropout.class_spread(draws)
        label = [self.schema.classes[k] for k in p.argmax(1)]
        names = [f"p_{c}" for c in self.schema.classes]
        columns = [label, *p.astype(np.float32).T]
        if samples == 1:
            return Answer(["label", *names], columns)
        return Answer(
            ["label", *names, "entropy", "mutual_information"],
            [*columns, entropy.astype(np.float32), information.astype(np.float32)],
        )

    def _number_answer(self, rows: Rows, samples: int) -> Answer:
        mu, variance = self._moments(rows, samples)
        spread = mc_dropout.regression_spread(mu, variance)
        parts = {"mean": spread.mean, "std": spread.total}
        if samples > 1:
            parts |= {"epistemic_std": spread.epistemic, "aleatoric_std": spread.aleatoric}
        several = len(self.schema.targets) > 1
        header = [f"{part}_{t}" if several else part for t in self.schema.targets for part in parts]
        targets = range(len(self.schema.targets))
        columns = [values[:, k].astype(np.float32) for k in targets for values in parts.values()]
        return Answer(header, columns)

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        samples = self._samples(options)
        if source is None:
            if self.recipe.data.train == "-":
                raise UsageError("the run learnt from standard input; name a labelled file", where="evaluate")
            self.read_data()
            if self.data.test is None:
                raise UsageError("the recipe has no test rows; name a labelled file", where="evaluate")
            return named("test", self._judge(self._rows(self.data.test), samples))
        chunks = self._read(source, need_label=True)
        (whole,) = regrouped(chunks, sys.maxsize)
        self._tell(chunks)
        return {"rows": len(whole)} | named("test", self._judge(self._rows(whole), samples))

    def exhibits(self) -> Iterator[Made | str]:
        from dlkit.algorithms import network_exhibits

        return network_exhibits.exhibits(self)

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        from dlkit.algorithms import network_export

        return network_export.classifier(self, options)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, in float64."""
    e = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
