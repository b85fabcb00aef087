"""What `dlkit doctor` looks at: each check answers with findings, and none of them stops another."""

import importlib.util
import locale
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Literal, NamedTuple

from dlkit.errors import UserError

Level = Literal["ok", "note", "bad"]
ROOM = 1 << 30
"""Bytes below which a disk is called nearly full."""


class Finding(NamedTuple):
    """One line: ok; note (works, but less than it could); bad (something will fail)."""

    topic: str
    level: Level
    text: str
    cure: str = ""


def versions() -> Iterator[Finding]:
    """dlkit, Python and what computes."""
    from dlkit.verbs.versions import versions as told

    for line in told():
        name, _, rest = line.rpartition(" ")
        yield Finding("versions", "ok", line if name else rest)


def processor() -> Iterator[Finding]:
    """The CPU, its vector instructions, the cores that this process may use."""
    from dlkit.backend.cpus import granted_threads
    from dlkit.training.environment import cpu_model

    yield Finding("processor", "ok", f"{cpu_model()} ({', '.join(_vectors()) or 'features unknown'})")
    granted, there = granted_threads(), os.cpu_count() or 1
    cores = f"{there} core{'s' if there > 1 else ''}"
    yield Finding("processor", "ok", f"{granted} thread{'s' if granted > 1 else ''} granted of {cores}")


def _vectors() -> list[str]:
    """Vector instructions that NumPy found here."""
    import importlib

    try:
        found = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):
        return []
    return [name for name in ("AVX512F", "AVX2", "FMA3", "SSE42", "NEON", "SVE") if found.get(name)]


def products() -> Iterator[Finding]:
    """The library that multiplies matrices."""
    import numpy  # noqa: F401 - the libraries that it brings are what is asked about
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    from dlkit.backend.blas import find_gemm

    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    for one in found:
        kind = f"{one['internal_api']} {one['version']}, {one.get('architecture') or 'unknown architecture'}"
        yield Finding("products", "ok", f"{kind}: one thread for each of dlkit's own")
    if not found:
        yield Finding("products", "note", "NumPy's BLAS is not one that threadpoolctl knows",
                      "its threads cannot be held; set OMP_NUM_THREADS=1")  # fmt: skip
    if find_gemm() is None:
        text = "its C interface was not found: `split: products` multiplies band after band in one thread"
        yield Finding("products", "note", text, "use NumPy's wheel from PyPI")


def kernels() -> Iterator[Finding]:
    """Where compiled kernels are kept."""
    from dlkit.kernels.cache import cache_folder
    from dlkit.kernels.registry import load_all

    folder = cache_folder()
    if folder is None:
        told = "no folder for compiled kernels can be written: every run compiles anew"
        yield Finding("kernels", "note", told, "set NUMBA_CACHE_DIR to a folder of yours")
        return
    kept = len(list(folder.rglob("*.nbc")))
    known = sum(kernel.cpu is not None for kernel in load_all().values())
    cure = (
        "" if kept else "dlkit doctor --warm compiles them now; else each is compiled when it is first used"
    )
    yield Finding("kernels", "ok" if kept else "note", f"{known} kernels; {kept} compiled in {folder}", cure)


def gpu(device: str = "gpu") -> Iterator[Finding]:
    """A device, and a training step on it beside the CPU's."""
    from dlkit.backend import open_backend
    from dlkit.backend.memory import amount
    from dlkit.verbs.parity import TOLERANCE, worst_difference

    try:
        backend = open_backend(device)
    except UserError as error:
        problem = error.problems[0]
        yield Finding("gpu", "note", problem.text, problem.hint or "")
        return
    free = backend.free_memory()
    yield Finding(
        "gpu", "ok", f"{backend.device}, {amount(free) if free is not None else 'unknown memory'} free"
    )
    where, difference = worst_difference(backend)
    level: Level = "ok" if difference < TOLERANCE else "bad"
    text = f"three training steps differ from the CPU's by {difference:.1e} at most ({where})"
    cure = "" if level == "ok" else f"up to {TOLERANCE:g} is rounding; please report this"
    yield Finding("gpu", level, text, cure)


def machines() -> Iterator[Finding]:
    """MPI."""
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec") or shutil.which("srun")
    if importlib.util.find_spec("mpi4py") is None:
        yield Finding("machines", "note", "mpi4py is not installed: one machine", 'pip install "dlkit[mpi]"')
    elif launcher is None:
        yield Finding(
            "machines", "note", "mpi4py is there, mpiexec is not", "pip install mpich, or your system's MPI"
        )
    else:
        yield Finding("machines", "ok", f"mpi4py, {launcher}")


def extras() -> Iterator[Finding]:
    """Optional packages, by the extra that brings them."""
    for extra, (module, use) in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Finding("extras", "ok", f"[{extra}] {use}")
        else:
            yield Finding(
                "extras", "note", f"[{extra}] not installed: {use}", f'pip install "dlkit[{extra}]"'
            )


EXTRAS = {
    "report": ("matplotlib", "pictures"),
    "data": ("pooch", "dlkit data get"),
    "ja": ("sudachipy", "Japanese words"),
    "mt": ("sacrebleu", "BLEU and chrF"),
    "onnx": ("onnx", "export to ONNX"),
    "rl": ("gymnasium", "worlds of Gymnasium"),
}


def declared_extras() -> set[str]:
    """Extras that the installed package declares; for a test of EXTRAS."""
    try:
        lines = requires("dlkit") or []
    except PackageNotFoundError:
        return set()
    return {line.split("extra ==")[1].strip(" '\")") for line in lines if "extra ==" in line}


def text() -> Iterator[Finding]:
    """Whether names and labels in any script come through."""
    encodings = {"standard output": sys.stdout.encoding, "file names": sys.getfilesystemencoding()}
    for what, encoding in encodings.items():
        good = (encoding or "").lower().replace("-", "") == "utf8"
        cure = "" if good else "set PYTHONUTF8=1, or a locale such as C.UTF-8"
        yield Finding("text", "ok" if good else "note", f"{what}: {encoding}", cure)
    yield Finding("text", "ok", f"locale: {'.'.join(filter(None, locale.getlocale())) or 'C'}")
    from dlkit.pictures import figures

    if figures.available():
        font = figures.family_for("日本語")
        cure = "" if font else 'pip install "dlkit[ja]", or a font such as Noto Sans CJK'
        told = f"Japanese in pictures: {font or 'no font has it'}"
        yield Finding("text", "ok" if font else "note", told, cure)


def disk(folder: Path) -> Iterator[Finding]:
    """Room, and whether results can be written the way dlkit writes them."""
    from dlkit.backend.memory import amount
    from dlkit.training.rundir import write_atomic

    free = shutil.disk_usage(folder).free
    told = f"{amount(free)} free in {folder.resolve()}"
    yield Finding(
        "disk", "ok" if free > ROOM else "note", told, "" if free > ROOM else "make room, or -o elsewhere"
    )
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".dlkit-doctor-") as made:
            write_atomic(Path(made) / "日本.h5", b"x")
            _lock(Path(made))
    except (UserError, OSError) as error:
        yield Finding("disk", "bad", f"results cannot be written: {error}", "name another folder with -o")
        return
    yield Finding("disk", "ok", "writing, renaming and locking work")


def _lock(folder: Path) -> None:
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def data() -> Iterator[Finding]:
    """Folders of data sets."""
    from dlkit.readers.data_sets import DATA_SETS
    from dlkit.readers.fetch import present
    from dlkit.readers.paths import data_folders

    for root in data_folders():
        if root.is_dir():
            here = [name for name, one in DATA_SETS.items() if present(one, root)]
            yield Finding("data", "ok", f"{root}: {', '.join(here) or 'no set that has a name'}")
    if not any(root.is_dir() for root in data_folders()):
        yield Finding("data", "note", "no data sets here", "dlkit data list")


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "versions": versions,
    "processor": processor,
    "products": products,
    "kernels": kernels,
    "gpu": gpu,
    "machines": machines,
    "extras": extras,
    "text": text,
    "disk": lambda: disk(Path()),
    "data": data,
}
