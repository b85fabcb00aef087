"""lda: topics of documents: which words go together, and which topics each document has.

Latent Dirichlet allocation (Blei, Ng & Jordan 2003):

    theta_d ~ Dirichlet(alpha)      phi_k ~ Dirichlet(beta)
    z_i ~ theta_d, w_i ~ phi_z      for each word i of document d

Only the topics z are sampled, theta and phi being integrated out (collapsed Gibbs sampling, Griffiths &
Steyvers 2004; the kernel is in kernels/lda.py, how it is shared out in lda_sampler.py); alpha, one for each
topic, is fitted after each epoch (lda_priors.py). What can be asked of the topics is in lda_asked.py;
docs/lda.md has the mathematics.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.lda_asked import AskedTopics
from dlkit.algorithms.lda_coherence import coherence
from dlkit.algorithms.lda_documents import Completion
from dlkit.algorithms.lda_files import topic_files
from dlkit.algorithms.lda_model import TopicModel
from dlkit.algorithms.lda_recipe import LDARecipe, TopicWordsSpec
from dlkit.algorithms.lda_sampler import Sampler
from dlkit.algorithms.protocol import Context, Description, Progress, Tree
from dlkit.errors import DataError
from dlkit.pictures.exhibits import Left
from dlkit.readers.documents import DocumentReader, Documents, document_frequencies, joined_documents
from dlkit.readers.paths import Found, find_file_or_folder, resolve_path
from dlkit.readers.split import FOLDS, TEST, VALID, fold_of, rows_wanted
from dlkit.readers.vocabulary import Vocabulary
from dlkit.training.metrics import Column

SMALL = 100_000
"""Words below which threads are not worth waking."""


class LDA(AskedTopics):
    """Sweeps over all words; after some of them the priors are fitted and figures taken."""

    command = "lda"
    Recipe = LDARecipe
    UNIT = "words"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_log_likelihood", "nats", "log p(words, topics | alpha, beta) a word", True),
        Column("valid_perplexity", "1", "by document completion: exp(-mean log p) of half of each document"),
        Column("train_umass", "nats", "UMass coherence of the topics' first words, mean over topics", True),
        Column("train_npmi", "1", "NPMI coherence of the same words, -1 to 1, mean over topics", True),
        Column("train_alpha", "1", "sum of alpha over the topics"),
        Column("train_beta", "1", "prior of each word in a topic"),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left("topics.png", "Topics", "The first words of each topic, the bar its probability in the topic."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit lda docs.txt --topics 10                          a document a line
  dlkit lda news/ --stop-words english --valid 0.1        a document a file
  dlkit lda docword.nips.txt.gz --topics 50               UCI counts; words from vocab.nips.txt beside it
  dlkit lda histories.tsv --format items --no-above 0.2   titles between tabs, a reader a line
  dlkit inspect runs/lda-docs --topics"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        data = recipe.data
        self.vocabulary = Vocabulary()
        self.reader = DocumentReader(data, self.tokeniser, self.vocabulary, recipe.on_bad_row, context.base)
        self.found = find_file_or_folder(data.train, context.base)
        whole = self.reader.read(self.found.path)
        self.vocabulary_file = self.reader.vocabulary_file
        self._tell(whole)
        parts = self._parts(len(whole), whole.name)
        self.documents = whole.take(parts == TRAINING) if parts.any() else whole
        number = self._chosen_words()
        self.documents = self.documents.renumbered(number)
        self.other: dict[str, Documents] = {}
        self.other_found: dict[str, Found] = {}
        for split, part in (("valid", VALIDATION), ("test", TESTING)):
            given = getattr(data, split)
            if isinstance(given, str):
                self.other_found[split] = find_file_or_folder(given, context.base)
                self.other[split] = self._other(self.other_found[split].path)
            elif (parts == part).any():
                self.other[split] = whole.take(parts == part).renumbered(number)
        if "valid" in self.other:
            self.completion = Completion(self.other["valid"], context)
            if not self.completion.tokens:
                raise DataError("no word of the validation documents is known", where=whole.name)

    def _parts(self, count: int, name: str) -> np.ndarray:
        """(count,) whether each document is for training, validation or test. Raises DataError."""
        data, streams = self.recipe.data, self.context.streams
        parts = np.full(count, TRAINING, np.int8)
        if data.fold is not None:
            if data.fold.of > count:
                raise DataError(f"fold: {data.fold.of} folds of {count:,} documents", where=name)
            folds = fold_of(count, None, data.fold.of, streams.get("split", FOLDS))
            parts[folds == data.fold.index] = TESTING
        for split, part, stream in (("test", TESTING, TEST), ("valid", VALIDATION, VALID)):
            given = getattr(data, split)
            if given is None or isinstance(given, str):
                continue
            free = np.flatnonzero(parts == TRAINING)
            wanted = rows_wanted(given, len(free), split, name)
            parts[streams.get("split", stream).permutation(free)[:wanted]] = part
        return parts

    def _chosen_words(self) -> np.ndarray:
        """(V,) new number of each word, -1 for those that the limits leave out. Raises DataError."""
        spec: TopicWordsSpec = self.recipe.text
        documents, name = self.documents, self.documents.name
        words = len(self.vocabulary)
        if not len(documents.words):
            raise DataError(
                "no word in any document", where=name, hint="text.tokens, text.shortest, text.stop_words"
            )
        found = document_frequencies(documents, words)
        count = len(documents)
        least = spec.no_below if isinstance(spec.no_below, int) else math.ceil(spec.no_below * count)
        most = spec.no_above if isinstance(spec.no_above, int) else math.floor(spec.no_above * count)
        rare, common = (found > 0) & (found < least), found > most
        chosen = (found > 0) & ~rare & ~common
        if not chosen.any():
            text = (
                f"none of {int((found > 0).sum()):,} words is left: {int(rare.sum()):,} are in fewer than "
                f"{least:,} documents, {int(common.sum()):,} in more than {most:,} of {count:,}"
            )
            hints = ["lower text.no_below"] * bool(rare.any()) + ["raise text.no_above"] * bool(common.any())
            raise DataError(text, where=name, hint=", ".join(hints))
        if spec.most_words is not None and chosen.sum() > spec.most_words:
            best = np.argsort(-np.where(chosen, found, -1), kind="stable")[: spec.most_words]
            chosen = np.isin(np.arange(words), best)
        self.left_out = {"rare": int(rare.sum()), "common": int(common.sum())}
        self.vocabulary.keep(chosen)
        return np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int32)

    def _other(self, path: Path) -> Documents:
        """A file of documents beside the training file."""
        labels = sorted(set(self.documents.labels)) if self.documents.labels is not None else None
        made = joined_documents(list(self.reader.pieces(path, labels)))
        self._tell(made)
        return made

    def _tell(self, documents: Documents) -> None:
        if documents.skipped:
            self.context.log(
                f"{documents.name}: {documents.skipped:,} bad rows skipped, first {documents.first_fault}"
            )

    def own_test_documents(self) -> Documents:
        return self.other["test"]

    def words_read(self) -> list[str]:
        return self.vocabulary.words()

    def inputs(self) -> list[Path]:
        found = [self.found, *self.other_found.values()]
        files = [one.path for one in found if not one.is_stdin]
        stop = self.recipe.text.stop_words
        if stop not in (None, "english"):
            files.append(resolve_path(stop, self.context.base).path)
        return files + ([self.vocabulary_file] if self.vocabulary_file is not None else [])

    def resolved_recipe(self) -> Any:
        data, text = self.recipe.data, self.recipe.text
        paths = {"train": self.found.written}
        paths |= {split: found.written for split, found in self.other_found.items()}
        if data.vocabulary is not None:
            paths["vocabulary"] = resolve_path(data.vocabulary, self.context.base).written
        update: dict[str, Any] = {"data": data.model_copy(update=paths)}
        if text.stop_words not in (None, "english"):
            found = resolve_path(text.stop_words, self.context.base)
            update["text"] = text.model_copy(update={"stop_words": found.written})
        return self.recipe.model_copy(update=update)

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        return threads if len(self.documents.words) >= SMALL else 1

    def build(self) -> None:
        recipe, documents, topics = self.recipe, self.documents, self.recipe.topics
        words = len(self.vocabulary)
        size = 4 * words * topics * (1 + self.context.team.shards) + 24 * len(documents.words)
        what = f"{topics:,} topics of {words:,} words"
        self.context.backend.refuse_beyond_memory(size, what, "topics")
        self.alpha = np.full(topics, recipe.alpha, np.float64)
        self.beta = float(recipe.beta)
        self.coherence = np.full((2, topics), np.nan)
        self.sampler = Sampler(documents.words, documents.ends, words, topics, self.context)
        if not self.context.describes_only:
            self.sampler.draw()

    def describe(self) -> Description:
        if not hasattr(self, "documents"):
            model = self.model()
            return Description(parameters=model.word_topics.size, facts=self.topic_facts())
        documents = self.documents
        held = "".join(f" + {len(self.other[s]):,} {s}" for s in ("valid", "test") if s in self.other)
        data = f"{self.recipe.data.train} {len(documents):,}{held} documents"
        data += f" · {len(self.vocabulary):,} words · {len(documents.words):,} in all"
        out = self.left_out
        facts = {"left out": f"{out['rare']:,} rare words, {out['common']:,} common ones"}
        return Description(data=data, parameters=len(self.vocabulary) * self.recipe.topics, facts=facts)

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        """A step is a sweep over some of the words: over all of them where they are not millions."""
        steps = self.recipe.sweeps * self.sampler.steps
        for done in range(skip, steps):
            sweep, number = divmod((epoch - 1) * steps + done, self.sampler.steps)
            tokens = self.sampler.step(sweep, number, self.alpha, self.beta)
            self._model = None
            yield Progress(done + 1, steps, tokens)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        recipe = self.recipe
        counts = self.sampler.counts()
        if recipe.learn_alpha != "fixed":
            self.alpha = counts.fitted_alpha(self.alpha, recipe.learn_alpha == "symmetric")
        if recipe.learn_beta:
            self.beta = counts.fitted_beta(self.beta)
        self._model = None
        model = self.model()
        top, _ = model.top(recipe.top_words)
        self.coherence = np.array(coherence(top, self.documents.words, self.documents.ends))
        model.coherence = self.coherence
        row = {"train_log_likelihood": counts.log_likelihood(self.alpha, self.beta)}
        if "valid" in self.other:
            row["valid_perplexity"] = self.completion.perplexity(self.fixed(model))
        for name, values in zip(("umass", "npmi"), self.coherence, strict=True):
            if np.isfinite(values).any():
                row[f"train_{name}"] = float(np.nanmean(values))
        return row | {"train_alpha": float(self.alpha.sum()), "train_beta": self.beta}

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        if "test" not in self.other:
            return {}
        perplexity = Completion(self.other["test"], self.context).perplexity(self.fixed())
        return {"test_perplexity": perplexity} if math.isfinite(perplexity) else {}

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        return topic_files(self.model(), self.recipe, self.context.log)

    # -- state ------------------------------------------------------------------------------------
    def model(self) -> TopicModel:
        if self._model is None:
            sampler, documents = self.sampler, self.documents
            _, topics, times = sampler.topics_of_documents
            self._model = TopicModel(
                self.vocabulary, sampler.word_topics, self.alpha, self.beta, documents.names,
                documents.labels, sampler.sizes, (topics, times), self.coherence,
            )  # fmt: skip
        return self._model

    def state(self) -> Tree:
        return {"model": self.model().state(), "sampler": self.sampler.state()}

    def load(self, state: Tree) -> None:
        """Raises DataError where the words or documents are not those of the run."""
        model = TopicModel.from_state(state["model"], state["sampler"], self.recipe.topics)
        if model.words != self.vocabulary.words() or model.names != self.documents.names:
            raise DataError("its words or documents are not those of this file")
        self.sampler.load(state["sampler"])
        if not np.array_equal(self.sampler.word_topics, model.word_topics):
            raise DataError("its counts are not those of its topics")
        self.alpha, self.beta, self.coherence = model.alpha, model.beta, model.coherence
        self._model = None

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "LDA":
        made = cls(recipe, context)
        made._model = TopicModel.from_state(state["model"], state["sampler"], recipe.topics)
        return made


TRAINING, VALIDATION, TESTING = 0, 1, 2
"""Parts of the documents."""

ALGORITHM = LDA
