"""CUDA C++ source compiled by g++ and run on the CPU: the source as it is, the threads as fibers.

`Module(source).function(name)(grid, block, arguments)` takes NumPy arrays where the kernel takes pointers and
NumPy scalars of exactly the parameter's type elsewhere. What the text undergoes is one replacement: a
`extern __shared__ T name[];` becomes a pointer, since its size is known at the launch only.
"""

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ORDERS = ("forward", "reverse", "shuffled")
FLAGS = ("-std=c++17", "-g", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing")
STRICT = ("-Wall", "-Werror=uninitialized", "-Werror=return-type", "-Wno-attributes", "-Wno-unused-function")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
DYNAMIC_SHARED = re.compile(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")


class CompileError(Exception):
    """g++ refuses the source; the message is its own."""


class KernelError(Exception):
    """The kernel, or the way it was launched, is wrong on any device."""


@dataclass(frozen=True)
class Execution:
    """How the next launches run: the order of blocks and threads, and whether every access is checked."""

    order: str = "forward"
    seed: int = 1
    checked: bool = False


_executions = [
    Execution()
]  # a stack of the process, not of the thread: shards launch from threads of their own
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def execution(**changes: Any) -> Iterator[None]:
    """Launches inside the block run with these fields of `Execution`."""
    _executions.append(replace(_executions[-1], **changes))
    try:
        yield
    finally:
        _executions.pop()


def missing_compiler() -> str | None:
    """Why kernels cannot run on the CPU here, or None."""
    return None if shutil.which("g++") else "g++ is not installed"


def sanitizing() -> bool:
    """Is this process the one that runs under AddressSanitizer (`sanitize.py`)?"""
    return os.environ.get("DLKIT_CUDA_SANITIZE") == "1"


def _cache_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"dlkit-cuda-on-cpu-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise RuntimeError(f"{directory} belongs to another user")
    return directory


def _build(text: str, suffix: str, flags: Sequence[str], *objects: Path) -> Path:
    """Compile `text` into the cache, unless a file of the same text, headers and flags lies there."""
    rules = b"".join(path.read_bytes() for path in [*sorted(HERE.glob("*.h")), Path(__file__)])
    command = ["g++", *FLAGS, *flags, f"-I{HERE}"]
    key = repr((text, command, [path.name for path in objects])).encode() + rules
    target = _cache_directory() / (hashlib.sha256(key).hexdigest()[:24] + suffix)
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source, product = Path(scratch) / "kernel.cpp", Path(scratch) / target.name
        source.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, str(source), *map(str, objects), "-o", str(product)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CompileError(done.stderr)
        if suffix == ".so":
            _refuse_hidden_shared(product)
        product.replace(target)  # whole or not at all: several test processes share the cache
    return target


def _refuse_hidden_shared(library: Path) -> None:
    """g++ ignores the section of a __shared__ variable in a template: nothing would poison or watch it."""
    listing = subprocess.run(["nm", "-C", str(library)], capture_output=True, text=True, check=True).stdout
    symbols = [line.split(maxsplit=2) for line in listing.splitlines() if line[:1].isalnum()]
    address = {name: int(value, 16) for value, _, name in symbols}
    watched = range(address.get("__start_on_cpu_shared", 0), address.get("__stop_on_cpu_shared", 0))
    ours = ("on_cpu::", "guard variable", "std::", "__")
    for value, kind, name in symbols:
        local_static = kind in "bBdDuVv" and "::" in name and not name.startswith(ours)
        if local_static and int(value, 16) not in watched:
            raise CompileError(f"{name}: declare shared memory in a plain function, not in a template")


def _object(name: str, flags: Sequence[str]) -> Path:
    return _build((HERE / name).read_text(encoding="utf-8"), ".o", ("-c", "-O1", *flags))


def _compile(text: str, *, checked: bool, sanitized: bool) -> Path:
    """The shared library of one source, with the checker or AddressSanitizer in it where asked."""
    extra = SANITIZE if sanitized else ()
    objects = [_object("scheduler.cpp", extra)]
    if checked:  # compiled for, but not linked with, ThreadSanitizer: the calls go to checker.cpp
        objects.append(_object("checker.cpp", ()))
        kernel = _build(text, ".o", ("-c", "-O1", "-fsanitize=thread", *STRICT))
        return _build("", ".so", ("-shared",), kernel, *objects)
    return _build(text, ".so", ("-shared", "-O1", *STRICT, *extra), *objects)


class Module:
    """The kernels of one CUDA source; compiled at the first launch, once for each kind of execution."""

    def __init__(self, source: str):
        self.source = source
        bare = COMMENT.sub(" ", source)
        self.names = tuple(KERNEL.findall(bare))
        exports = "".join(f"ON_CPU_EXPORT({name})\n" for name in self.names)
        body = DYNAMIC_SHARED.sub(r"\1 *\2 = reinterpret_cast<\1 *>(on_cpu::dynamic_shared());", source)
        self._text = f'#include "cuda_on_cpu.h"\n#line 1 "kernel.cu"\n{body}\n{exports}'
        self._libraries: dict[bool, ctypes.CDLL] = {}

    def library(self, *, checked: bool = False) -> ctypes.CDLL:
        """The loaded library; raises CompileError."""
        if checked not in self._libraries:
            path = _compile(self._text, checked=checked, sanitized=sanitizing() and not checked)
            library = ctypes.CDLL(str(path))
            library.on_cpu_error.restype = ctypes.c_char_p
            self._libraries[checked] = library
        return self._libraries[checked]

    def function(self, name: str) -> "Function":
        """The kernel called `name`; KernelError if there is none."""
        if name not in self.names:
            raise KernelError(f"no kernel {name}; the source has {', '.join(self.names) or 'none'}")
        return Function(self, name)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: kind is `value`, `pointer` or `const` (a pointer to const)."""

    kind: str
    dtype: np.dtype[Any]


class Function:
    """One kernel."""

    def __init__(self, module: Module, name: str):
        self.module = module
        self.name = name

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Kinds and types as the compiler sees them, typedefs and macros resolved."""
        return _parameters(self.module.library(), self.name)

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any], shared_mem: int = 0
    ) -> None:
        """Launch and wait. Raises KernelError for wrong arguments, a wrong launch or a wrong kernel."""
        with _one_at_a_time:  # the scheduler's state is global
            self._launch(_executions[-1], grid, block, arguments, shared_mem)

    def _launch(
        self,
        how: Execution,
        grid: Sequence[int],
        block: Sequence[int],
        arguments: Sequence[Any],
        shared_mem: int,
    ) -> None:
        library = self.module.library(checked=how.checked)
        parameters = _parameters(library, self.name)
        if len(arguments) != len(parameters):
            raise KernelError(f"{self.name} takes {len(parameters)} arguments, got {len(arguments)}")
        pairs = zip(arguments, parameters, strict=True)
        buffers = [self._marshal(i, value, parameter) for i, (value, parameter) in enumerate(pairs)]
        if how.checked:
            _tell_arrays(library, [a for a in arguments if isinstance(a, np.ndarray)])
        pointers = (ctypes.c_void_p * len(buffers))(*map(ctypes.addressof, buffers))
        launch = getattr(library, f"on_cpu_launch_{self.name}")
        order = ORDERS.index(how.order)
        if launch(_three(grid), _three(block), ctypes.c_size_t(shared_mem), pointers, order, how.seed):
            message = library.on_cpu_error().decode()
            raise KernelError(f"{self.name}: {_with_line(message, library._name)}")

    def _marshal(self, i: int, value: Any, parameter: Parameter) -> Any:
        """CuPy passes a Python int as 8 bytes and a float as a double, whatever the kernel takes: refused."""
        place = f"{self.name}, argument {i}"
        if parameter.kind == "value":
            if not isinstance(value, np.generic) or value.dtype != parameter.dtype:
                found = value.dtype if isinstance(value, np.generic) else type(value).__name__
                raise KernelError(f"{place}: needs a numpy.{parameter.dtype} scalar, got {found}")
            return ctypes.create_string_buffer(value.tobytes(), value.nbytes)
        if not isinstance(value, np.ndarray) or value.dtype != parameter.dtype:
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise KernelError(f"{place}: needs an array of {parameter.dtype}, got {found}")
        if not value.flags.c_contiguous:
            raise KernelError(f"{place}: the array is not C-contiguous; a kernel sees its first element only")
        if parameter.kind == "pointer" and not value.flags.writeable:
            raise KernelError(f"{place}: the kernel takes a pointer to non-const, the array is read-only")
        return ctypes.c_void_p(value.ctypes.data)


def _parameters(library: ctypes.CDLL, name: str) -> tuple[Parameter, ...]:
    describe = getattr(library, f"on_cpu_parameter_{name}")
    describe.restype = ctypes.c_char_p
    found: list[Parameter] = []
    while kind := describe(len(found), 1):
        found.append(Parameter(kind.decode(), np.dtype(describe(len(found), 0).decode())))
    return tuple(found)


def _tell_arrays(library: ctypes.CDLL, arrays: list[np.ndarray]) -> None:
    numbers = ctypes.c_uint64 * len(arrays)
    begins, sizes = numbers(*(a.ctypes.data for a in arrays)), numbers(*(a.nbytes for a in arrays))
    library.on_cpu_arrays(begins, sizes, len(arrays))


def _three(sizes: Sequence[int]) -> Any:
    padded = [int(size) for size in sizes] + [1] * (3 - len(sizes))
    if len(padded) != 3 or min(padded) < 1:
        raise KernelError(f"invalid launch configuration: {tuple(sizes)}")
    return (ctypes.c_uint * 3)(*padded)


def _with_line(message: str, library: str) -> str:
    """Replace the checker's `@offset` by the line of the CUDA source."""
    found = re.search(r"@([0-9a-f]+)$", message)
    if not found:
        return message
    return message[: found.start()] + _source_line(library, int(found[1], 16) - 1)


@cache
def _source_line(library: str, offset: int) -> str:
    if not shutil.which("addr2line"):
        return f"(offset {offset:#x})"
    command = ["addr2line", "--inlines", "-e", library, hex(offset)]  # the kernel may be an outer frame
    frames = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    line = re.search(r"kernel\.cu:(\d+)", frames)
    return f"(in line {line[1]})" if line else f"(offset {offset:#x})"
