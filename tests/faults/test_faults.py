"""Every command survives what machines and people do to it: in the end its files are the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkit.errors import DataError
from dlkit.training.checkpoint import BLOCK, load
from tests.faults.cases import CASES, ROOT, Case
from tests.faults.harness import (
    complete,
    contents,
    ended,
    file_size_limit,
    has_saved,
    kill_while_training,
    may_mount,
    on_a_disk_that_is,
    one_error_line,
    sessions,
    start,
    wait_for,
)  # fmt: skip
from tests.fuzz.program import run

KILLS = int(os.environ.get("DLKIT_FAULT_KILLS", "3"))
REGIONS = 64
MAY_MOUNT = may_mount()


class Whole:
    """An undisturbed run: its directory and how long it trained."""

    def __init__(self, case: Case, directory: Path) -> None:
        process = start(case, directory)
        wait_for(process, lambda: bool(sessions(directory)))
        began = time.monotonic()
        done = ended(process)
        assert done.code == 0, done
        self.directory = directory
        self.seconds = time.monotonic() - began
        self.contents = contents(directory)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(case, tmp_path_factory.mktemp("whole") / "run")


def kill_and_resume(case: Case, whole: Whole, directory: Path, count: int) -> None:
    """Kill the run at `count` random moments, resuming after each; one that finishes first begins anew."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for kills in range(count):
        process = start(case, directory, "--resume")
        if not kill_while_training(process, directory, chance.uniform(0, whole.seconds)):
            assert contents(directory) == whole.contents, f"seed {seed}, after {kills} kills"
            shutil.rmtree(directory)
    complete(case, directory, "--resume")
    assert contents(directory) == whole.contents, f"seed {seed}, after {count} kills"


def corrupted(good: bytes) -> Iterator[bytes]:
    """The file with each of its regions turned over."""
    step = max((len(good) - BLOCK) // REGIONS, 1)
    for offset in [*range(0, BLOCK, 16), *range(BLOCK, len(good), step), len(good) - 1]:
        bad = bytearray(good)
        bad[offset : offset + step] = bytes(b ^ 0xFF for b in bad[offset : offset + step])
        yield bytes(bad)


def test_killed_at_random_moments(case: Case, whole: Whole, tmp_path: Path) -> None:
    assert any(name.endswith("summary.json") for name in whole.contents)
    kill_and_resume(case, whole, tmp_path / "run", KILLS)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_run_goes_on(
    case: Case, whole: Whole, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    directory = tmp_path / "run"
    process = start(case, directory)
    wait_for(process, has_saved(directory))
    process.send_signal(number)
    done = ended(process)
    assert done.code == code, done
    assert done.stderr.splitlines()[-1].endswith("saved; --resume goes on"), done.stderr
    assert "Traceback" not in done.stderr and not (directory / "summary.json").exists()
    complete(case, directory, "--resume")
    assert contents(directory) == whole.contents


def test_a_full_disk_loses_nothing(case: Case, whole: Whole, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    process = start(case, directory)
    wait_for(process, has_saved(directory))
    process.send_signal(signal.SIGTERM)
    ended(process)
    before = {name: data for name, data in contents(directory).items() if name.endswith(".h5")}
    assert before
    small = min(len(data) for data in before.values()) // 2
    done = ended(start(case, directory, "--resume", prefix=file_size_limit(small)))
    assert done.code == 1 and "File too large" in one_error_line(done)
    after = contents(directory)
    assert {name: after[name] for name in before} == before
    complete(case, directory, "--resume")
    assert contents(directory) == whole.contents


@pytest.mark.skipif(not MAY_MOUNT, reason="a file system of its own needs root and the right to mount")
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_disk_that_takes_nothing(case: Case, whole: Whole, tmp_path: Path, state: str) -> None:
    directory, after = tmp_path / "run", tmp_path / "after"
    shutil.copytree(whole.directory, directory)
    for path in directory.rglob("summary.json"):
        path.unlink()  # something is left to do
    before = contents(directory)
    done = ended(start(case, directory, "--resume", prefix=on_a_disk_that_is(state, directory, after)))
    reason = {"full": "No space left on device", "read-only": "not writable"}[state]
    assert (
        done.code == 1 and one_error_line(done).startswith("error: cannot write ") and reason in done.stderr
    )
    assert contents(after) == before
    if state == "read-only":  # to ask is not to write
        shutil.rmtree(after)
        command = [*on_a_disk_that_is(state, directory, after), *case.asking(directory)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    complete(case, after, "--resume")


def test_a_place_that_cannot_be_written(case: Case, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if os.access(closed, os.W_OK):  # root may write anywhere but in here
        closed = Path("/proc/self")
        if not closed.is_dir():
            pytest.skip("root, and no /proc: no place that cannot be written")
    done = ended(start(case, closed / "run"))
    assert done.code == 1 and one_error_line(done).startswith("error: cannot "), done


def test_two_writers(case: Case, whole: Whole, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    first = start(case, directory)
    wait_for(first, has_saved(directory))
    first.send_signal(signal.SIGSTOP)
    try:
        for flag in ("--resume", "--force"):
            second = ended(start(case, directory, flag))
            assert second.code == 1 and "in use by another dlkit" in one_error_line(second)
    finally:
        first.send_signal(signal.SIGCONT)
    assert ended(first).code == 0
    assert contents(directory) == whole.contents


def test_a_checkpoint_corrupted_anywhere_is_refused(case: Case, whole: Whole, tmp_path: Path) -> None:
    source = next(path for path in sorted(whole.directory.rglob("checkpoint.h5")))
    path = tmp_path / "checkpoint.h5"
    for bad in corrupted(source.read_bytes()):
        path.write_bytes(bad)
        with pytest.raises(DataError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_resume_from_a_corrupted_checkpoint_touches_nothing(case: Case, whole: Whole, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    shutil.copytree(whole.directory, directory)
    for path in directory.rglob("checkpoint.h5"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    before = contents(directory)
    done = ended(start(case, directory, "--resume"))
    assert done.code == 1 and "damaged checkpoint" in one_error_line(done)
    assert contents(directory) == before


@pytest.mark.parametrize("name", ["checkpoint.h5", "best.h5"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.asks], ids=lambda case: case.name, indirect=True, scope="module"
)
def test_a_corrupted_state_is_refused_by_every_verb(
    case: Case, whole: Whole, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, for there are many: every region of either file, through every verb and --resume."""
    monkeypatch.chdir(ROOT)
    directory = tmp_path / "run"
    shutil.copytree(whole.directory, directory)
    if not (directory / name).exists():
        pytest.skip("no validation, so no best epoch")
    good = (directory / name).read_bytes()
    (directory / "summary.json").unlink()  # as if it was stopped before the very end
    commands = [[verb, str(directory / name), *rest] for verb, *rest in case.asks]
    resume = [*case.arguments, "-o", str(directory), "--resume", "-q"]
    for k, bad in enumerate(corrupted(good)):
        (directory / name).write_bytes(bad)
        before = contents(directory)
        for command in [*commands, resume]:
            if command is resume and name == "best.h5" and k % 16:
                continue
            done = run(*command)
            if command is resume and name == "best.h5" and not done.code:
                assert contents(directory) == whole.contents  # it was not needed, and written anew
                (directory / "summary.json").unlink()
                continue
            assert done.code == 1 and done.errors[0].startswith(f"error: {directory / name}: "), done
            assert contents(directory) == before


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    slow = Case([CASES[0].arguments[0], "sleep=600"], CASES[0].program)
    directory = tmp_path / "run"
    process = start(slow, directory)
    wait_for(process, (directory / "environment.json").exists)
    time.sleep(0.2)  # into the step
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None  # the step is not over
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == -signal.SIGTERM  # which a shell reports as 143
