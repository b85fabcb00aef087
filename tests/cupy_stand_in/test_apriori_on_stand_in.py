"""apriori counts its candidates on the device: the same sets and rules as on the CPU."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu.module import missing_compiler
from cupy_stand_in.counts import counts
from cupy_stand_in.module import installed

from dlkit.cli import main

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))


@pytest.fixture(autouse=True)
def stand_in() -> Iterator[None]:
    with installed():
        yield


def test_the_gpu_run_finds_what_the_cpu_run_finds(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lines = [" ".join(map(str, np.flatnonzero(rng.random(9) < 0.5))) for _ in range(150)]
    (tmp_path / "b.txt").write_text("\n".join(lines), encoding="utf-8")
    written = []
    for name, options in (("cpu", ["--algorithm", "eclat"]), ("gpu", ["--gpu"])):
        counts.reset()
        where = ["-o", str(tmp_path / name), "--set", "pictures=false", "-q"]
        assert main(["apriori", str(tmp_path / "b.txt"), "--min-support", "0.1", *options, *where]) == 0
        assert (counts.launches > 0) == (name == "gpu")
        files = ("itemsets.csv", "rules.csv")
        written.append([(tmp_path / name / file).read_bytes() for file in files])
    assert written[0] == written[1]
