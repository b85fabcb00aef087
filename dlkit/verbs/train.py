"""Every command that trains: built from its Algorithm class, run by the one driver."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from dlkit.algorithms.protocol import Algorithm
from dlkit.backend.launch import open_machines
from dlkit.errors import UsageError
from dlkit.recipe.document import load_document
from dlkit.recipe.emit import to_yaml
from dlkit.recipe.flags import RecipeOption, flag_fields
from dlkit.recipe.resolve import resolve
from dlkit.recipe.schema import TrainingRecipe
from dlkit.training.options import RunOptions

OWN, SHARED, DEVICE, RUN = "Recipe keys of", "Recipe keys of every command", "Device", "Run"


class Option(click.Option):
    """An option with a place in the help."""

    def __init__(self, *names: str, group: str, **settings: Any) -> None:
        super().__init__(list(names), **settings)
        self.group = group


class TrainingCommand(click.Command):
    """Options in groups, examples as they are written."""

    def __init__(self, algorithm: type[Algorithm], **settings: Any) -> None:
        super().__init__(**settings)
        self.algorithm = algorithm

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {OWN: [], SHARED: [], DEVICE: [], RUN: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                groups[_group_of(param)].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(f"{OWN} {self.name}" if title == OWN else title):
                    formatter.write_dl(records, col_max=28)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        examples = self.algorithm.EXAMPLES.strip("\n")
        if examples:
            formatter.write(f"\nExamples:\n{examples}\n")


def _group_of(param: click.Parameter) -> str:
    if isinstance(param, RecipeOption):
        return SHARED if param.flag.shared else OWN
    return getattr(param, "group", RUN)


def own_help(name: str, module: ModuleType) -> str:
    """The command's help: first line of its module's docstring, ``train-mlp: a network ...``."""
    first = (inspect.getdoc(module) or "").split("\n", 1)[0].removeprefix(f"{name}: ")
    return f"{first[:1].upper()}{first[1:]}"


def training_command(name: str, module: ModuleType) -> click.Command:
    """The click command of a module that has ALGORITHM."""
    algorithm: type[Algorithm] = module.ALGORITHM
    key = algorithm.SOURCE_KEY
    text = (
        f"{own_help(name, module)}\n\n"
        f"SOURCE is a recipe (.yaml, .yml) or a data file ({key}; - is standard input). "
        "What holds: defaults, then the recipe, then --set, then flags."
    )

    def callback(**values: Any) -> None:
        train(name, algorithm, values)

    params = [
        click.Argument(["source"], required=False),
        *_run_options(),
        *_device_options(),
        *(RecipeOption(flag) for flag in flag_fields(algorithm.Recipe)),
    ]
    return TrainingCommand(algorithm, name=name, help=text, params=params, callback=callback)


def _run_options() -> list[click.Option]:
    def switch(*names: str, help: str) -> click.Option:
        return Option(*names, group=RUN, is_flag=True, help=help)

    path = click.Path(path_type=Path)
    return [
        Option("-r", "--recipe", group=RUN, type=path, metavar="RECIPE", help="Recipe beside a data file."),
        Option("-o", "--output", group=RUN, type=path, metavar="DIR", help="Run directory  [runs/...]"),
        Option("--set", "sets", group=RUN, multiple=True, metavar="KEY=VALUE", help="Any recipe key."),
        switch("--resume", help="Go on where the run directory's checkpoint stopped."),
        switch("--force", help="Replace what the run directory holds."),
        switch("--print-config", help="Print the resolved recipe and stop."),
        switch("--dry-run", help="Read the data, build the model, describe both; train and write nothing."),
        Option("--depfile", group=RUN, type=path, metavar="FILE", help="Write the run's inputs for make."),
        switch("-q", "--quiet", help="Only the result line and errors."),
        switch("-v", "--verbose", help="Tell everything worth knowing."),
    ]  # fmt: skip


def _device_options() -> list[click.Option]:
    threads = "CPU threads; the results do not depend on it  [all granted]"
    return [
        Option("--gpu", group=DEVICE, is_flag=True, help="Short for --device gpu."),
        Option("--device", group=DEVICE, metavar="cpu|gpu|gpu:N", help="What computes  [cpu]"),
        Option("--threads", group=DEVICE, type=int, metavar="N", help=threads),
    ]  # fmt: skip


def train(name: str, algorithm: type[Algorithm], values: dict[str, Any]) -> None:
    """What a training command does with its parsed options."""
    comm = open_machines()
    _refuse_conflicts(values)
    source: str | None = values["source"]
    recipe_path: Path | None = values["recipe"]
    if source is not None and source.endswith((".yaml", ".yml")):
        if recipe_path is not None:
            raise UsageError(f"two recipes: {source} and {recipe_path}", hint="give one")
        recipe_path, source = Path(source), None
    if comm.size > 1 and "-" in (source, str(recipe_path)):
        raise UsageError("standard input reaches one rank only", hint="name a file")
    recipe = resolved(algorithm, recipe_path, source, values)
    if values["print_config"]:
        if comm.rank == 0:
            click.echo(to_yaml(recipe), nl=False)
        return
    options = RunOptions(
        directory=values["output"] or default_directory(name, source, recipe_path),
        resume=values["resume"],
        force=values["force"],
        quiet=values["quiet"],
        verbose=values["verbose"],
        threads=values["threads"],
        dry_run=values["dry_run"],
        source=values["source"],
        recipe_path=recipe_path,
    )
    from dlkit.training.driver import run

    run(algorithm, recipe, options, comm=comm)
    if values["depfile"] is not None and not options.dry_run and comm.rank == 0:
        from dlkit.verbs.depfile import write_depfile

        write_depfile(values["depfile"], options.directory, recipe_path)


def _refuse_conflicts(values: dict[str, Any]) -> None:
    for one, other in (("resume", "force"), ("quiet", "verbose")):
        if values[one] and values[other]:
            raise UsageError(f"--{one} and --{other} exclude each other")
    device = values["device"]
    if values["gpu"] and device is not None and not device.startswith("gpu"):
        raise UsageError(f"--gpu and --device {device} contradict each other")
    if values["threads"] is not None and values["threads"] < 1:
        raise UsageError(f"--threads: must be at least 1, found {values['threads']}")


def resolved(
    algorithm: type[Algorithm], recipe_path: Path | None, source: str | None, values: dict[str, Any]
) -> TrainingRecipe:
    """The recipe that holds for a command line. Raises RecipeError, UsageError."""
    fields = flag_fields(algorithm.Recipe)
    labels = {flag.path: flag.name for flag in fields} | {
        "device": "--device",
        algorithm.SOURCE_KEY: "SOURCE",
    }
    flags: dict[str, Any] = {}
    if source is not None:
        flags[algorithm.SOURCE_KEY] = source
    elif recipe_path is None and not values["sets"] and not values["print_config"]:
        _need_source(algorithm)
    for flag in fields:
        value = values.get(flag.path.replace(".", "__"))
        if value is not None:
            flags[flag.path] = value
    if values["device"] is not None or values["gpu"]:
        flags["device"] = values["device"] or "gpu"
    document = load_document(str(recipe_path)) if recipe_path is not None else None
    return resolve(algorithm.Recipe, document, values["sets"], flags, labels=labels)


def _need_source(algorithm: type[Algorithm]) -> None:
    """A recipe whose data have no default needs a SOURCE; say so instead of naming the missing key."""
    field = algorithm.Recipe.model_fields.get(algorithm.SOURCE_KEY.split(".")[0])
    if field is not None and field.is_required():
        raise UsageError(
            "nothing to learn from: give a data file or a recipe",
            hint=f"see dlkit {algorithm.command} --help",
        )


def default_directory(name: str, source: str | None, recipe_path: Path | None) -> Path:
    """``runs/COMMAND-STEM``; the stem is the recipe's, or the data file's without .gz and its ending."""
    if recipe_path is not None and str(recipe_path) != "-":
        stem = recipe_path.stem
    elif source is None or source == "-":
        stem = "stdin" if source or recipe_path else ""
    else:
        stem = Path(Path(source).name.removesuffix(".gz")).stem
    return Path("runs") / (f"{name}-{stem}" if stem else name)
