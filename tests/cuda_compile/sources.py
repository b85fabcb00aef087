"""Every CUDA source of the project, once, as the compiler sees it."""

import numpy as np

from dlkit.kernels.launch import full_source
from dlkit.kernels.registry import load_all

DTYPES = ("float32", "float64")


def kernels_by_source() -> dict[str, list[str]]:
    """The distinct CUDA sources with the names of the kernels that use each."""
    found: dict[str, list[str]] = {}
    for name, kernel in sorted(load_all().items()):
        if kernel.cuda:
            found.setdefault(kernel.cuda, []).append(name)
    return found


def source_of(kernel: str, dtype: str) -> str:
    """The full source of the kernel called `kernel` for float32 or float64."""
    source = load_all()[kernel].cuda
    if source is None:
        raise ValueError(f"{kernel} has no CUDA source")
    return full_source(source, np.dtype(dtype))


SOURCES = tuple(names[0] for names in kernels_by_source().values())
"""One kernel's name for each distinct source."""
