"""Record what the installed CuPy offers: every public name with its kind and its parameters' names.

    python -m venv cupy-venv && cupy-venv/bin/pip install cupy-cuda12x
    cupy-venv/bin/python tests/cupy_stand_in/record_manifest.py

writes manifest.json beside this file. No device is needed: CuPy imports without one. Signatures of compiled
functions come from the first line of their docstrings, where Cython writes them; `null` where there is none.
"""

import inspect
import json
import re
import warnings
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("manifest.json")
MARKS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def parameters(thing: Any) -> list[str] | None:
    """Names in order, `*name` and `**name` for the variable ones; None where they cannot be known."""
    try:
        found = inspect.signature(thing).parameters.values()
        return [MARKS.get(p.kind, "") + p.name for p in found if p.name != "self"]
    except (TypeError, ValueError):
        return _from_docstring(thing.__doc__ or "")


def _from_docstring(doc: str) -> list[str] | None:
    line = doc.strip().split("\n", 1)[0]
    match = re.match(r"[\w.]+\((.*)\)( ->.*)?$", line)
    if not match:
        return None
    names = []
    for part in re.split(r",(?![^(\[]*[)\]])", match[1]):
        name = re.split(r"[=:]", part.strip(), maxsplit=1)[0].split()
        if name and name[-1] not in ("self", "*", "/"):
            names.append(name[-1])
    return names


def kind(thing: Any) -> str:
    """function, ufunc, class, property or value."""
    if type(thing).__name__ in ("ufunc", "_GUFunc"):
        return "ufunc" if type(thing).__name__ == "ufunc" else "function"
    if inspect.isclass(thing):
        return "class"
    if inspect.isgetsetdescriptor(thing) or isinstance(thing, property):
        return "property"
    return "function" if callable(thing) else "value"


def table(owner: Any, *, dunders: bool = False) -> dict[str, list[Any]]:
    """The public names of a module or class; of a class also the operators."""
    found = {}
    for name in dir(owner):
        operator = (
            dunders
            and re.fullmatch(r"__\w+__", name)
            and getattr(object, name, None) is not getattr(owner, name)
        )
        if name.startswith("_") and not operator:
            continue
        thing = getattr(owner, name)
        if not inspect.ismodule(thing):
            what = kind(thing)
            found[name] = [what, parameters(thing) if what == "function" else None]
    return found


def main() -> None:
    """Write the manifest."""
    warnings.simplefilter("ignore")
    import cupy
    import cupyx
    from cupy.cuda import runtime

    modules = {
        "cupy": cupy, "cupyx": cupyx, "cupy.linalg": cupy.linalg, "cupy.cuda": cupy.cuda,
        "cupy.cuda.runtime": runtime, "cupy.cuda.nvrtc": cupy.cuda.nvrtc,
        "cupy.cuda.compiler": cupy.cuda.compiler, "cupy.cuda.memory": cupy.cuda.memory,
    }  # fmt: skip
    cuda = cupy.cuda
    classes = {
        "ndarray": cupy.ndarray, "RawModule": cupy.RawModule, "RawKernel": cupy.RawKernel,
        "Stream": cuda.Stream, "Event": cuda.Event, "Device": cuda.Device, "MemoryPool": cuda.MemoryPool,
        "PinnedMemoryPool": cuda.PinnedMemoryPool, "PinnedMemoryPointer": cuda.PinnedMemoryPointer,
    }  # fmt: skip
    names = {name: table(module) for name, module in modules.items()}
    names |= {name: table(owner, dunders=True) for name, owner in classes.items()}
    text = [f'{{\n"version": {json.dumps(cupy.__version__)}']
    for owner, entries in names.items():
        rows = (f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(entries.items()))
        text.append(f'"{owner}": {{\n' + ",\n".join(rows) + "\n}")
    MANIFEST.write_text(",\n".join(text) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
