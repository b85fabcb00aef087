"""The floors of the house: who may import whom, and what may be imported when."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dlkit"
FILES = sorted(PACKAGE.rglob("*.py"))

# room -> rooms it may import besides itself. A module belongs to the room with the longest matching name.
# `dlkit` itself (the version) is below everything.
_DEVICE = {"errors", "backend", "kernels"}
_MODEL = {*_DEVICE, "autograd", "ops", "nn", "recipe"}
_RECORDS = {"training.checkpoint", "training.metrics", "training.rundir"}
_BELOW_TRAINING = {*_MODEL, "readers", "pictures", *_RECORDS, "algorithms"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "backend": {"errors"},
    "kernels": {"errors", "backend"},
    "autograd": _DEVICE,
    "ops": {*_DEVICE, "autograd"},
    "recipe": {"errors"},
    "readers": {"errors", "recipe", "kernels"},
    "pictures": {"errors"},
    "report": {"errors", "pictures", "training.rundir"},
    "training.checkpoint": {"errors", "training.rundir"},
    "training.metrics": {"errors", "training.rundir"},
    "training.set_aside": set(),
    "training.rundir": {"errors", "training.set_aside"},
    "nn": _MODEL,
    "algorithms": _BELOW_TRAINING,
    "training": _BELOW_TRAINING,
    "verbs": {*_BELOW_TRAINING, "report", "training"},
    "cli": {*_BELOW_TRAINING, "training", "verbs"},
    "__main__": {"cli"},
}

# Imported only inside functions, so that `dlkit --help` and a CPU run never pay for them.
HEAVY = {
    "numba", "matplotlib", "h5py", "cupy", "cupyx", "sklearn", "scipy", "tqdm",
    "pooch", "onnx", "mpi4py", "gymnasium", "sacrebleu", "sudachipy", "PIL", "jsonschema",
}  # fmt: skip
DISTRIBUTION = {
    "yaml": "pyyaml",
    "cupy": "cupy-cuda12x",
    "cupyx": "cupy-cuda12x",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
}
HEAVY_ALLOWED = {
    ("training/checkpoint.py", "h5py"),
    ("backend/native.py", "numba"),
    ("backend/pieces.py", "numba"),  # imported when a kernel is first shared out
    ("backend/amx_tiles.py", "numba"),  # imported when a product in parts is compiled
    ("backend/tiles.py", "numba"),  # imported when factors are first packed
    ("backend/vectors.py", "numba"),  # imported when a kernel that is written in vectors is first called
}

DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc", "lib", "shared"}
LONGEST_FUNCTION = 60  # lines, docstring not counted


class Import(NamedTuple):
    module: str
    line: int
    on_import: bool
    """Runs when the file is imported, not inside a function."""


def imports_of(source: str, package: str = "dlkit") -> Iterator[Import]:
    """Every import of a file of `package`; those under ``if TYPE_CHECKING:`` do not count.

    ``from dlkit.a import b`` gives dlkit.a.b: b may be a module, and room_of cuts what is too long.
    """

    def walk(node: ast.AST, on_import: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(ast.Module(child.orelse, []), on_import)
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, on_import)
            elif isinstance(child, ast.ImportFrom):
                parents = package.split(".")
                above = parents[: len(parents) - child.level + 1] if child.level else []
                base = ".".join([*above, *([child.module] if child.module else [])])
                for alias in child.names:
                    yield Import(f"{base}.{alias.name}", child.lineno, on_import)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, on_import and not inside)

    yield from walk(ast.parse(source), True)


def room_of(module: str) -> str | None:
    """The room of a dotted name below dlkit; None for dlkit itself and what stands in its __init__."""
    parts = module.split(".")[1:]
    for length in (2, 1):
        name = ".".join(parts[:length])
        if len(parts) >= length and name in ALLOWED:
            return name
    return parts[0] if parts and (PACKAGE / parts[0]).is_dir() else None


def imports_in(path: Path) -> Iterator[Import]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    yield from imports_of(path.read_text(encoding="utf-8"), package)


def forbidden(path: Path) -> list[str]:
    here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    if here is None:
        allowed: set[str] = set()
    elif here in ALLOWED:
        allowed = ALLOWED[here] | {here}
    else:
        return [f"{path.relative_to(ROOT)}: room {here} has no floor; add it to ALLOWED"]
    return [
        f"{path.relative_to(ROOT)}:{found.line}: {here or 'dlkit'} may not import {found.module}"
        for found in imports_in(path)
        if found.module.split(".")[0] == "dlkit"
        and (there := room_of(found.module)) is not None
        and there not in allowed
    ]


def test_every_room_imports_only_what_is_below_it() -> None:
    assert FILES
    assert [line for path in FILES for line in forbidden(path)] == []


def test_heavy_packages_are_imported_inside_functions_only() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{one.line}: {one.module}"
        for path in FILES
        for one in imports_in(path)
        if one.on_import
        and (name := one.module.split(".")[0]) in HEAVY
        and (path.relative_to(PACKAGE).as_posix(), name) not in HEAVY_ALLOWED
    ]
    assert found == []


def test_the_command_line_starts_with_click_alone() -> None:
    for name in ("cli.py", "__main__.py", "__init__.py"):
        path = PACKAGE / name
        if not path.exists():
            continue
        on_import = [one for one in imports_in(path) if one.on_import]
        strange = [
            one.module
            for one in on_import
            if one.module.split(".")[0] not in {*sys.stdlib_module_names, "click", "dlkit"}
            or (one.module.startswith("dlkit.") and room_of(one.module) not in {None, "errors", "cli"})
        ]
        assert strange == [], name


def test_every_package_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.match(r"[\w.-]+", line).group().lower() for line in lines}  # type: ignore[union-attr]
    declared |= {"pydantic_core", "annotated_types", "llvmlite"}  # pydantic and numba bring them
    undeclared = {
        f"{path.relative_to(ROOT)}:{one.line}: {name}"
        for path in FILES
        for one in imports_in(path)
        if (name := one.module.split(".")[0]) not in sys.stdlib_module_names
        and DISTRIBUTION.get(name, name) not in declared
    }
    assert undeclared == set()


def test_no_module_is_a_drawer() -> None:
    everything = [*FILES, *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    named = [path for path in everything if DRAWERS & {path.stem, path.parent.name}]
    assert [str(path.relative_to(ROOT)) for path in named] == []


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {code_lines(node)} lines"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > LONGEST_FUNCTION
    ]
    assert long == []


# -- the checker itself -----------------------------------------------------------------------------
SAMPLE = """
import numba
from typing import TYPE_CHECKING
from . import near
from ..errors import UserError
if TYPE_CHECKING:
    import h5py
else:
    import yaml
try:
    import cupy
except ImportError:
    pass
class C:
    import tqdm
    def method(self):
        from dlkit.verbs import predict
"""


def test_imports_are_found_wherever_they_stand() -> None:
    found = {(one.module, one.on_import) for one in imports_of(SAMPLE, "dlkit.nn")}
    assert found == {
        ("numba", True),
        ("typing.TYPE_CHECKING", True),
        ("dlkit.nn.near", True),
        ("dlkit.errors.UserError", True),
        ("yaml", True),
        ("cupy", True),
        ("tqdm", True),
        ("dlkit.verbs.predict", False),
    }


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("dlkit.__version__", None),
        ("dlkit", None),
        ("dlkit.errors.UserError", "errors"),
        ("dlkit.training.checkpoint.save", "training.checkpoint"),
        ("dlkit.training.driver.run", "training"),
        ("dlkit.training", "training"),
        ("dlkit.autograd.Tape", "autograd"),
        ("dlkit.nn.step.GradientStep", "nn"),
    ],
)
def test_a_module_belongs_to_one_room(module: str, room: str | None) -> None:
    assert room_of(module) == room


def test_no_floor_looks_up() -> None:
    """The table has no circle: its rooms can be put in an order."""
    left = dict(ALLOWED)
    while left:
        free = [room for room, below in left.items() if not (below - {room}) & left.keys()]
        assert free, f"these import each other: {sorted(left)}"
        for room in free:
            del left[room]
