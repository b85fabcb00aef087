"""A kernel: one mathematical act, with its reference, its CPU and its CUDA implementation under one name.

The reference is plain NumPy and obviously right. ``kernel(...)`` registers all three; calling
the result checks the arguments once and runs the implementation for the arrays it is given. A kernel
allocates nothing: every output is an argument, named in `updates`.
"""

import importlib
import inspect
import pkgutil
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.kernels.compile import compile_cpu, compiled

KERNELS: dict[str, "Kernel"] = {}
"""Every kernel registered so far, by name; `load_all` fills it."""

SMALLEST = 8192
"""Numbers in the first argument below which a kernel is left whole: it takes as long as telling somebody."""

_GLOBAL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(\w+)\s*\(')


class Kernel:
    """Call it like its reference. Numbers are annotated ``int`` or ``float`` in the reference's signature and
    converted, so that the compiled code exists once for each array type."""

    def __init__(
        self,
        name: str,
        reference: Callable[..., None],
        *,
        cpu: Callable[..., None] | None,
        cuda: str | None,
        gpu: Callable[..., None] | None,
        check: Callable[..., None] | None,
        updates: str,
        rows: str = "",
        own: str = "",
        sums: str = "",
        exact: bool = False,
    ) -> None:
        self.name = name
        self.exact = exact
        self.reference = reference
        self.cpu = cpu
        self.cuda = cuda
        self.gpu = gpu
        self.check = check
        self.updates = frozenset(updates.split())
        parameters = inspect.signature(reference).parameters
        self.arguments = tuple(parameters)
        if not self.updates or not self.updates <= set(parameters):
            raise ValueError(f"kernel {name}: updates must name arguments of its reference, got {updates!r}")
        annotations = [p.annotation for p in parameters.values()]
        self._casts = [(i, cast) for i, cast in enumerate(annotations) if cast in (int, float)]
        self._output = next(i for i, a in enumerate(parameters) if a in self.updates)
        self.rows_cut, self.places_of_sums = _places(self.arguments, rows), _places(self.arguments, sums)
        self._own = _places(self.arguments, own)
        self.own = frozenset(own.split())
        self._lay: Callable[..., None] | None = None
        self._compiled: Callable[..., None] | None = None if cpu else reference
        self._lock = threading.Lock()

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the ``__global__`` functions in the CUDA source, in its order."""
        return tuple(_GLOBAL.findall(self.cuda or ""))

    @property
    def compiled(self) -> Callable[..., None]:
        """What runs on NumPy arrays: the compiled CPU version, or the reference where there is no other."""
        if self._compiled is None:
            with self._lock:
                if self._compiled is None:
                    assert self.cpu is not None
                    self._compiled = compiled(self.cpu) if self.exact else compile_cpu(self.cpu)
        return self._compiled

    def __call__(self, *args: Any) -> None:
        """Run on NumPy or CuPy arrays, whichever the outputs are.

        Raises ValueError for shapes, layouts or index ranges that do not fit, TypeError for types.
        """
        self.run(self.checked(args))

    def checked(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with the numbers converted. Raises as a call does."""
        if self.check is not None:
            self.check(*args)
        if self._casts:
            values = list(args)
            for i, cast in self._casts:
                values[i] = cast(values[i])
            args = tuple(values)
        return args

    def run(self, args: tuple[Any, ...]) -> None:
        """Run on checked arguments."""
        if isinstance(args[self._output], np.ndarray):
            (self._compiled or self.compiled)(*args)
        elif self.gpu is None:
            raise TypeError(f"{self.name} has no GPU version")
        else:
            from dlkit.kernels.launch import launcher

            self.gpu(launcher(self.cuda or "", _real(args)), *args)

    # -- in parts -----------------------------------------------------------------------------------
    def rows(self, args: tuple[Any, ...], parts: int) -> int:
        """How many rows checked arguments have that can be shared out to so many parts; 0: leave it whole.

        It depends on the sizes alone, and with it the bits of what is summed over the rows.
        """
        if not self.rows_cut or self.cpu is None:
            return 0
        rows = args[self.rows_cut[0]]
        if not isinstance(rows, np.ndarray) or args[0].size < SMALLEST or len(rows) < parts:
            return 0
        return len(rows)

    def sums(self, args: tuple[Any, ...]) -> list[Any]:
        """The arguments that every part sums for itself."""
        return [args[i] for i in self.places_of_sums]

    @property
    def lay(self) -> Callable[..., None]:
        """What lays down a call of the compiled version for workers (dlkit.backend.pieces)."""
        if self._lay is None:
            from dlkit.backend import pieces

            uses = [pieces.WHOLE] * len(self.arguments)
            for use, chosen in (
                (pieces.CUT, self.rows_cut),
                (pieces.OWN, self._own),
                (pieces.SUM, self.places_of_sums),
            ):
                for i in chosen:
                    uses[i] = use
            self._lay = pieces.laying(self.compiled, tuple(uses))
        return self._lay

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(self.arguments)})>"


def kernel(
    name: str,
    reference: Callable[..., None],
    *,
    cpu: Callable[..., None] | None = None,
    cuda: str | None = None,
    gpu: Callable[..., None] | None = None,
    check: Callable[..., None] | None = None,
    updates: str,
    rows: str = "",
    own: str = "",
    sums: str = "",
    exact: bool = False,
) -> Kernel:
    """Register and return a kernel.

    reference: plain NumPy; its signature is the kernel's. cpu: the same signature, loops for numba; None: the
    reference is fast enough. cuda: source with ``extern "C" __global__`` functions, in terms of ``real``;
    gpu: ``gpu(launch, *args)`` launches them (dlkit.kernels.launch). check: ``check(*args)`` raises for
    arguments that do not fit. updates: names of the arguments written to. exact: the CPU version keeps its
    operations as they stand, for a kernel that decides by a comparison what the last bit could turn over.

    rows: names of the arrays (or tuples of arrays) by whose first axis the work may be shared out: what is
    computed for a row then depends on no other. sums: outputs that are sums over these rows; each part sums
    for itself. own: work space, a row of it for each part; the first row where nothing is cut.
    """
    if name in KERNELS:
        raise ValueError(f"kernel {name} is registered twice")
    made = Kernel(name, reference, cpu=cpu, cuda=cuda, gpu=gpu, check=check, updates=updates,
                  rows=rows, own=own, sums=sums, exact=exact)  # fmt: skip
    KERNELS[name] = made
    return made


def load_all() -> dict[str, Kernel]:
    """Import every kernel file and return all kernels."""
    import dlkit.kernels

    for module in pkgutil.iter_modules(dlkit.kernels.__path__):
        importlib.import_module(f"dlkit.kernels.{module.name}")
    return KERNELS


def _places(arguments: tuple[str, ...], names: str) -> tuple[int, ...]:
    """Where these arguments stand."""
    return tuple(arguments.index(name) for name in names.split())


def _real(args: tuple[Any, ...]) -> np.dtype:
    """The floating type that ``real`` stands for: that of the first floating array, float32 where none is."""
    for a in args:
        for part in a if isinstance(a, tuple) else (a,):
            if getattr(part, "ndim", None) is not None and part.dtype.kind == "f":
                return np.dtype(part.dtype)
    return np.dtype(np.float32)
