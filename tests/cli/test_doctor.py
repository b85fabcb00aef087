"""dlkit doctor on this machine, on one that lacks things, and with a device that computes wrongly."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dlkit.cli import COMMANDS
from dlkit.verbs import checkup, parity, trifles
from dlkit.verbs.checkup import CHECKS, EXTRAS, Finding, declared_extras
from tests.cli.calling import call, good

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)  # for the stand-in device

from cuda_on_cpu.module import missing_compiler  # noqa: E402
from cupy_stand_in.module import installed  # noqa: E402

needs_compiler = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))


def findings(*arguments: object, code: int = 0) -> list[Finding]:
    done = call("doctor", "--json", *arguments)
    assert done.code == code, done
    return [Finding(**one) for one in json.loads(done.stdout)]


def test_this_machine_is_well() -> None:
    found = findings()
    assert {one.topic for one in found} == set(CHECKS)
    assert all(one.level != "bad" for one in found)
    lines = good("doctor").stdout.splitlines()
    assert len(lines) == len(found) and lines[0].startswith("versions    dlkit ")
    assert any("writing, renaming and locking work" in line for line in lines)
    assert any("granted of" in one.text for one in found)


def test_every_extra_of_use_is_told() -> None:
    others = {"gpu", "mpi", "docs", "browser", "test", "bench", "dev", "all"}
    assert set(EXTRAS) | others >= declared_extras() > set(EXTRAS)


def test_what_is_missing_comes_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = {one.cure for check in (checkup.extras, checkup.machines) for one in check()}
    assert told >= {f'pip install "dlkit[{extra}]"' for extra in (*EXTRAS, "mpi")}


def test_a_missing_gpu_is_a_fault_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    (one,) = [one for one in findings("--gpu", code=1) if one.level == "bad"]
    assert one.topic == "gpu" and "CuPy" in one.text and one.cure == 'pip install "dlkit[gpu]"'


@pytest.fixture
def device() -> Iterator[None]:
    with installed():
        yield


@needs_compiler
@pytest.mark.usefixtures("device")
def test_a_device_that_computes_what_the_cpu_computes() -> None:
    one, step = checkup.gpu()
    assert one.level == step.level == "ok" and one.text.startswith("gpu:0")
    assert float(step.text.split(" by ")[1].split()[0]) < parity.TOLERANCE


@needs_compiler
@pytest.mark.usefixtures("device")
def test_a_device_that_computes_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = parity._trained

    def spoilt(backend: object) -> dict[str, np.ndarray]:
        found = trained(backend)
        if backend.name == "gpu":
            next(iter(found.values()))[...] *= 1.01
        return found

    monkeypatch.setattr(parity, "_trained", spoilt)
    assert [one.level for one in checkup.gpu()] == ["ok", "bad"]


def test_a_check_that_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise RuntimeError("nothing to be seen")
        yield

    monkeypatch.setitem(CHECKS, "text", broken)
    found = findings(code=1)
    (one,) = [one for one in found if one.level == "bad"]
    assert one.text == "the check itself failed: RuntimeError: nothing to be seen"
    assert found[-1].topic == "data"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlkit.training.rundir.write_atomic", full)
    *_, last = checkup.disk(tmp_path)
    assert last.level == "bad" and "No space left" in last.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", trifles.TRIFLES)
def test_what_warm_trains(name: str, tmp_path: Path) -> None:
    trifles.train(name, tmp_path)
    assert (tmp_path / "run-0" / "summary.json").is_file()


def test_every_training_command_has_a_trifle() -> None:
    assert set(trifles.TRIFLES) == {name for name, entry in COMMANDS.items() if entry.section == "Train"}
