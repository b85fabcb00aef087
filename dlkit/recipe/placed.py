"""Plain data with the place of every key and value, built from YAML events.

Only what a recipe needs: one document of mappings with text keys, lists and scalars of YAML 1.2's core
schema (scalars.py). Duplicate keys, tags, merge keys and non-text keys are errors, all reported
at once; nothing is ever constructed from a tag. Anchors work, but not as a bomb.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from dlkit.errors import Problem
from dlkit.recipe.scalars import read_scalar, shown

Trail = tuple[str | int, ...]
Mark = tuple[int, int]
"""Line and column, both from 1."""

MOST_NODES = 100_000
DEEPEST = 64
LONGEST_KEY = 500


@dataclass
class Document:
    """Plain data and where each piece of it stands."""

    data: Any
    name: str
    """File name as the user gave it; the first part of every position."""
    keys: dict[Trail, Mark] = field(default_factory=dict)
    """Path of a mapping's item -> its key's place."""
    values: dict[Trail, Mark] = field(default_factory=dict)
    """Path -> its value's place; () is the whole document."""
    written: dict[Trail, str] = field(default_factory=dict)
    """Path of a plain (unquoted) scalar -> its text, where it is not what Python would print."""
    blocks: dict[Trail, Mark] = field(default_factory=dict)
    """Path of a text written as a literal block (``|``) -> the place of its first character; each further
    line is a line lower, at the same column."""

    def place(self, path: Trail, *, key: bool = False) -> Mark:
        """Where the value (or the key) at `path` stands; where there is none, the nearest thing around it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))

    def where(self, path: Trail, *, key: bool = False) -> str:
        """``name:line:column`` of `place`."""
        line, column = self.place(path, key=key)
        return f"{self.name}:{line}:{column}"

    def where_in_text(self, path: Trail, row: int, column: int) -> str:
        """``name:line:column`` of a character of the text at `path`, row and column from 0; of a text that is
        no literal block, where the text begins."""
        if path not in self.blocks:
            return self.where(path)
        line, first = self.blocks[path]
        return f"{self.name}:{line + row}:{first + column}"


def at(name: str, mark: Mark) -> str:
    """``name:line:column``."""
    return f"{name}:{mark[0]}:{mark[1]}"


def _mark_of(event: yaml.Event) -> Mark:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def _block_mark(event: yaml.ScalarEvent) -> Mark | None:
    """Where the text of a literal block begins; None for other scalars, and for a block of blank lines."""
    mark = event.start_mark
    if event.style != "|" or mark is None or mark.buffer is None:
        return None
    _, *source = _BREAK.split(mark.buffer[mark.pointer :])
    for line, text in zip(source, _BREAK.split(event.value), strict=False):
        if text:
            return mark.line + 2, len(line) - len(text) + 1
    return None


@dataclass
class _Open:
    """A collection under construction."""

    data: Any
    path: Trail
    anchor: str | None
    key: str | None = None
    """Key that waits for its value."""
    has_key: bool = False


class Builder:
    """Data and marks from YAML events, without recursion."""

    def __init__(self, name: str) -> None:
        self.document = Document(None, name)
        self.problems: list[Problem] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, Trail] = {}
        self.nodes = 0
        self.documents = 0

    def build(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            mark = _mark_of(event)
            if isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    self._fail("a second document; a recipe is one", mark)
                    return
            elif isinstance(event, yaml.NodeEvent):
                if not self._node(event, mark):
                    return
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()

    def _fail(self, text: str, mark: Mark, hint: str | None = None) -> None:
        self.problems.append(Problem(text, at(self.document.name, mark), hint))

    def _node(self, event: yaml.NodeEvent, mark: Mark) -> bool:
        """Take in one node; False where reading has to stop."""
        self.nodes += 1
        top = self.stack[-1] if self.stack else None
        if self.nodes > MOST_NODES or len(self.stack) > DEEPEST:
            self._fail(
                "too many values" if self.nodes > MOST_NODES else f"nested deeper than {DEEPEST} levels", mark
            )
            return False
        if (tag := getattr(event, "tag", None)) is not None:
            self._fail(f"a tag ({shown(str(tag))}); recipes are plain data", mark, "remove it")
        if top is not None and isinstance(top.data, dict) and not top.has_key:
            return self._key(top, event, mark)
        path = self._next_path(top)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, mark)
        self.document.values[path] = mark
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                self.anchors[event.anchor] = path
            self._put(top, self._scalar(event, path, mark))
        else:
            data: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._put(top, data)
            self.stack.append(_Open(data, path, event.anchor))
        return True

    def _next_path(self, top: _Open | None) -> Trail:
        if top is None:
            return ()
        return (*top.path, len(top.data) if isinstance(top.data, list) else str(top.key))

    def _put(self, top: _Open | None, value: Any) -> None:
        if top is None:
            self.document.data = value
        elif isinstance(top.data, list):
            top.data.append(value)
        else:
            top.data[top.key] = value
            top.has_key = False

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:  # only now: an alias inside its own anchor finds nothing
            self.anchors[done.anchor] = done.path

    def _scalar(self, event: yaml.ScalarEvent, path: Trail, mark: Mark) -> Any:
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            self._fail("half a surrogate pair, which is no character", mark)
        if path and (block := _block_mark(event)):
            self.document.blocks[path] = block
        if event.style is not None:
            return event.value
        try:
            value = read_scalar(event.value)
        except ValueError as error:
            self._fail(str(error), mark)
            return event.value
        if not isinstance(value, str) and str(value) != event.value:
            self.document.written[path] = event.value
        return value

    def _key(self, top: _Open, event: yaml.NodeEvent, mark: Mark) -> bool:
        if not isinstance(event, yaml.ScalarEvent):
            self._fail("a key that is no text", mark)
            return False
        key = event.value
        if len(key) > LONGEST_KEY:
            self._fail(f"a key longer than {LONGEST_KEY} characters", mark)
        value = self._scalar(event, (), mark)
        self.document.written.pop((), None)
        if not isinstance(value, str):
            self._fail(f"a key that is no text: {shown(key) or 'nothing'}", mark, f'write "{shown(key)}"')
        elif event.style is None and key == "<<":
            self._fail("a merge key (<<)", mark, "write the keys out")
        path = (*top.path, key)
        if key in top.data:
            self._fail(
                f"the key {shown(key)} is here twice", mark, f"first in line {self.document.keys[path][0]}"
            )
        self.document.keys[path] = mark
        if event.anchor is not None:
            self._fail("an anchor on a key", mark)
        top.key, top.has_key = key, True
        return True

    def _alias(self, event: yaml.AliasEvent, path: Trail, mark: Mark) -> bool:
        """A copy of what the anchor names, positions included: a fault in it lies where it is written."""
        source = self.anchors.get(str(event.anchor))
        if source is None:
            self._fail(f"*{shown(str(event.anchor))} names nothing that is complete before it", mark)
            return False
        self.document.values[path] = mark
        copied = self._copy(self._at_path(source), source, path)
        if self.nodes > MOST_NODES:
            self._fail("too many values: aliases of aliases", mark)
            return False
        self._put(self.stack[-1] if self.stack else None, copied)
        return True

    def _at_path(self, path: Trail) -> Any:
        data = self.document.data
        for part in path:
            data = data[part]
        return data

    def _copy(self, data: Any, source: Trail, target: Trail) -> Any:
        """Deep copy with marks. Each step down lengthens the path, so that DEEPEST bounds the recursion."""
        self.nodes += 1
        document = self.document
        if self.nodes > MOST_NODES or len(target) > DEEPEST:
            self.nodes = MOST_NODES + 1
            return None
        if target not in document.values:
            document.values[target] = document.values[source]
        if source in document.written:
            document.written[target] = document.written[source]
        if source in document.blocks:
            document.blocks[target] = document.blocks[source]
        if isinstance(data, list):
            return [self._copy(item, (*source, i), (*target, i)) for i, item in enumerate(data)]
        if isinstance(data, dict):
            for key in data:
                document.keys[(*target, key)] = document.keys[(*source, key)]
            return {key: self._copy(item, (*source, key), (*target, key)) for key, item in data.items()}
        return data
