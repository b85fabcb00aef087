"""Start-up, help, versions and completion: what is told without doing anything."""

import importlib
import subprocess
import sys

import click
import pytest

from dlkit import __version__
from dlkit.cli import COMMANDS, Commands, cli, main

HEAVY = [
    "numpy",
    "numba",
    "h5py",
    "pydantic",
    "yaml",
    "tqdm",
    "cupy",
    "matplotlib",
    "threadpoolctl",
    "dlkit.recipe",
]


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"], [], ["train-mpl"]])
def test_the_way_to_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from dlkit.cli import main\n"
        f"main({arguments!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stdout)"
    )
    assert run_python(code).splitlines()[-1] == "[]"


def test_completion_of_names_imports_nothing_heavy() -> None:
    code = (
        "import os, sys, atexit\n"
        f"atexit.register(lambda: print([name for name in {HEAVY!r} if name in sys.modules]))\n"
        "os.environ.update(_DLKIT_COMPLETE='bash_complete', COMP_WORDS='dlkit ', COMP_CWORD='1')\n"
        "from dlkit.cli import main\n"
        "try: main([])\n"
        "except SystemExit: pass\n"
    )
    lines = run_python(code).splitlines()
    assert lines[:-1] == [f"plain,{name}" for name in COMMANDS]
    assert lines[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tables_help_is_the_commands_own(name: str) -> None:
    module = importlib.import_module(COMMANDS[name].module)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").split("\n")[0] == COMMANDS[name].help
    assert command.name == name
    assert hasattr(module, "ALGORITHM") == (COMMANDS[name].section == "Train")


def test_help_lists_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in out
        assert out.index(f"{entry.section}:") < out.index(f"\n  {name} ")


def test_no_command_shows_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Usage: dlkit")


def test_version_names_the_backends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"dlkit {__version__}"
    names = [line.rsplit(" ", 1)[0] if "not" not in line else line.split(" not ")[0] for line in lines]
    assert [name.split()[0] for name in names] == ["dlkit", "Python", "NumPy", "Numba", "CuPy", "CUDA"]
    numpy = importlib.import_module("numpy")
    assert f"NumPy {numpy.__version__}" in lines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train-mpl"], 'error: no command is called "train-mpl" (did you mean train-mlp?)'),
        (["xyzzy"], 'error: no command is called "xyzzy" (see dlkit --help)'),
        (["a.yaml"], 'error: no command is called "a.yaml" (dlkit COMMAND a.yaml)'),
        (["--hlep"], "error: no option is called --hlep (did you mean --help?)"),
        (["recipe", "chek"], "error: "),
        (["recipe", "new"], "error: missing argument 'COMMAND' (see dlkit recipe new --help)"),
        (
            ["recipe", "new", "a", "b"],
            "error: got unexpected extra argument (b) (see dlkit recipe new --help)",
        ),
        (["recipe", "new", "predict"], 'error: no command that trains is called "predict"'),
        (
            ["recipe", "check", "--comand", "x"],
            "error: no option is called --comand (did you mean --command?)",
        ),
    ],
)
def test_usage_errors_are_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(line)
    assert told.err.count("\n") == 1


def test_a_recipe_verb_without_more_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe"]) == 2
    assert "check" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts(shell: str, run_dlkit) -> None:
    done = run_dlkit(env={"_DLKIT_COMPLETE": f"{shell}_source"})
    assert done.code == 0
    assert "_DLKIT_COMPLETE" in done.stdout


def test_bash_completion_script_and_options(run_dlkit) -> None:
    done = run_dlkit(env={"_DLKIT_COMPLETE": "bash_source"})
    assert (done.code, "_dlkit_completion" in done.stdout) == (0, True)
    words = {"_DLKIT_COMPLETE": "bash_complete", "COMP_WORDS": "dlkit recipe check --c", "COMP_CWORD": "3"}
    assert run_dlkit(env=words).stdout == "plain,--command\n"
    words |= {"COMP_WORDS": "dlkit recipe new train-m", "COMP_CWORD": "3"}
    assert run_dlkit(env=words).stdout == "plain,train-mlp\n"


def test_the_table_can_be_another() -> None:
    assert Commands({}, name="dlkit").list_commands(click.Context(cli)) == []
