"""Recipe files and YAML text as Documents: reading, decoding, and YAML's own errors in plain words."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from dlkit.errors import Problem, RecipeError
from dlkit.recipe.placed import Builder, Document, at
from dlkit.recipe.suggest import near_file

LARGEST_FILE = 1 << 20


def load_document(source: str | Path | BinaryIO, name: str | None = None) -> Document:
    """Read a recipe file (or an open binary stream; "-" is standard input).

    Raises RecipeError with all that is wrong at file:line:column, also for a file that cannot be read.
    """
    if source == "-":
        source = sys.stdin.buffer
        name = name or "<stdin>"
    try:
        if isinstance(source, str | Path):
            name, source = name or str(source), Path(source)
            with source.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        else:
            name = name or "<stream>"
            content = source.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        text = getattr(error, "strerror", None) or str(error)
        near = near_file(source) if isinstance(source, Path) else None
        raise RecipeError([Problem(f"cannot read the recipe: {text}", name, near)]) from error
    if len(content) > LARGEST_FILE:
        raise RecipeError([Problem("more than 1 MiB: this is no recipe", name)])
    document = parse_document(_decoded(content, name), name)
    mapping_of(document)
    return document


def mapping_of(document: Document) -> dict[str, Any]:
    """The document's keys and values; an empty document has none. Raises RecipeError for anything else."""
    if document.data is None:
        document.data = {}
    if not isinstance(document.data, dict):
        found = "a list" if isinstance(document.data, list) else "a single value"
        raise RecipeError([Problem(f"expected a recipe (key: value), found {found}", document.where(()))])
    return document.data


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        raise RecipeError(
            [Problem("not UTF-8 text", f"{name}:{line}:{column}", "save it as UTF-8")]
        ) from error


def parse_document(text: str, name: str) -> Document:
    """YAML text as a Document, whose data may be a scalar or a list. Raises RecipeError."""
    builder = Builder(name)
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        builder.build(_events(loader))
    except yaml.YAMLError as error:
        builder.problems.append(_syntax_problem(error, text, name))
    except (ValueError, OverflowError) as error:  # PyYAML lets a bad \U escape or %YAML number through
        mark = loader.get_mark() if loader else None
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        builder.problems.append(Problem(f"no valid YAML: {error}", place))
    finally:
        if loader is not None:
            loader.dispose()
    if builder.problems:
        raise RecipeError(builder.problems)
    return builder.document


def _events(loader: yaml.SafeLoader) -> Iterator[yaml.Event]:
    while loader.check_event():
        yield loader.get_event()


_PLAINER = {
    "mapping values are not allowed here": (
        "a colon where no key can stand",
        'text that holds ": " needs quotes',
    ),
    "could not find expected ':'": ("a key without a colon", "write key: value"),
    "found character '\\t' that cannot start any token": ("a tab", "indent with spaces"),
    "expected <block end>, but found '<block mapping start>'": ("wrong indentation", None),
    "expected <block end>, but found '-'": ("wrong indentation", None),
    "expected <block end>, but found '<block sequence start>'": ("wrong indentation", None),
    "found unexpected end of stream": ("the file ends inside quotes", None),
    "expected ',' or ']', but got '<stream end>'": ("a [ that is never closed", None),
    "expected ',' or '}', but got '<stream end>'": ("a { that is never closed", None),
    "expected a single document in the stream": ("a second document; a recipe is one", None),
}


def _syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Problem(f"a character that YAML forbids (U+{ord(text[error.position]):04X})", at(name, place))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    plainer, hint = _PLAINER.get(problem, (f"no valid YAML: {problem}", None))
    return Problem(plainer, at(name, (mark.line + 1, mark.column + 1)) if mark else name, hint)
