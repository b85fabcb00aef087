"""The tests of this room share a double of the ranks, and a launcher where one is installed."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)  # for `from thread_ranks import ...`


@pytest.fixture(scope="session")
def launcher() -> list[str]:
    """`mpiexec` with the options it needs here; a test that asks for it skips where MPI is not installed."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip('mpi4py is not installed: pip install "dlkit[mpi]"')
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("mpiexec is not installed: pip install mpich")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    openmpi = "Open MPI" in told.stdout or "prte" in told.stdout.lower()
    return [found, "--allow-run-as-root", "--oversubscribe"] if openmpi else [found]


@pytest.fixture
def mpiexec(launcher: list[str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start Python on some ranks: mpiexec(2, "-m", "dlkit", ...)."""

    def start(ranks: int, *arguments: object) -> subprocess.Popen[str]:
        command = [*launcher, "-n", str(ranks), sys.executable, *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start
