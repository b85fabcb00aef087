"""What the checkout promises: licence, README, recipes, embedded data, no trace of one machine."""

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import dlkit

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
MEGABYTE = 1_000_000

# Put together from pieces, so that this file is not its own finding.
MACHINE_PATHS = re.compile(
    "|".join(
        [
            "(?<![\\w.])/" + "(?:work|home|root|opt|Users|mnt)/[\\w.]",
            "/" + "tmp/bash_jobs",
            "--index-" + r"url[ =]https?://",
            "--extra-index-" + r"url[ =]",
        ]
    )
)


def tracked() -> list[Path]:
    """Files of the checkout that git does not ignore, those not yet added included."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def test_licence_is_the_one_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["license"] == "MIT"
    assert text.startswith("MIT License")
    assert "Permission is hereby granted, free of charge" in text


def test_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", dlkit.__version__)


def test_readme_shows_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\bmake demo\b", readme)
    assert re.search(r"\bmake test\b", readme)


def test_readme_and_docs_name_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        (str(page.relative_to(ROOT)), target)
        for page in pages
        for target in re.findall(r"(?m)(?:^|`)make ([a-z][a-z0-9-]*)", page.read_text(encoding="utf-8"))
    }
    assert {pair for pair in named if pair[1] not in targets} == set()


def test_no_tracked_file_names_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(lines, 1)
            if MACHINE_PATHS.search(line)
        ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["open('/" + "work/x')", "cd /" + "home/me", "pip --index-" + "url https://a"]
)
def test_a_machine_path_is_seen(line: str) -> None:
    assert MACHINE_PATHS.search(line)


@pytest.mark.parametrize("line", ["https://example.org/work/2", "frameworks/", "a/" + "home/b"])
def test_other_text_is_no_machine_path(line: str) -> None:
    assert not MACHINE_PATHS.search(line)


def test_embedded_data_are_small_and_accounted_for() -> None:
    files = [path for path in (ROOT / "data").rglob("*") if path.is_file() and path.name != "README.md"]
    assert files
    assert {path.name: path.stat().st_size for path in files if path.stat().st_size > MEGABYTE} == {}
    readme = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    unnamed = [
        path.name for path in files if path.name not in readme and f"{path.parent.name}/" not in readme
    ]
    assert unnamed == [], "data/README.md tells origin, licence and rows of every file"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT / "recipes")))
def test_shipped_recipe_is_valid(recipe: Path, run_dlkit: Callable) -> None:
    code, _, stderr = run_dlkit("recipe", "check", recipe, cwd=ROOT)
    assert code == 0, stderr


def test_recipes_are_shipped() -> None:
    assert RECIPES


SCHEMAS = sorted((ROOT / "recipes" / "schema").glob("*.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_shipped_schema_is_the_commands_own(path: Path, run_dlkit: Callable) -> None:
    code, out, errors = run_dlkit("recipe", "schema", path.stem)
    assert (code, errors) == (0, "")
    hint = f"dlkit recipe schema {path.stem} > recipes/schema/{path.name}"
    assert path.read_text(encoding="utf-8") == out, hint


def test_every_recipe_points_to_a_shipped_schema() -> None:
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        name = first.removeprefix("# yaml-language-server: $schema=")
        assert name != first, f"{path.name} names no schema"
        assert (path.parent / name).is_file(), f"{path.name}: no {name}"
