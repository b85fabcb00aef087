"""Every command that these pages print is one: its name, its options and their values parse."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dlkit.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/coming-from.md", "docs/gpu.md", "docs/performance.md", "docs/add-an-algorithm.md")
IN_TEXT = re.compile(r"`(?:mpiexec -n \d+ )?dlkit ([^`]*[a-z][^`]*)`")
IN_BLOCKS = re.compile(r"(?m)^    (?:\$ )?(?:mpiexec -n \d+ )?dlkit (.*?)(?:  +#.*)?$")
NOT_THERE_YET = "kmeans"
"""The command of the worked example, which has tests of its own."""


def commands(page: str) -> list[str]:
    """Commands of a page, without those that say RUN or COMMAND alone."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [*IN_TEXT.findall(text), *IN_BLOCKS.findall(text)]
    return [one for one in dict.fromkeys(found) if NOT_THERE_YET not in one and "COMMAND" not in one]


@pytest.mark.parametrize("line", [pytest.param(one, id=one) for page in PAGES for one in commands(page)])
def test_a_printed_command_parses(line: str) -> None:
    name, *arguments = shlex.split(line)
    with click.Context(cli) as above:
        command = cli.get_command(above, name)
        assert command is not None, f"no command {name}"
        if not arguments or arguments == ["RUN"]:
            return
        command.make_context(name, list(arguments), parent=above)  # parses, calls nothing
        for given in re.findall(r"--set (\S+)", line):
            assert "=" in given


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_commands(page: str) -> None:
    assert page == "docs/add-an-algorithm.md" or len(commands(page)) >= 2


def test_linked_files_are_there() -> None:
    gone = [
        f"{page}: {link}"
        for page in (*PAGES, "CONTRIBUTING.md")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
        if not ((ROOT / page).parent / link).exists()
    ]
    assert gone == []
