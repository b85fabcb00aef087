"""RawModule and RawKernel: CUDA source run by the CPU shim, under the rules of CuPy's launch."""

from typing import Any

import numpy as np
from cuda_on_cpu.module import CompileError, Function, Module
from cupy_stand_in import memory
from cupy_stand_in.counts import counts
from cupy_stand_in.device_array import ndarray

CUPY_BUNDLED_OPTIONS = ("-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20", "--use_fast_math")


class CompileException(Exception):
    """CuPy's name for a source that does not compile."""


class RawKernel:
    """One kernel; `kernel(grid, block, args, *, shared_mem=0)`."""

    def __init__(
        self, code: str, name: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **unsupported: Any
    ):
        module = RawModule(code=code, options=options, backend=backend, **unsupported)
        self._function: Function = module.get_function(name)._function
        self.name = name

    @classmethod
    def of(cls, function: Function) -> "RawKernel":
        """The kernel of an already loaded module."""
        made = object.__new__(cls)
        made._function, made.name = function, function.name
        return made

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *, shared_mem: int = 0
    ) -> None:
        for name, value in (("grid", grid), ("block", block), ("args", args)):
            if not isinstance(value, tuple):
                raise TypeError(
                    f"Argument {name!r} has incorrect type (expected tuple, got {type(value).__name__})"
                )
        if any(isinstance(value, np.ndarray) for value in args):
            raise TypeError(f"Unsupported type {np.ndarray}")
        counts.launch(self.name)
        arguments = [value._host if isinstance(value, ndarray) else value for value in args]
        self._function(grid, block, arguments, shared_mem)
        for i, value in enumerate(arguments):
            if isinstance(value, np.ndarray):
                memory.check_guards(value, self.name, i)


class RawModule:
    """CUDA source; compiled when a kernel is first asked for."""

    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Any = None,
        jitify: bool = False,
    ):
        if (
            code is None
            or path
            or translate_cucomplex
            or enable_cooperative_groups
            or name_expressions
            or jitify
        ):
            raise NotImplementedError(
                "strict: only RawModule(code=..., options=..., backend='nvrtc') runs here"
            )
        if backend != "nvrtc":
            raise ValueError(f"strict: backend {backend!r} needs nvcc on the user's machine")
        if not isinstance(options, tuple):
            raise TypeError("Argument 'options' has incorrect type (expected tuple)")
        unknown = [o for o in options if o not in CUPY_BUNDLED_OPTIONS and not o.startswith("-D")]
        if unknown:
            raise ValueError(f"strict: option {unknown[0]} is not known here")
        self.code, self.options, self.backend = code, options, backend
        defines = "".join(f"#define {o[2:].replace('=', ' ', 1)}\n" for o in options if o.startswith("-D"))
        self._module = Module(defines + code)

    def compile(self, log_stream: Any = None) -> None:
        try:
            self._module.library()
        except CompileError as error:
            raise CompileException(str(error)) from error

    def get_function(self, name: str) -> RawKernel:
        self.compile()
        return RawKernel.of(self._module.function(name))
