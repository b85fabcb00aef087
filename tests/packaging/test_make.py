"""The Makefile on a machine that lacks something, and its own list of targets."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = ROOT / "Makefile"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run make in a folder that holds the Makefile alone; its exit code and all it printed."""
    shutil.copy(MAKEFILE, folder)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    ended = subprocess.run(
        ["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def python_that(tmp_path: Path, fails_on: str) -> str:
    """A stand-in for an interpreter that fails where its -c program has the given text."""
    path = tmp_path / "python3"
    path.write_text(
        f'#!/bin/sh\ncase "$1$2" in\n  -V*) echo "Python 3.9.2" ;;\n  *"{fails_on}"*) exit 1 ;;\nesac\n'
    )
    path.chmod(0o755)
    return str(path)


def test_make_alone_lists_every_target(tmp_path: Path) -> None:
    code, text = make(tmp_path)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert code == 0
    assert phony
    assert set(phony[1].split()) == set(re.findall(r"^  make ([a-z0-9-]+) ", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("sys.version_info", "dlkit needs Python 3.11 or newer"),
        ("ensurepip", "has no venv module"),
    ],
)
def test_an_unsuitable_python_is_named(tmp_path: Path, lacking: str, message: str) -> None:
    python = python_that(tmp_path, lacking)
    (tmp_path / "pyproject.toml").touch()
    code, text = make(tmp_path, "test", f"PYTHON={python}")
    assert code != 0
    assert [line for line in text.splitlines() if line.startswith("error: ") and message in line], text
    assert not (tmp_path / ".venv").exists()


def test_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    code, text = make(tmp_path, "demo", "PYTHON=python-that-is-nowhere")
    assert code != 0
    assert "error: no python-that-is-nowhere here" in text


def test_nothing_is_installed_twice(tmp_path: Path) -> None:
    """With stamps newer than pyproject.toml `make lint` goes straight to the linter."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    for stamp in (".created", ".installed-test"):
        (tmp_path / ".venv" / stamp).touch()
    code, text = make(tmp_path, "--dry-run", "lint")
    assert code == 0
    assert "pip" not in text
    assert "ruff check" in text
    os.utime(tmp_path / ".venv" / ".installed-test", (1, 1))
    assert "pip" in make(tmp_path, "--dry-run", "lint")[1]


def test_a_given_peer_python_installs_no_peer(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert "torch==" in make(tmp_path, "--dry-run", "bench-train-mlp")[1]
    given = make(tmp_path, "--dry-run", "bench-train-mlp", "PEER_PYTHON=/somewhere/python")[1]
    assert "torch==" not in given
    assert "--peer-python /somewhere/python" in given
