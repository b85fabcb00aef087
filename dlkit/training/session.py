"""One run from recipe to summary: read and build, open the directory, train, finish."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.algorithms.protocol import Algorithm, Context
from dlkit.backend import open_backend
from dlkit.backend.machines import Alone, Comm
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team, granted_threads, hold_blas_at_one_thread
from dlkit.errors import Interrupted
from dlkit.recipe.schema import TrainingRecipe
from dlkit.training import environment
from dlkit.training.describe import heading
from dlkit.training.loop import TrainingLoop
from dlkit.training.metrics import MetricsTable, Timing
from dlkit.training.options import RunOptions
from dlkit.training.outcome import Figures, finish
from dlkit.training.pace import fixed_seconds
from dlkit.training.progress import Display
from dlkit.training.recipes import changed, to_yaml
from dlkit.training.record import RunRecord
from dlkit.training.resume import Earlier, fitting, refuse_fewer_epochs, refuse_misfit
from dlkit.training.rundir import CHECKPOINT, ENVIRONMENT, RECIPE, SUMMARY, TIMING, RunDirectory
from dlkit.training.signals import Signals


@dataclass
class Prepared:
    """An algorithm that has read its data and built its model."""

    algorithm: Algorithm
    recipe: Any
    """Resolved: shards and data paths settled."""
    threads: int

    def close(self) -> None:
        self.algorithm.context.team.close()


def open_context(
    recipe: TrainingRecipe,
    threads: int | None,
    display: Display | None,
    base: Path | None,
    comm: Comm | None = None,
) -> tuple[Any, Context]:
    """The recipe with its shards settled, and what an algorithm is given. Raises UserError (no such GPU)."""
    hold_blas_at_one_thread()
    comm = comm or Alone()
    comm.fixed_order = recipe.deterministic
    backend = open_backend(
        recipe.device,
        dtype=recipe.dtype,
        memory_limit=recipe.memory_limit,
        tf32=recipe.tf32,
        local_rank=comm.local_rank,
    )
    threads = threads or own_threads(comm)
    if recipe.shards == "auto":  # one GPU is one shard: threads would only queue for it
        recipe = changed(recipe, shards=comm.broadcast(threads if backend.name == "cpu" else 1))
    team = team_of(recipe, threads)
    log = display.tell if display else (lambda line: None)
    detail = display.detail if display else (lambda line: None)
    return recipe, Context(backend, Streams(recipe.seed), team, base=base, log=log, detail=detail, comm=comm)


def team_of(recipe: TrainingRecipe, threads: int) -> Team:
    """Threads for the recipe's shards, of the batch or of each product. A GPU cuts its products itself."""
    if recipe.split != "products":
        return Team(threads, int(recipe.shards))
    return ProductTeam(threads, int(recipe.shards)) if recipe.device == "cpu" else Team(1, 1)


def own_threads(comm: Comm) -> int:
    """Threads granted to this rank: ranks on the same cores divide them."""
    return max(1, granted_threads() // comm.sharers)


def prepare(
    algorithm: type[Algorithm],
    recipe: TrainingRecipe,
    options: RunOptions,
    display: Display,
    earlier: Earlier | None = None,
    comm: Comm | None = None,
) -> Prepared:
    """Read the data and build the model; nothing is written. Raises DataError with file:line."""
    if earlier:
        recipe = changed(recipe, shards=earlier.recipe.shards, split=earlier.recipe.split)
    base = options.recipe_path.parent if options.recipe_path else None
    automatic = recipe.shards == "auto"
    if recipe.split == "auto":
        recipe = changed(recipe, split=algorithm.SPLIT)
    comm = comm or Alone()
    threads = options.threads or own_threads(comm)
    recipe, context = open_context(recipe, threads, display, base, comm)
    try:
        context.describes_only = options.dry_run
        made = algorithm(recipe, context)
        made.read_data()
        if automatic and context.backend.name == "cpu":
            settle_shards(made, threads)
        with context.backend.memory_errors("the model and its optimizer", "the sizes in model"):
            made.build()
    except BaseException:
        context.team.close()
        raise
    return Prepared(made, made.resolved_recipe(), threads)


def settle_shards(algorithm: Algorithm, threads: int) -> None:
    """Fewer shards than threads where the data and model, known now, are too small to share out."""
    context = algorithm.context
    shards = context.comm.broadcast(algorithm.worthwhile_shards(threads))
    if shards != context.team.hands.shards:
        context.team.close()
        algorithm.recipe = changed(algorithm.recipe, shards=shards)
        context.team = team_of(algorithm.recipe, threads)


class Session:
    """A run whose model is built."""

    def __init__(
        self,
        prepared: Prepared,
        directory: RunDirectory,
        display: Display,
        options: RunOptions,
        *,
        given: TrainingRecipe,
        earlier: Earlier | None,
    ) -> None:
        self.algorithm = prepared.algorithm
        self.recipe = prepared.recipe
        self.threads = prepared.threads
        self.comm = prepared.algorithm.context.comm
        self.directory = directory
        self.display = display
        self.options = options
        self.given = given
        self.earlier = earlier
        self.text = to_yaml(self.recipe)
        names = [column.name for column in self.algorithm.METRICS]
        self.record = earlier.record if earlier else RunRecord(MetricsTable(names))

    def go(self, ready: Callable[[], None]) -> Figures | None:
        """Train, test, write. Returns the figures of summary.json; None: a person has to answer first.

        `ready`: called before the first write.
        """
        if self.earlier:
            refuse_fewer_epochs(self.record, self.algorithm.epochs)
            with fitting(self.algorithm.command, self.directory.path / CHECKPOINT):
                self.algorithm.load(self.earlier.state)
                state = self.earlier.state
                self.comm.once(lambda: refuse_misfit(self.algorithm, state))
            self.earlier.state = {}  # loaded: its memory is free again
            self._bring_answers()
        description = self.algorithm.describe()
        for line in heading(description, self.recipe):
            self.display.note(line)
        if self.comm.size > 1:
            self.display.note(f"ranks  {self.comm.size}, {self.threads} threads each")
        inputs = self._inputs()
        with Signals(quiet=self.display.quiet) as signals:
            signals.at_once = True
            about = self.comm.once(lambda: self._open_directory(ready, inputs))
            loop = self._loop(signals)
            signals.at_once = False
            loop.run()
            signals.at_once = True
            if signum := self.comm.agree(signals.received):
                raise Interrupted(signum, "trained and saved; --resume does the rest")
            if self.record.epoch < self.algorithm.epochs and self.algorithm.waits_for():
                return None
            return finish(loop, about, description.parameters)

    def _bring_answers(self) -> None:
        """What a person has written into the run directory since."""
        if name := self.algorithm.ANSWERED:
            text = self.comm.once(lambda: self.directory.read_text(name))
            self.algorithm.answer(text, str(self.directory.path / name))

    def _inputs(self) -> list[dict[str, Any]]:
        """Fingerprints of the files read, which must be the same on every rank."""
        inputs = environment.fingerprints(self.algorithm.inputs())
        environment.refuse_unequal_inputs(self.comm.gather(inputs))
        return inputs

    def _open_directory(self, ready: Callable[[], None], inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Make the directory this run's: recipe.yaml and environment.json. Returns the latter."""
        before = self.earlier.environment if self.earlier else {}
        environment.refuse_changed_inputs(before.get("inputs"), inputs)
        ready()
        self.directory.begin()
        self.directory.remove(SUMMARY)
        session = environment.session(self.algorithm.context.backend, self.threads, self.comm.size)
        if before:
            about = before | {"resumed": [*before.get("resumed", []), session]}
        else:
            about = session | {"inputs": inputs, "recipe_as_given": self.given.model_dump(mode="json")}
        if self.algorithm.PREVIEWS:  # known to a later --force even if this run never ends
            about["artifacts"] = [*self.algorithm.PREVIEWS]
        self.directory.write(RECIPE, self.text)
        self.directory.write_json(ENVIRONMENT, about)
        return about

    def _loop(self, signals: Signals) -> TrainingLoop:
        timing = Timing()
        if self.earlier:
            text = self.comm.once(lambda: self.directory.read_text(TIMING) or "")
            timing.go_on(text, self.record.epoch)
            self.display.note(f"resuming after epoch {self.record.epoch}, step {self.record.step}")
        return TrainingLoop(
            self.algorithm,
            self.record,
            timing=timing,
            directory=self.directory,
            display=self.display,
            signals=signals,
            recipe=self.recipe,
            recipe_text=self.text,
            pace=fixed_seconds(self.options.checkpoint_seconds),
        )
