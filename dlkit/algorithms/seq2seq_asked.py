"""What a trained seq2seq can be asked: translations, their figures, and where each word looked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.protocol import Answer, File
from dlkit.algorithms.rows import named
from dlkit.algorithms.seq2seq_figures import available, translation_figures
from dlkit.algorithms.seq2seq_search import Hypothesis, Search, in_batches
from dlkit.algorithms.seq2seq_training import JUDGED_PAIRS, JUDGED_PLACES, PairTraining
from dlkit.errors import DataError, UsageError
from dlkit.nn.step import shard_rows
from dlkit.pictures.exhibits import Made, Sheet
from dlkit.readers.opening import STDIN
from dlkit.readers.parallel import Corpus, read_labelled, read_parallel
from dlkit.readers.sentences import UNKNOWN, Language, Sentences
from dlkit.readers.source_lines import SourceLine, source_lines

EXHIBITED, LOOKED, LONGEST = 10, 3, 25
"""Pairs that a report shows; of how many it shows where their words looked, and most words of those."""


class Translation(NamedTuple):
    """A translation of one sentence."""

    source: list[str]
    words: list[str]
    text: str
    """The words as the language is written."""
    hypothesis: Hypothesis


class AskedTranslator(PairTraining):
    """predict, evaluate, and the figures of validation and test."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"beam", "n_best", "length_penalty", "keep_unk", "attention"}),
        "evaluate": frozenset({"beam", "length_penalty"}),
        "export": frozenset({"format"}),
    }

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """npz: the weights; csv: the words of both languages behind their numbers."""
        if exported.chosen(options, "npz", "csv") == "npz":
            yield exported.weights(self.network.state())
            return
        for name, language in (("source", self.source), ("target", self.target)):
            yield exported.numbered(f"{name}_words.csv", "word", language.words(range(language.size)))

    # -- translating ------------------------------------------------------------------------------
    def translations(
        self,
        sentences: Sentences,
        words: Sequence[list[str]],
        *,
        beam: int,
        alpha: float,
        keep_unk: bool = False,
        scored: bool = False,
    ) -> list[list[Translation]]:
        """The best translations of each sentence, at most `beam`, the best first. words: of the sentences;
        scored: greedy ones are given log p too."""
        found: list[list[Translation]] = [[] for _ in words]
        chunks = list(in_batches(sentences.lengths, max(JUDGED_PAIRS // beam, 1), JUDGED_PLACES // beam))
        team = self.context.team
        shards = team.shards
        if not hasattr(self, "_searches"):
            self._searches = [Search(self.network, self.context.backend, team) for _ in range(shards)]
        for search in self._searches:
            search.begin()

        def work(s: int) -> None:
            for rows in chunks[s::shards]:
                some = self._searched(sentences, rows, s, beam, alpha, scored)
                for k, best in zip(rows.tolist(), some, strict=True):
                    found[k] = [self._told(words[k], one, keep_unk) for one in best]

        team.map(work)
        return found

    def _searched(
        self, sentences: Sentences, rows: np.ndarray, shard: int, beam: int, alpha: float, scored: bool
    ) -> list[list[Hypothesis]]:
        search = self._searches[shard]
        ids, lengths = sentences.padded(rows), sentences.lengths[rows]
        with np.errstate(all="ignore"):
            if beam == 1:
                return [[one] for one in search.greedy(ids, lengths, alpha=alpha, scored=scored)]
            return search.beams(ids, lengths, beam, alpha=alpha)

    def _told(self, source: list[str], found: Hypothesis, keep_unk: bool) -> Translation:
        """<unk> becomes the source's word that it looked at most (Luong et al. 2015, section 3)."""
        words = self.target.words(found.ids)
        if found.weights is not None and not keep_unk:
            for t, number in enumerate(found.ids):
                if number == UNKNOWN:
                    words[t] = source[int(found.weights[t].argmax())]
        return Translation(source, words, self.target.join(words), found)

    # -- figures ----------------------------------------------------------------------------------
    def judged(self, corpus: Corpus, *, beam: int, alpha: float, scores: bool) -> dict[str, float]:
        """Figures of translations of other pairs; every rank translates its share of them."""
        comm = self.context.comm
        mine = shard_rows(len(corpus), comm.size, comm.rank)
        assert corpus.originals is not None and corpus.references is not None
        words = corpus.originals[mine.start : mine.stop]
        share = _some(corpus.source, np.arange(mine.start, mine.stop))
        found = [best[0] for best in self.translations(share, words, beam=beam, alpha=alpha)]
        told = [(" ".join(one.words), one.text) for one in found]
        every = [one for part in comm.gather(told) for one in part]
        wanted = [(" ".join(words), self.target.join(words)) for words in corpus.references]
        return translation_figures(every, wanted, self.recipe.bleu_tokenize, scores=scores)

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        corpus = self._to_evaluate(source)
        scores = available()
        if not scores:
            self.context.log("BLEU and chrF are left out: they need sacrebleu (pip install 'dlkit[mt]')")
        beam, alpha = self._asked(options)
        made = self.measured(corpus) | self.judged(corpus, beam=beam, alpha=alpha, scores=scores)
        return named("test", made)

    def _asked(self, options: Mapping[str, Any]) -> tuple[int, float]:
        beam, alpha = options.get("beam"), options.get("length_penalty")
        return (
            self.recipe.beam if beam is None else beam,
            self.recipe.length_penalty if alpha is None else alpha,
        )

    def _to_evaluate(self, source: str | None) -> Corpus:
        recipe, context = self.recipe, self.context
        both = (self.source, self.target)
        if source is not None:
            corpus, note = read_labelled(source, recipe.data, both, recipe.on_bad_row, None)
            if note:
                context.log(note)
            return corpus
        if recipe.data.test is None:
            raise UsageError("the recipe has no test pairs", hint="name a file of pairs")
        again = (Language(both[0].spec, "source_words"), Language(both[1].spec, "target_words"))
        self.data = read_parallel(recipe.data, again, recipe.on_bad_row, context.streams, context.base)
        assert self.data.test is not None
        return self.data.test

    # -- report -----------------------------------------------------------------------------------
    def exhibits(self) -> Iterator[Made | str]:
        """The first test pairs, or validation pairs, with their translations and where these looked."""
        again = (Language(self.source.spec, "source_words"), Language(self.target.spec, "target_words"))
        if self.recipe.data.train == STDIN:
            yield "the run learnt from standard input: there are no sentences to translate"
            return
        self.data = read_parallel(
            self.recipe.data, again, self.recipe.on_bad_row, self.context.streams, self.context.base
        )
        held, what = (self.data.test, "test") if self.data.test else (self.data.valid, "validation")
        if held is None or held.originals is None or held.references is None:
            yield "the recipe holds no pairs out: there is nothing to translate"
            return
        rows = np.arange(min(len(held), EXHIBITED))
        words = [held.originals[k] for k in rows.tolist()]
        best = self.translations(
            _some(held.source, rows), words, beam=self.recipe.beam, alpha=self.recipe.length_penalty
        )
        found = [some[0] for some in best]
        wanted = [self.target.join(held.references[k]) for k in rows.tolist()]
        told = f"The first {len(found)} {what} pairs."
        lines = [
            (self.source.join(one.source), right, one.text) for one, right in zip(found, wanted, strict=True)
        ]
        yield Sheet("Translations", told, ("source", "reference", "translation"), lines)
        looked = [one for one in found if one.hypothesis.weights is not None and len(one.source) <= LONGEST]
        yield from map(_looked, sorted(looked, key=lambda one: -len(one.source))[:LOOKED])

    # -- predict ----------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Any]:
        """Lines in, lines out, in their order; an empty line stays one. With n_best a table instead, with
        attention a picture of each sentence."""
        beam, alpha = self._asked(options)
        n_best = options.get("n_best")
        if n_best is not None and n_best > beam:
            if options.get("beam") is not None:
                raise UsageError(f"--n-best {n_best} of {beam} beams", hint=f"--beam {n_best} or more")
            beam = n_best
        if options.get("attention") and not self.network.attends:
            raise UsageError("--attention: this network has none (model.attention: none)")
        keep_unk = bool(options.get("keep_unk"))
        for lines in source_lines(source, self.recipe.data, self.recipe.on_bad_row):
            found = self._answers(lines, beam, alpha, keep_unk, scored=n_best is not None)
            if options.get("attention"):
                yield from self._pictured(lines, found)
            elif n_best is not None:
                yield _table(lines, found, n_best)
            else:
                yield from (best[0].text if best else "" for best in found)

    def _answers(
        self, lines: Sequence[SourceLine], beam: int, alpha: float, keep_unk: bool, *, scored: bool
    ) -> list[list[Translation]]:
        """Translations of each line; none for one that is empty or was left out."""
        spans, words = self.source.cut_lines([line.text for line in lines])
        longest = self.recipe.data.max_length
        for line, its in zip(lines, words, strict=True):
            if len(its) > longest:
                text = f"{len(its)} words, more than data.max_length {longest}"
                if self.recipe.on_bad_row == "error":
                    raise DataError(text, where=line.place)
                self.context.log(f"{line.place}: {text}: left empty")
            elif line.fault:
                self.context.log(f"{line.place}: {line.fault}: left empty")
        sentences = self.source.encode(spans)
        rows = np.flatnonzero((spans.units > 0) & (spans.units <= longest))
        asked = _some(sentences, rows)
        some = self.translations(
            asked, [words[k] for k in rows.tolist()], beam=beam, alpha=alpha, keep_unk=keep_unk, scored=scored
        )
        found: list[list[Translation]] = [[] for _ in lines]
        for k, best in zip(rows.tolist(), some, strict=True):
            found[k] = best
        return found

    def _pictured(self, lines: Sequence[SourceLine], found: list[list[Translation]]) -> Iterator[File | str]:
        from dlkit.pictures.alignment import alignment_png
        from dlkit.pictures.figures import available as drawable
        from dlkit.pictures.figures import missing_font

        if not drawable():
            raise UsageError("--attention needs matplotlib", hint="pip install 'dlkit[report]'")
        words = "".join(w for best in found for one in best[:1] for w in (*one.source, *one.words))
        if missing := missing_font(words):
            self.context.log(missing)
        for line, best in zip(lines, found, strict=True):
            if best and best[0].words:
                one = best[0]
                assert one.hypothesis.weights is not None
                picture = alignment_png(one.source, one.words, one.hypothesis.weights)
                yield File(f"line-{line.number}.png", picture)
            yield best[0].text if best else ""


def _some(sentences: Sentences, rows: np.ndarray) -> Sentences:
    """Some of the sentences."""
    lengths = sentences.lengths[rows]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    at = np.arange(int(starts[-1])) + np.repeat(sentences.starts[:-1][rows] - starts[:-1], lengths)
    return Sentences(sentences.ids[at], starts)


def _looked(one: Translation) -> Sheet:
    """Where each word of a translation looked, as a table."""
    assert one.hypothesis.weights is not None
    weights = np.asarray(one.hypothesis.weights)[: len(one.words), : len(one.source)].tolist()
    told = (
        "A row a word that was written, a column a word that was read: the weights of attention, in percent."
    )
    cells = [(word, *(f"{100 * w:.0f}" for w in row)) for word, row in zip(one.words, weights, strict=True)]
    return Sheet("Attention", told, ("word", *one.source), cells, weights)


def _table(lines: Sequence[SourceLine], found: list[list[Translation]], n_best: int) -> Answer:
    """Several translations a line, with their scores."""
    header = ["line", "rank", "score", "log_p", "translation"]
    rows = [
        (line.number, rank, one.hypothesis.score, one.hypothesis.log_p, one.text)
        for line, best in zip(lines, found, strict=True)
        for rank, one in enumerate(best[:n_best], 1)
    ]
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    columns[2], columns[3] = ([f"{value:.4f}" for value in columns[k]] for k in (2, 3))
    return Answer(header, columns)
