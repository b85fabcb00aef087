"""Whether tiles may be used: what the processor says, and who else compiles."""

from pathlib import Path

import pytest

from dlkit.backend import amx

CPUINFO = (
    "processor\t: 0\nflags\t\t: fpu avx512f avx512bw amx_bf16 amx_tile\n\nprocessor\t: 1\nflags\t\t: fpu\n"
)


def test_the_first_processor_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO, encoding="utf-8")
    assert amx.processor_flags(path) == {"fpu", *amx.NEEDED}
    path.write_text("Hardware: 何か\n", encoding="utf-8")
    assert amx.processor_flags(path) == amx.processor_flags(tmp_path / "missing") == set()


def test_code_for_another_processor_has_no_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "processor_flags", lambda: set(amx.NEEDED))
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert amx.have_tiles.__wrapped__() is False


def test_without_one_of_the_flags_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in amx.NEEDED:
        monkeypatch.setattr(amx, "processor_flags", lambda missing=missing: amx.NEEDED - {missing})
        assert amx.have_tiles.__wrapped__() is False
