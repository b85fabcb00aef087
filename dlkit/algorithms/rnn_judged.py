"""The data of rnn, and its figures on data that is not learnt from."""

from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Algorithm
from dlkit.algorithms.rnn_classes import batch_of, class_figures, judged_chunks
from dlkit.algorithms.rnn_language import (
    CarriedStates,
    Streams,
    foretell,
    judged_streams,
    language_figures,
    part,
    windows,
)
from dlkit.algorithms.rnn_network import SequenceNetwork
from dlkit.autograd import Tape
from dlkit.errors import DataError
from dlkit.nn.step import shard_rows
from dlkit.readers.again import Rereadable
from dlkit.readers.labelled_sequences import SequenceData, Sequences, read_labelled_sequences
from dlkit.readers.language_data import LanguageData, read_language
from dlkit.readers.long_text import Numbered
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.symbols import Symbols
from dlkit.readers.text import looks_like_text

LABELLED = 0.9
"""Share of the first lines that have a tab where lines are label<TAB>text: the others are bad rows."""
SUMS = 2
"""-log p, and how many were foretold."""


class JudgedSequences(Algorithm):
    """Reads a text or labelled sequences, and judges a network by them."""

    data: LanguageData | SequenceData
    network: SequenceNetwork
    symbols: Symbols
    classes: list[str]
    """Empty for a language model."""
    _tapes: list[Tape]

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        found = find_file_or_folder(recipe.data.train, context.base)
        source = Rereadable(found.path)
        task = recipe.task
        if task == "auto":
            labelled = looks_like_text(source.path, source.head(), LABELLED)
            task = "classification" if labelled else "language"
            context.log(f"task: {task}")
        spec, bad = recipe.data, recipe.on_bad_row
        if task == "language":
            if found.path.is_dir():
                raise DataError("is a folder, not a text", where=recipe.data.train)
            self.data = read_language(spec, source, bad, context.base)
            self.classes = []
        else:
            self.data = read_labelled_sequences(spec, source, bad, context.base, context.streams)
            self.classes = self.data.classes
        if found.written != recipe.data.train:
            self.data.resolved["train"] = found.written
        self.task, self.symbols = task, self.data.symbols
        for note in self.data.notes:
            context.log(note)

    def inputs(self) -> list[Path]:
        return [path for path in self.data.files if not path.is_dir()]

    def resolved_recipe(self) -> Any:
        update: dict[str, Any] = {"task": self.task}
        if self.data.resolved:
            update["data"] = self.recipe.data.model_copy(update=self.data.resolved)
        return self.recipe.model_copy(update=update)

    # -- figures ----------------------------------------------------------------------------------
    def _characters(self, text: Numbered) -> float:
        """Characters that the foretold symbols of a text take: all but the first symbol's share."""
        return text.characters() * (len(text) - 1) / len(text)

    def judged(self, text: Numbered | Sequences) -> dict[str, float]:
        """Figures on other data, noise off; every machine takes a share."""
        if isinstance(text, Sequences):
            nll, correct = self._judge_sequences(text)
            return class_figures(nll, correct, len(text))
        streams = judged_streams(text, self.recipe.steps)
        nll, correct = self._judge_text(streams)
        return language_figures(nll, correct, streams.places, self._characters(text))

    def _judge_text(self, streams: Streams) -> tuple[float, float]:
        comm, team, backend = self.context.comm, self.context.team, self.context.backend
        share = shard_rows(streams.count, comm.size, comm.rank)
        carried = CarriedStates(self.network, backend, streams.count)
        sums = backend.zeros((team.shards, SUMS), np.float64)

        def work(s: int) -> None:
            mine = shard_rows(share.stop - share.start, team.shards, s)
            at = slice(share.start + mine.start, share.start + mine.stop)
            if at.start == at.stop:
                return
            tape = self._tapes[s]
            for _, window in windows(streams):
                tape.begin(training=False)
                with np.errstate(all="ignore"):  # figures that are not finite are told as such
                    states = carried.rows(at)
                    _, measures, last = foretell(self.network, tape, part(window, at), states, 1.0)
                    for k, values in enumerate(measures):
                        sums[s, k] += values.sum(dtype=np.float64)
                carried.take(at, last)

        team.map(work)
        nll, correct = np.sum(comm.gather(backend.to_host(sums).sum(0)), axis=0).tolist()
        return nll, correct

    def _judge_sequences(self, data: Sequences) -> tuple[float, float]:
        comm, team, backend = self.context.comm, self.context.team, self.context.backend
        chunks = judged_chunks(data)
        mine = shard_rows(len(chunks), comm.size, comm.rank)
        totals = np.zeros((len(chunks), SUMS))

        def work(s: int) -> None:
            for k in range(mine.start + s, mine.stop, team.shards):
                tape = self._tapes[s]
                tape.begin(training=False)
                with np.errstate(all="ignore"):
                    _, measures = batch_of(data, chunks[k]).loss(self.network, tape, 1.0)
                    totals[k] = [float(backend.to_host(m.sum(dtype=np.float64))) for m in measures]

        team.map(work)
        nll, correct = np.sum(comm.gather(totals), axis=0).sum(0).tolist()
        return nll, correct
