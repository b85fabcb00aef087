"""What every test may use: the embedded data, the real data sets, a runner of the command line."""

import importlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Compiled kernels: one place for this process and the commands it runs, so that each compiles once.
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba"))
if str(ROOT) not in sys.path:  # `benchmarks` is a folder of the checkout, not part of the package
    sys.path.insert(0, str(ROOT))


def pytest_configure(config: pytest.Config) -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # begun with & by a script: commands would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    quiet = (HealthCheck.too_slow,)
    # A deadline would be an asserted timing, and the first example compiles kernels.
    settings.register_profile("small", max_examples=50, deadline=None, suppress_health_check=quiet)
    settings.register_profile(
        "ci", max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=quiet
    )
    cases = os.environ.get("DLKIT_FUZZ_CASES")
    if cases:
        if not cases.isdigit() or int(cases) == 0:
            raise pytest.UsageError(f"DLKIT_FUZZ_CASES: expected a number of cases, found {cases!r}")
        settings.register_profile(
            "fuzz", max_examples=int(cases), deadline=None, print_blob=True, suppress_health_check=quiet
        )
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("fuzz" if cases else "ci" if os.environ.get("CI") else "small")
    if os.environ.get("CI"):
        _load_everything()


def _load_everything() -> None:
    """Import all of dlkit: hypothesis takes constants from the modules that happen to be loaded, and its
    cases would depend on which tests ran before in the same process.
    """
    import dlkit

    for module in pkgutil.walk_packages(dlkit.__path__, "dlkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def pytest_report_header() -> str:
    return f"real data sets: {os.environ.get('DLKIT_DATA') or 'DLKIT_DATA is unset, tests on them skip'}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes unless it was asked for, and what needs a GPU where there is none."""
    asked = str(config.getoption("-m"))
    no_gpu: str | None = None
    for item in items:
        if item.get_closest_marker("slow") and "slow" not in asked:
            item.add_marker(pytest.mark.skip(reason="minutes; run by `pytest -m slow`"))
        if item.get_closest_marker("gpu"):
            no_gpu = _why_no_gpu() if no_gpu is None else no_gpu
            if no_gpu:
                item.add_marker(pytest.mark.skip(reason=no_gpu))


def _why_no_gpu() -> str:
    """Empty where a CUDA device can be used, else what is missing, in dlkit's own words."""
    from dlkit.backend import open_backend
    from dlkit.errors import UserError

    try:
        open_backend("gpu")
    except UserError as error:
        return f"no GPU: {error}"
    return ""


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def embedded() -> Path:
    """The folder of the data that come with dlkit."""
    return ROOT / "data"


@pytest.fixture
def recipes() -> Path:
    """The folder of the recipes that come with dlkit."""
    return ROOT / "recipes"


@pytest.fixture
def dlkit_data() -> Path:
    """The folder of real data sets; a test that asks for it skips where there is none."""
    named = os.environ.get("DLKIT_DATA")
    if not named:
        pytest.skip("DLKIT_DATA is unset: no real data sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"DLKIT_DATA={named}: no such folder")
    return folder


@pytest.fixture
def run_dlkit() -> Callable[..., Finished]:
    """Run ``python -m dlkit ARGUMENTS`` as a user would, in a process of its own."""

    def run(
        *arguments: object,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        stdin: str | bytes | None = None,
        timeout: float = 120,
    ) -> Finished:
        """Keyword env changes this process's environment (None removes); output is read as UTF-8."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        changed = {**os.environ, **(env or {})}
        ended = subprocess.run(
            [sys.executable, "-m", "dlkit", *map(str, arguments)],
            cwd=cwd,
            env={name: value for name, value in changed.items() if value is not None},
            input=given if given is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Finished(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture
def japanese_dir(tmp_path: Path) -> Path:
    """An empty folder whose path has Japanese text, a space and a full-width digit."""
    folder = tmp_path / "実験 結果１"
    folder.mkdir()
    return folder
