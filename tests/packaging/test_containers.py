"""The Dockerfiles and the pre-commit hooks, as far as can be told without building or installing them."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_an_image_installs_what_there_is_and_runs_as_nobody_special(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r"'/src\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(declared["optional-dependencies"])
    sources = [source for line in re.findall(r"(?m)^COPY (.*) \S+$", text) for source in line.split()]
    assert sources and all((ROOT / source).exists() for source in sources)
    steps = re.findall(r"(?m)^(USER|HEALTHCHECK|ENTRYPOINT)\b(.*)$", text)
    assert [step for step, _ in steps] == ["USER", "HEALTHCHECK", "ENTRYPOINT"]
    assert steps[0][1].strip() == "dlkit" and '"dlkit", "doctor"' in steps[1][1]
    assert "Not built in CI" in text


def test_hooks_run_the_tools_of_make_lint() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"].split()[0] for hook in local["hooks"]] == [
        ".venv/bin/ruff",
        ".venv/bin/ruff",
        ".venv/bin/mypy",
    ]
