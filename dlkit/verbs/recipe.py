"""`dlkit recipe`: start a new recipe, check some, print the schema that editors complete from."""

import json
from typing import Any

import click

from dlkit.errors import Problem, RecipeError, UsageError
from dlkit.recipe.document import Document, load_document

HELP = "Recipes: start a new one, check some, or print the schema for an editor."


def _algorithm(ctx: click.Context, name: str) -> Any:
    """The Algorithm class of a command, from the table of the command line."""
    root: Any = ctx.find_root().command
    return root.algorithm(name)


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    table = getattr(ctx.find_root().command, "table", {})
    return [name for name, one in table.items() if one.section == "Train" and name.startswith(incomplete)]


COMMAND = click.argument("name", metavar="COMMAND", shell_complete=_names)


@click.group(
    "recipe",
    help=HELP,
    epilog="""\b
Examples:
  dlkit recipe new train-mlp > my.yaml
  dlkit recipe check recipes/*.yaml
  dlkit recipe schema train-mlp > train-mlp.schema.json""",
)
def command() -> None:
    """Work on recipes; no data are read."""


@command.command("new")
@COMMAND
@click.option("--schema", metavar="FILE", help="Add a first line that points editors to this JSON schema.")
@click.pass_context
def new(ctx: click.Context, name: str, schema: str | None) -> None:
    """Print a commented starter recipe.

    Every key of COMMAND with its description and default.
    """
    from dlkit.recipe.template import starter

    algorithm = _algorithm(ctx, name)
    if schema:
        if len(schema.splitlines()) != 1:
            raise UsageError("--schema: a file name is one line")
        click.echo(f"# yaml-language-server: $schema={schema}")
    head = f"Recipe of dlkit {name}. A key may be left out; what is written here is its default."
    click.echo(starter(algorithm.Recipe, head=head, source_key=algorithm.SOURCE_KEY), nl=False)


@command.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--command", "name", metavar="COMMAND", help="For recipes that do not name theirs.")
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], name: str | None) -> None:
    """Say ok, or all that is wrong.

    The data that a recipe names are not looked at.
    """
    from dlkit.recipe.resolve import resolve

    problems: list[Problem] = []
    for file in files:
        try:
            document = load_document(file)
            resolve(_algorithm_of(ctx, document, name).Recipe, document)
        except RecipeError as error:
            problems += error.problems
        else:
            click.echo(f"{file}: ok")
    if problems:
        raise RecipeError(problems)


def _algorithm_of(ctx: click.Context, document: Document, name: str | None) -> Any:
    """The algorithm of the recipe's own `command:`, or of `name`. Raises RecipeError with its place."""
    said = document.data.get("command", name)
    place = document.where(("command",))
    if said is None:
        text = "no command: says which command this recipe is for"
        raise RecipeError([Problem(text, place, "or give --command")])
    if not isinstance(said, str):
        raise RecipeError([Problem("command: expected the name of a command", place)])
    try:
        return _algorithm(ctx, said)
    except UsageError as error:
        problem = error.problems[0]
        raise RecipeError([Problem(f"command: {problem.text}", place, problem.hint)]) from error


@command.command("schema")
@COMMAND
@click.pass_context
def schema(ctx: click.Context, name: str) -> None:
    """Print the JSON schema for editors.

    It completes and checks COMMAND's recipes while you type.

    Save it, and begin a recipe with:  # yaml-language-server: $schema=FILE
    """
    from dlkit.recipe.json_schema import json_schema

    click.echo(json.dumps(json_schema(_algorithm(ctx, name).Recipe), indent=2, ensure_ascii=False))
