import subprocess
import sys

import pytest

from dlkit import cli
from dlkit.backend import launch
from dlkit.backend.launch import Launched, launched, one_voice, open_machines
from dlkit.backend.machines import Alone
from dlkit.errors import UserError


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*launch.RANK, *launch.SIZE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Launched(1, 4)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, Launched(0, 2)),
        ({"PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "8"}, Launched(3, 8)),
        ({"PMIX_RANK": "3"}, Launched(3, 0)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),  # a batch script is no rank
        ({"PMI_RANK": ""}, None),
    ],
)
def test_what_the_launcher_says(environment: dict[str, str], expected: Launched | None) -> None:
    assert launched(environment) == expected


def test_the_command_line_looks_for_the_same_variables() -> None:
    assert cli.LAUNCHED == launch.RANK


@pytest.mark.parametrize("size", [None, "1"])
def test_one_process_never_imports_mpi4py(monkeypatch: pytest.MonkeyPatch, size: str | None) -> None:
    if size:
        monkeypatch.setenv("PMI_RANK", "0")
        monkeypatch.setenv("PMI_SIZE", size)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert isinstance(open_machines(), Alone)


def test_several_ranks_without_mpi4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match=r'one of 2 ranks, but mpi4py.*pip install "dlkit\[mpi\]"'):
        open_machines()


def test_before_the_ranks_have_joined_rank_0_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell() -> int:
        print("error: no", file=sys.stderr)
        return 2

    for rank, heard in (("0", "error: no\n"), ("1", "")):
        monkeypatch.setenv("PMI_RANK", rank)
        assert one_voice(tell) == 2
        assert capsys.readouterr().err == heard


def test_training_commands_import_no_mpi() -> None:
    code = "import sys, dlkit.verbs.train, dlkit.training.driver; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
