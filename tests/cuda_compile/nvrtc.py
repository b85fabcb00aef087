"""NVRTC through ctypes: CUDA source to machine code for any architecture, without CuPy, driver or device."""

import ctypes
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ARCHITECTURES = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90")
OPTIONS = ("-std=c++17", "-ftz=true", "--ptxas-options=-v")
"""What dlkit passes through CuPy, what CuPy 14 adds of its own, and the assembler's report."""


class CompileError(Exception):
    """NVRTC refuses the source; the message is its log."""


@dataclass(frozen=True)
class Resources:
    """What one kernel needs: registers and bytes of stack and of spilled registers a thread, shared bytes a
    block."""

    registers: int
    stack: int
    spilled: int
    shared: int


_REPORT = re.compile(
    r"entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<spilled>\d+) bytes spill stores"
    r".*?Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def _library_path() -> Path | None:
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*")):
            if "builtins" not in path.name:
                return path
    return None


def missing_nvrtc() -> str | None:
    """Why nothing can be compiled for a GPU here, or None."""
    return None if _library_path() else "the wheel nvidia-cuda-nvrtc-cu12 is not installed"


@cache
def _library() -> ctypes.CDLL:
    path = _library_path()
    if path is None:
        raise CompileError(missing_nvrtc())
    return ctypes.CDLL(str(path))


def compile_for(source: str, architecture: str, options: tuple[str, ...] = OPTIONS) -> dict[str, Resources]:
    """Compile `source` to machine code of e.g. "sm_80"; its kernels and what each needs.

    Raises CompileError.
    """
    library = _library()
    program = ctypes.c_void_p()
    made = library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    if made != 0:
        raise CompileError(f"nvrtcCreateProgram: error {made}")
    try:
        arguments = [option.encode() for option in (f"-arch={architecture}", *options)]
        array = (ctypes.c_char_p * len(arguments))(*arguments)
        status = library.nvrtcCompileProgram(program, len(arguments), array)
        log = _read_log(program)
        if status != 0:
            raise CompileError(log)
        return {found["name"]: _resources(found) for found in _REPORT.finditer(log)}
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _resources(found: re.Match[str]) -> Resources:
    shared = re.search(r"(\d+) bytes smem", found["rest"])
    numbers = (int(found[key]) for key in ("registers", "stack", "spilled"))
    return Resources(*numbers, shared=int(shared[1]) if shared else 0)


def _read_log(program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _library().nvrtcGetProgramLogSize(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    _library().nvrtcGetProgramLog(program, buffer)
    return buffer.value.decode()
