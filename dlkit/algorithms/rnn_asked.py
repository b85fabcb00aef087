"""What a trained rnn can be asked: to write on, to complete a word, to score texts, to tell classes."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.asked import softmax
from dlkit.algorithms.mistakes import Mistakes
from dlkit.algorithms.protocol import Answer, File
from dlkit.algorithms.rnn_classes import batch_of, judged_chunks
from dlkit.algorithms.rnn_training import SequenceTraining
from dlkit.algorithms.rnn_writing import Writer, ends, written
from dlkit.algorithms.rows import named
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Made, Passage, confusion_sheet
from dlkit.readers.again import Rereadable
from dlkit.readers.labelled_sequences import Coder, SequenceData, Sequences, judged_by
from dlkit.readers.language_data import read_text, spelling_of
from dlkit.readers.opening import STDIN
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.symbols import UNKNOWN
from dlkit.readers.text import Texts, TextSource

LENGTH, TEMPERATURE, COMPLETIONS = 400, 1.0, 10
TEMPERATURES, EXHIBITED = (0.5, 0.8, 1.0), 300
"""Of the texts that a report shows, and their symbols."""


class AskedSequences(SequenceTraining):
    """sample, predict, evaluate."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "sample": frozenset({"n", "seed", "prompt", "temperature", "top_k", "length"}),
        "predict": frozenset({"complete", "n"}),
        "evaluate": frozenset(),
        "export": frozenset({"format"}),
    }

    # -- writing ----------------------------------------------------------------------------------
    def _writer(self, verb: str) -> Writer:
        if self.classes:
            raise UsageError("this run tells classes of sequences; it does not write", where=verb)
        return Writer(self.network, self.symbols, self.context.backend, self.context.team.product)

    def _refuse_unknown(self, text: str, flag: str) -> None:
        if len(unknown := np.flatnonzero(self.symbols.encode(text) == UNKNOWN)):
            found = list(text) if self.symbols.cut == "characters" else text.split()
            what = f" {found[unknown[0]]!r}" if len(found) > unknown[0] else ""
            raise UsageError(f"the training text has no{what or ' such symbol'}", where=flag)

    def sample(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """Texts that begin with the prompt, a line end after each."""
        writer = self._writer("sample")
        prompt = options.get("prompt") or ""
        self._refuse_unknown(prompt, "--prompt")
        seed, rows = options.get("seed"), options.get("n") or 1
        streams = self.context.streams if seed is None else type(self.context.streams)(seed)
        temperature = options.get("temperature")
        yield from written(
            writer, prompt, options.get("length") or LENGTH, rows,
            TEMPERATURE if temperature is None else temperature, options.get("top_k"), streams.get("sample"),
        )  # fmt: skip

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """npz: the weights; csv: the symbols behind their numbers."""
        if exported.chosen(options, "npz", "csv") == "npz":
            yield exported.weights(self.network.state())
        else:
            yield exported.numbered("symbols.csv", "symbol", self.symbols.texts)

    def predict(self, source: str | None, options: Mapping[str, Any]) -> Iterator[Answer]:
        """Classes of sequences; scores of the lines of a text; with `complete` the ends of a word."""
        prompt = options.get("complete")
        if prompt is not None:
            if source is not None:
                raise UsageError("completes the text that it is given; no file is read", where="--complete")
            writer = self._writer("--complete")
            self._refuse_unknown(prompt, "--complete")
            found = ends(writer, prompt, options.get("n") or COMPLETIONS)
            columns = [
                [one.text for one in found],
                np.array([one.probability for one in found], np.float32),
            ]
            yield Answer(["completion", "probability"], columns)
            return
        if source is None:
            raise UsageError("name a file of lines (or - for standard input)", where="INPUT")
        if options.get("n") is not None:
            raise UsageError("says how many completions; there is no --complete", where="-n")
        yield from self._classes_of(source) if self.classes else self._scores_of(source)

    def exhibits(self) -> Iterator[Made | str]:
        """Texts that it writes; of classes what it confuses."""
        if self.classes:
            yield from self._confused()
            return
        texts = [
            (f"temperature {t:g}", "".join(map(str, self.sample({"temperature": t, "length": EXHIBITED}))))
            for t in TEMPERATURES
        ]
        told = "Written from nothing: the lower the temperature, the likelier each symbol."
        yield Passage("What it writes", told, texts)

    def _confused(self) -> Iterator[Made | str]:
        if self.recipe.data.train == STDIN:
            yield "the run learnt from standard input: there are no rows to judge it by"
            return
        self.read_data()
        held, what = (self.data.test, "test rows") if self.data.test else (self.data.valid, "validation rows")
        if not isinstance(held, Sequences):
            yield "the recipe holds no rows out: there is nothing to judge it by"
            return
        mistakes = Mistakes(self._answers(held), held.labels)
        yield confusion_sheet(self.classes, mistakes.matrix.tolist(), what)

    def _documents(self, source: str, *, labelled: bool) -> TextSource:
        """Lines of a file, or documents of a folder, with or without their class in front."""
        path = Path(STDIN) if source == STDIN else find_file_or_folder(source).path
        spec = self.recipe.data
        classes = self.classes or None
        texts = TextSource(
            path, encoding=spec.encoding, on_bad_row=self.recipe.on_bad_row, labelled=labelled,
            classes=classes,
        )  # fmt: skip
        texts.drop_labels = bool(self.classes) and not labelled
        return texts

    def _coder(self, longest: int) -> Coder:
        return Coder(self.symbols.cut, self.symbols.lower, longest, self.symbols)

    def _classes_of(self, source: str) -> Iterator[Answer]:
        texts = self._documents(source, labelled=False)
        header = ["label", *(f"p_{name}" for name in self.classes)]
        for chunk in texts.chunks():
            p = self._probabilities(chunk)
            label = [self.classes[k] for k in p.argmax(1)]
            columns = [label, *p.astype(np.float32).T]
            named_rows = chunk.files is not None
            yield Answer(
                ["file", *header] if named_rows else header,
                [chunk.files, *columns] if named_rows else columns,
            )

    def _probabilities(self, chunk: Texts) -> np.ndarray:
        """(D, classes) float64."""
        p = self._answers(self._coder(self.recipe.data.longest).coded(iter([chunk])))
        if not np.isfinite(p).all():
            d = int(np.flatnonzero(~np.isfinite(p).all(1))[0])
            raise DataError("the network's output for this sequence is not finite", where=chunk.place(d))
        return p

    def _answers(self, data: Sequences) -> np.ndarray:
        """(D, classes) float64."""
        p = np.empty((len(data), len(self.classes)))
        chunks = judged_chunks(data)

        def work(s: int) -> None:
            for rows in chunks[s :: self.context.team.shards]:
                tape = self._tapes[s]
                tape.begin(training=False)
                with np.errstate(all="ignore"):
                    logits = batch_of(data, rows).logits(self.network, tape)
                p[rows] = softmax(self.context.backend.to_host(logits.data))

        self.context.team.map(work)
        return p

    def _scores_of(self, source: str) -> Iterator[Answer]:
        """How likely the model finds each line: that of its symbols and of the line end after them."""
        writer = self._writer("predict")
        line_end = self.symbols.numbers.get("\n", UNKNOWN)
        for chunk in self._documents(source, labelled=False).chunks():
            data = chunk.data.tobytes()
            lines = [
                data[i:j].decode("utf-8")
                for i, j in zip(chunk.starts.tolist(), chunk.ends.tolist(), strict=True)
            ]
            ids = [self.symbols.encode(line) for line in lines]
            nll = np.array([self._nll(writer, one, line_end) for one in ids])
            count = np.array([len(one) + (line_end != UNKNOWN) for one in ids])
            mean = nll / np.maximum(count, 1)
            places = chunk.lines if chunk.lines is not None else np.arange(len(lines))
            header = ["line", "symbols", "nats", "bits_per_symbol", "perplexity"]
            columns = [places, count, nll, mean / math.log(2), np.exp(np.minimum(mean, 700.0))]
            yield Answer(header, [column.astype(np.float32) if column.dtype.kind == "f" else column
                                  for column in columns])  # fmt: skip

    def _nll(self, writer: Writer, ids: np.ndarray, line_end: int) -> float:
        """-log p of a line that follows a line end."""
        whole = np.concatenate([[line_end], ids, [line_end]]).astype(np.int64)
        if line_end == UNKNOWN:
            whole = whole[:-1]
        tape = self._tapes[0]
        tape.begin(training=False)
        with np.errstate(all="ignore"):
            y, _ = self.network.run(tape, whole[:-1, None])
            _, measures = self.network.next_symbols(tape, y, whole[1:, None], 1.0)
        return float(self.context.backend.to_host(measures[0].sum(dtype=np.float64)))

    # -- figures ----------------------------------------------------------------------------------
    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        if source is None:
            if self.recipe.data.train == STDIN:
                raise UsageError("the run learnt from standard input; name a file", where="evaluate")
            self.read_data()
            if self.data.test is None:
                raise UsageError("the recipe has no test data; name a file", where="evaluate")
            return named("test", self.judged(self.data.test))
        path = Path(STDIN) if source == STDIN else find_file_or_folder(source).path
        recipe = self.recipe
        if not self.classes:
            text = read_text(Rereadable(path), spelling_of(recipe.data, recipe.on_bad_row), self.symbols)
            figures = {"symbols": len(text)} | named("test", self.judged(text))
            return figures | ({"unknown": unknown} if (unknown := text.unknown()) else {})
        nothing = Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int64))
        holder = SequenceData(self.symbols, self.classes, nothing)
        found = judged_by(holder, recipe.data, Rereadable(path), recipe.on_bad_row)
        for note in holder.notes:
            self.context.log(note)
        return {"rows": len(found)} | named("test", self.judged(found))
