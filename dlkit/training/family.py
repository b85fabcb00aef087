"""Runs that belong together: the variants of a recipe, the folds of a cross-validation, or folds of variants.

Each member is a run of its own in DIR/<name>/ (fold-1, fold-2, ... for folds), which its own recipe.yaml
repeats. The family's directory holds the recipe, summary.json (keys `<member>_<figure>`, for folds also
`<figure>_mean` and `<figure>_sd`), compare.csv and, with matplotlib, compare.png.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dlkit.algorithms.protocol import Algorithm
from dlkit.backend.machines import Comm
from dlkit.errors import Problem, RecipeError
from dlkit.recipe.resolve import fold, variant
from dlkit.recipe.schema import TrainingRecipe
from dlkit.training.compare import compare_csv, draw
from dlkit.training.driver import show, train
from dlkit.training.loop import Diverged
from dlkit.training.options import RunOptions
from dlkit.training.outcome import COUNTS, Figures, leading
from dlkit.training.progress import Display, short_figure
from dlkit.training.recipes import to_yaml
from dlkit.training.rundir import COMPARE, COMPARE_PICTURE, OURS, RECIPE, SUMMARY, RunDirectory, json_text


@dataclass(frozen=True)
class Member:
    """One run of a family, or a family in it (the folds of a variant)."""

    name: str
    recipe: Any


def members_of(recipe: TrainingRecipe) -> list[Member]:
    """Variants first; a variant's folds are its own members. Raises RecipeError for a bad name."""
    if recipe.variants:
        taken = [
            Problem(f"{name!r} is a file of every run", "variants")
            for name in recipe.variants
            if name in OURS
        ]
        if taken:
            raise RecipeError(taken)
        return [Member(name, variant(recipe, name)) for name in recipe.variants]
    return [Member(f"fold-{k + 1}", fold(recipe, k)) for k in range(recipe.folds or 0)]


def show_family(
    algorithm: type[Algorithm], recipe: TrainingRecipe, options: RunOptions, *, comm: Comm
) -> None:
    """--dry-run of a family: each variant, and of folds the first."""
    members = members_of(recipe)
    for member in members if recipe.variants else members[:1]:
        if comm.rank == 0:
            print(f"{member.name}:" if recipe.variants else f"{member.name} of {len(members)}:", flush=True)
        inner = show_family if member.recipe.folds else show
        inner(algorithm, member.recipe, options, comm=comm)


def train_family(
    algorithm: type[Algorithm],
    recipe: TrainingRecipe,
    options: RunOptions,
    *,
    comm: Comm,
    ready: Callable[[], None] = lambda: None,
) -> Figures:
    """Train every member that is not finished. Returns the figures of the family's summary.json.

    `ready` is called when the first member has read its data and built its model, before anything is written.
    A member whose loss is not finite does not keep the others from being trained.
    """
    return _Family(algorithm, recipe, options, comm, ready).go()


class _Family:
    def __init__(
        self,
        algorithm: type[Algorithm],
        recipe: TrainingRecipe,
        options: RunOptions,
        comm: Comm,
        ready: Callable[[], None],
    ) -> None:
        self.algorithm = algorithm
        self.recipe = recipe
        self.options = options
        self.comm = comm
        self.ready = ready
        self.members = members_of(recipe)
        self.writes = comm.rank == 0
        self.display = Display(quiet=options.quiet or not self.writes, verbose=options.verbose)
        self.directory = RunDirectory(
            options.directory, resume=options.resume, force=options.force, writes=self.writes
        )
        self._begun = False

    def go(self) -> Figures:
        figures: dict[str, Figures] = {}
        failed: dict[str, Diverged] = {}
        with self.directory:
            self.comm.once(self.directory.check)
            for member in self.members:
                self.display.note(f"-- {member.name}")
                try:
                    figures[member.name] = self._train(member)
                except Diverged as error:
                    self.display.note(f"error: {error}")
                    failed[member.name] = error
            if self.writes and figures:
                self._compare(list(figures))
            if failed:
                done = f"{len(figures)} of {len(self.members)} members are trained"
                why = next(iter(failed.values())).problems[0].text
                raise Diverged(f"{done}; these failed: {', '.join(failed)}", hint=f"the first: {why}")
            summary = self._summary(figures)
            self._write_if_new(SUMMARY, json_text(summary))
        self._tell(figures, summary)
        return summary

    def _train(self, member: Member) -> Figures:
        options = replace(self.options, directory=self.options.directory / member.name)
        one = train_family if member.recipe.folds else train
        return one(self.algorithm, member.recipe, options, comm=self.comm, ready=self._begin)

    def _begin(self) -> None:
        """The first member that trains is ready to: from here on earlier results may go."""
        if self._begun:
            return
        self.ready()
        self.directory.begin()
        self.directory.remove(SUMMARY)
        self.directory.write(RECIPE, to_yaml(self.recipe))
        self._begun = True

    # -- results --------------------------------------------------------------------------------
    def _summary(self, figures: dict[str, Figures]) -> Figures:
        found = {f"{name}_{key}": value for name, own in figures.items() for key, value in own.items()}
        if not self.recipe.variants:
            for key in _shared(figures):
                values = [float(own[key]) for own in figures.values()]
                found[f"{key}_mean"] = statistics.fmean(values)
                found[f"{key}_sd"] = statistics.stdev(values)
        return found

    def _compare(self, trained: list[str]) -> None:
        """compare.csv and compare.png from the members' metrics.csv."""
        text = compare_csv({name: self.directory.path / name for name in trained})
        new = self._write_if_new(COMPARE, text)
        if not (new or not self.directory.has(COMPARE_PICTURE)):
            return
        picture = draw(text, self.algorithm.METRICS, self.algorithm.OVER)
        if picture is None:
            self.display.note(f'{COMPARE_PICTURE} needs matplotlib: pip install "dlkit[report]"')
        else:
            self.directory.write(COMPARE_PICTURE, picture)

    def _write_if_new(self, name: str, text: str) -> bool:
        """Leave a finished family's files alone."""
        if self.directory.read_text(name) == text:
            return False
        self.directory.write(name, text)
        return True

    def _tell(self, figures: dict[str, Figures], summary: Figures) -> None:
        """The result line: folds as mean ± standard deviation, variants side by side."""
        if not self.writes:
            return
        pieces = [str(self.options.directory)]
        if self.recipe.variants:
            for name, own in figures.items():
                key, text = _headline(own)
                pieces.append(f"{name} {key} {text}" if key else name)
        else:
            for key in leading(_shared(figures))[:2]:
                mean, deviation = summary[f"{key}_mean"], summary[f"{key}_sd"]
                pieces.append(f"{key} {short_figure(mean)} ± {short_figure(deviation)}")
            pieces.append(f"({len(figures)} folds)")
        self.display.result("   ".join(pieces))


def _shared(figures: dict[str, Figures]) -> list[str]:
    """Figures that every member has, counts aside."""
    first = next(iter(figures.values()))
    rest = list(figures.values())[1:]
    return [key for key in first if key not in COUNTS and all(key in own for own in rest)]


def _headline(own: Figures) -> tuple[str, str]:
    """The first leading figure of a member, with its deviation where the member is a set of folds."""
    means = [key.removesuffix("_mean") for key in own if key.endswith("_mean")]
    keys = leading(means or [key for key in own if key not in COUNTS])
    if not keys:
        return "", ""
    if means:
        deviation = short_figure(own[f"{keys[0]}_sd"])
        return keys[0], f"{short_figure(own[f'{keys[0]}_mean'])} ± {deviation}"
    return keys[0], short_figure(own[keys[0]])
