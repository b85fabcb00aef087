"""Cores granted by affinity and cgroup quotas of both versions, and the BLAS limit."""

import os
from pathlib import Path

import numpy as np
import pytest

from dlkit.backend.cpus import granted_threads, hold_blas_at_one_thread


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up file system, and eight cores in the affinity mask."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text + "\n", encoding="utf-8")


def test_affinity_alone(root: Path) -> None:
    assert granted_threads(root) == 8


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("max 100000", 8), ("5000 100000", 1), ("1600000 100000", 8),
     ("nonsense", 8)],
)  # fmt: skip
def test_version_2(root: Path, quota: str, cores: int) -> None:
    put(root, "proc/self/cgroup", "0::/user/実験")
    put(root, "sys/fs/cgroup/user/実験/cpu.max", quota)
    assert granted_threads(root) == cores


def test_limit_on_an_ancestor_binds(root: Path) -> None:
    put(root, "proc/self/cgroup", "0::/a/b/c")
    put(root, "sys/fs/cgroup/a/cpu.max", "300000 100000")
    put(root, "sys/fs/cgroup/a/b/c/cpu.max", "max 100000")
    assert granted_threads(root) == 3


def test_path_outside_the_container_falls_back_to_its_root(root: Path) -> None:
    put(root, "proc/self/cgroup", "0::/../../machine.slice/box")
    put(root, "sys/fs/cgroup/cpu.max", "400000 100000")
    assert granted_threads(root) == 4


def test_version_1(root: Path) -> None:
    put(root, "proc/self/cgroup", "12:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box")
    put(root, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "250000")
    put(root, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000")
    assert granted_threads(root) == 3


def test_version_1_without_limit(root: Path) -> None:
    put(root, "proc/self/cgroup", "4:cpu:/")
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert granted_threads(root) == 8


def test_on_this_machine() -> None:
    assert 1 <= granted_threads() <= (os.cpu_count() or 1)


def test_blas_is_held_at_one_thread() -> None:
    from threadpoolctl import threadpool_info

    hold_blas_at_one_thread()
    hold_blas_at_one_thread()
    np.ones((4, 4)) @ np.ones((4, 4))
    pools = [p for p in threadpool_info() if p["user_api"] == "blas" and "numpy" in p["filepath"]]
    assert {p["num_threads"] for p in pools} <= {1}  # SciPy brings a BLAS of its own, loaded at any time
