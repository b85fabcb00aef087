"""Every command that the documentation prints is one: its name, its options and their values parse."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dlkit.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "README.ja.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
FEW = {"docs/decisions.md", "docs/uncertainty.md", "docs/formats.md", "docs/add-an-algorithm.md"}
"""Pages that are about other things than commands."""
IN_TEXT = re.compile(r"`(?:\$ )?(?:mpiexec -n \d+ )?(dlkit [^`]*[a-z][^`]*)`")
IN_BLOCKS = re.compile(r"(?m)^    (?:\$ )?(.*\bdlkit .*)$")
CUT = re.compile(r"(?: \| | && | \|\| |; )")
BEHIND = re.compile(r"( {2,}\S.*| +#.*| [<>] ?\S+.*|\).*)$")
"""What stands behind a command: an explanation, a comment, a redirection."""
OPEN = re.compile(r"[\[\]…{]|\.\.\.|\bCOMMAND\b|\bVALUE\b| [A-Z]\b|\$[(<@]|kmeans|dlkit checkpoint$")
"""Such a line says the form of a command or is of a makefile; kmeans, the worked example, has its tests."""


def commands(page: str) -> Iterator[str]:
    """Commands of a page, without those that only say their form."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [*IN_TEXT.findall(text), *IN_BLOCKS.findall(text)]
    for line in dict.fromkeys(lines):
        for part in CUT.split(line):
            one = re.sub(r"^(?:[A-Z_]+=\S+ |mpiexec -n \d+ |srun )+", "", BEHIND.sub("", part.strip()))
            if one.startswith("dlkit ") and not OPEN.search(one) and one.count('"') % 2 == 0:
                yield one.removeprefix("dlkit ").strip()


@pytest.mark.parametrize("page", PAGES)
def test_printed_commands_parse(page: str) -> None:
    wrong = []
    for line in dict.fromkeys(commands(page)):
        name, *arguments = shlex.split(line)
        if name.startswith("-"):
            continue
        wrong += [
            f"{line}: there is no {one}"
            for one in arguments
            if one.startswith(("recipes/", "data/", "examples/")) and not (ROOT / one).exists()
        ]
        with click.Context(cli) as above:
            command = cli.get_command(above, name)
            if command is None:
                wrong.append(f"{line}: no command {name}")
                continue
            if isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
                command = command.get_command(above, arguments.pop(0))
                assert command is not None, line
            if not arguments or arguments == ["RUN"]:
                continue
            try:
                command.make_context(name, list(arguments), parent=above)  # parses, calls nothing
            except click.exceptions.Exit:
                pass  # --help
            except click.ClickException as error:
                wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []


def test_the_demo_shows_every_command() -> None:
    """Each command that learns, and a question to its run; all of them parse."""
    text = (ROOT / "examples" / "demo.sh").read_text(encoding="utf-8").replace("$OUT", "runs/demo")
    shown = [part.strip() for line in re.findall(r'(?m)^show "(.*)"$', text) for part in line.split("|")]
    words = [shlex.split(one)[1:] for one in shown if one.startswith("dlkit ")]
    learn = [name for name, entry in cli.table.items() if entry.section == "Train"]
    assert [name for name, *_ in words if name in learn] == learn
    asked = {run for _, run, *_ in words if run.startswith("runs/demo/")}
    assert len(asked) == len(learn)
    for name, *arguments in words:
        with click.Context(cli) as above:
            command = cli.get_command(above, name)
            assert command is not None
            command.make_context(name, arguments, parent=above)


def test_both_readmes_show_the_same_commands() -> None:
    english, japanese = (
        re.findall(r"(?m)^    (\$ .*|make .*?)(?: +#.*)?$", (ROOT / page).read_text(encoding="utf-8"))
        for page in ("README.md", "README.ja.md")
    )
    assert english == japanese
    blocks = (
        re.findall(r"(?m)^    (?!make )(.*)$", (ROOT / page).read_text(encoding="utf-8"))
        for page in ("README.md", "README.ja.md")
    )
    assert next(blocks) == next(blocks), "what the commands print"


@pytest.mark.parametrize("page", sorted({*PAGES} - FEW))
def test_a_page_prints_commands(page: str) -> None:
    assert len(list(commands(page))) >= 1
