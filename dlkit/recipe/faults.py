"""pydantic's errors as problems a person can act on: where, what was expected, what was found, what to do."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from dlkit.errors import Problem
from dlkit.recipe.overrides import Override, dotted
from dlkit.recipe.placed import Document, Trail
from dlkit.recipe.scalars import write_scalar
from dlkit.recipe.schema import Spec, TextFault, TextFaults
from dlkit.recipe.shape import Shape, inside, names_in, paths_to, spec_at
from dlkit.recipe.suggest import closest
from dlkit.recipe.wording import BOUNDS, WANTED, bound, choices_in, cure, found_text, listed, one_of, quoted


@dataclass
class _Fault:
    """One of pydantic's errors, at its place in the data."""

    path: Trail
    """Where it is in the data: the parts of pydantic's location that exist there."""
    type: str
    context: Mapping[str, Any]
    value: Any
    missing: str = ""
    """The key that is not there."""
    key: bool = False
    """The key itself is wrong, not its value."""
    through_branch: bool = False
    """Its location has parts that the data have not: union branches, fields behind a short spelling."""
    wanted: list[str] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    message: str = ""
    inside: list[TextFault] = field(default_factory=list)
    """Faults inside the text that the value is."""


class Translator:
    """Knows the data that were validated, where each part came from, and the schema."""

    def __init__(
        self, spec: type[Spec], data: Any, document: Document | None, overrides: Iterable[Override]
    ) -> None:
        self.spec = spec
        self.data = data
        self.document = document
        self.overrides = list(overrides)

    def problems(self, error: ValidationError) -> list[Problem]:
        """All of them: the document's in its order, then those of --set and flags as they were given."""
        faults = _merged([self._fault(one) for one in error.errors(include_url=False)])
        placed = [(self._order(fault), problem) for fault in faults for problem in self._told(fault)]
        placed.sort(key=lambda pair: pair[0])
        return list(dict.fromkeys(problem for _, problem in placed))

    def _fault(self, error: Any) -> _Fault:
        loc = list(error["loc"])
        missing = str(loc.pop()) if error["type"] == "missing" else ""
        here, path, skipped, key = self.data, [], False, "[key]" in loc
        for part in loc:
            if part == "[key]":  # an error of the key itself, not of its value
                continue
            known = (
                part in here
                if isinstance(here, dict)
                else isinstance(here, list) and part in range(len(here))
            )
            if not known:
                skipped = True
                continue
            here = here[part]
            path.append(part)
        fault = _Fault(
            tuple(path),
            error["type"],
            error.get("ctx") or {},
            here,
            missing,
            key,
            skipped,
            message=error["msg"],
        )
        if fault.type in WANTED:
            fault.wanted = [WANTED[fault.type]]
        elif fault.type == "expected":
            fault.wanted = [fault.context["what"]]
        elif fault.type == "literal_error":
            fault.choices = choices_in(fault.context["expected"])
        elif fault.type == "value_error":
            self._point_into(fault)
        return fault

    def _point_into(self, fault: _Fault) -> None:
        """A validator of a whole spec may begin its message with the key it is about: ``test: ...``."""
        error = fault.context["error"]
        fault.message = str(error)
        if isinstance(error, TextFaults):
            fault.inside = error.faults
            if error.key and isinstance(fault.value, dict) and error.key in fault.value:
                fault.path, fault.value = (*fault.path, error.key), fault.value[error.key]
            return
        key, colon, rest = fault.message.partition(": ")
        if colon and isinstance(fault.value, dict) and key in fault.value:
            fault.path, fault.value, fault.message = (*fault.path, key), fault.value[key], rest

    # -- where ---------------------------------------------------------------------------------
    def _origin(self, path: Trail) -> tuple[int, Override | None]:
        """The override that gave the value at `path`, or gave something inside it that made it what it is."""
        for index in reversed(range(len(self.overrides))):
            override = self.overrides[index]
            if path[: len(override.path)] == override.path:
                return index, override
        if self.document is None or (path not in self.document.values and path not in self.document.keys):
            for index in reversed(range(len(self.overrides))):
                if self.overrides[index].path[: len(path)] == path and path:
                    return index, self.overrides[index]
        return -1, None

    def _order(self, fault: _Fault) -> tuple[int, tuple[int, int]]:
        index, override = self._origin(fault.path)
        if self.document is None:
            return index, (0, 0)
        if override is not None:
            inner = fault.path[len(override.path) :]
            return index, self.document.place((*override.origin, *inner)) if override.origin else (0, 0)
        return -1, self.document.place(fault.path, key=_about_key(fault))

    def _told(self, fault: _Fault) -> list[Problem]:
        """A fault as a problem; faults inside a text as one each."""
        if not fault.inside:
            return [self._problem(fault)]
        _, override = self._origin(fault.path)
        name = f"{dotted(fault.path)}: " if fault.path else ""
        problems = []
        for one in fault.inside:
            where = override.label if override else None
            if override is None and self.document is not None:
                where = self.document.where_in_text(fault.path, one.row, one.column)
            problems.append(Problem(f"{name}{one.text}", where, one.hint))
        return problems

    def _problem(self, fault: _Fault) -> Problem:
        _, override = self._origin(fault.path)
        shown = (*fault.path[:-1],) if fault.type == "unknown_kind" and _about_key(fault) else fault.path
        if fault.missing:
            shown = (*shown, fault.missing)
        by_command_line = override is not None and override.origin is None
        text, hint = self._text(fault, by_command_line)
        where: str | None = None
        prefix = f"{dotted(shown)}: " if shown else ""
        if override is None:
            where = self.document.where(fault.path, key=_about_key(fault)) if self.document else None
        elif override.origin is not None and self.document is not None:
            inner = fault.path[len(override.path) :]
            where = self.document.where((*override.origin, *inner), key=_about_key(fault))
            prefix = f"{dotted(override.origin[:2])}: {prefix}"
        else:
            where = override.label
            if where not in {"--set", dotted(override.path)} and shown == override.path:
                prefix = ""  # the flag says it
            elif where == dotted(override.path) and shown == override.path:
                where = None
        return Problem(prefix + text, where, hint)

    # -- what ----------------------------------------------------------------------------------
    def _text(self, fault: _Fault, by_command_line: bool) -> tuple[str, str | None]:
        if fault.type == "missing":
            key = dotted((*fault.path, fault.missing))
            return "missing, and it has no default", None if self.document else f"--set {key}=..."
        if fault.type == "extra_forbidden":
            return "unknown key", self._known_key(fault, by_command_line)
        if fault.type == "unknown_kind":
            found, kinds = fault.context["found"], fault.context["kinds"]
            near = closest(found, kinds)
            hint = f'did you mean "{near}"?' if near else f"known: {listed(kinds)}"
            return f"unknown {fault.context['noun']} {quoted(found)}", hint
        if fault.type == "second_key":
            noun, kind = fault.context["noun"], fault.context["kind"]
            return f"a second key beside {kind}; a {noun} has one", f"a {noun} of its own starts with - "
        found = self._found(fault)
        if fault.wanted or fault.choices:
            wanted = [*dict.fromkeys(fault.wanted), *dict.fromkeys(map(write_scalar, fault.choices))]
            return f"expected {one_of(wanted)}, found {found}", cure(
                fault.value, fault.wanted, fault.choices, found
            )
        if fault.type in BOUNDS:
            words, key = BOUNDS[fault.type]
            return f"must be {words} {bound(fault.context[key])}, found {found}", None
        if fault.type == "finite_number":
            return f"must be a finite number, found {found}", None
        if fault.type in {"too_short", "too_long"}:
            least, limit = (
                ("at least", "min_length") if fault.type == "too_short" else ("at most", "max_length")
            )
            return (
                f"expected {least} {fault.context[limit]} of them, found {fault.context['actual_length']}",
                None,
            )
        if fault.type == "value_error":
            if fault.key or isinstance(fault.value, dict | list):
                return fault.message, None
            return f"{fault.message}, found {found}", None
        return f"{fault.message[:1].lower()}{fault.message[1:]}, found {found}", None

    def _found(self, fault: _Fault) -> str:
        _, override = self._origin(fault.path)
        if override is not None and override.path == fault.path and override.written:
            return found_text(fault.value, override.written)
        written = self.document.written.get(fault.path) if self.document and override is None else None
        return found_text(fault.value, written)

    def _known_key(self, fault: _Fault, by_command_line: bool) -> str | None:
        *parents, key = fault.path
        shape: Shape | None = Shape(specs=(self.spec,))
        here = self.data
        for part in parents:
            shape = inside(shape, here, part)
            here = here[part]
        spec, _ = spec_at(shape, here)
        if spec is None:
            return None
        near = closest(str(key), names_in(spec))
        if near:
            return (
                f"did you mean {dotted((*parents, near))}?" if by_command_line else f'did you mean "{near}"?'
            )
        for path in paths_to(str(key), Shape(specs=(self.spec,)), self.data):
            return f"did you mean {dotted(path)}?"
        names = list(spec.model_fields)
        return f"known: {listed(names)}" if 0 < len(names) <= 8 else None


def _about_key(fault: _Fault) -> bool:
    """Is the key wrong, not its value?"""
    if fault.key or fault.type in {"extra_forbidden", "second_key"}:
        return True
    last = fault.path[-1] if fault.path else None
    return (
        fault.type == "unknown_kind" and last == fault.context["found"] and not isinstance(fault.value, str)
    )


def _merged(faults: list[_Fault]) -> Iterator[_Fault]:
    """One fault a place: the branches of a union have each complained."""
    by_path: dict[tuple[Trail, str], list[_Fault]] = {}
    for fault in faults:
        by_path.setdefault((fault.path, fault.missing), []).append(fault)
    for (path, missing), group in by_path.items():
        deeper = [
            other
            for other in faults
            if other.through_branch and len(other.path) > len(path) and other.path[: len(path)] == path
        ]
        if not missing and deeper and all(fault.through_branch for fault in group):
            continue  # another branch understood this value, and complains about a part of it
        telling = [fault for fault in group if not fault.wanted and not fault.choices]
        first = (telling or group)[0]
        if not telling:
            first.wanted = [text for fault in group for text in fault.wanted]
            first.choices = [choice for fault in group for choice in fault.choices]
        yield first
