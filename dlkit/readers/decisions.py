"""What a bandit learns from: a table of arms, rows with a class, or a log of earlier decisions.

arms      a row an arm: its name, the mean of its rewards and, where they are no 0/1, their standard deviation
classes   a row a context: its features, and the class on which the reward of each action depends
log       a row a decision: its context, the action taken, the reward and the action's probability
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from dlkit.errors import DataError
from dlkit.readers.arrays import Arrays, How
from dlkit.readers.cells import Faults, OnBadRow, quoted, read_texts
from dlkit.readers.contexts import BasketContexts, ContextForm, PlainContexts, TableContexts
from dlkit.readers.encode import encode, fit_schema
from dlkit.readers.labels import number_columns
from dlkit.readers.opening import display
from dlkit.readers.paths import Found, resolve_path
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.source import load
from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import DataSpec, Reference, one_delimiter
from dlkit.readers.table import Table, check_usable, find_column
from dlkit.readers.training_data import dataset

Kind = Literal["arms", "classes", "log"]
ARM, MEAN, SD = "arm", "mean", "sd"
MOST_ARMS = 1000


class DecisionSpec(SourceSpec):
    """Where the decisions are to be made, and how to read it."""

    train: str = Field(
        description="Table of arms (columns arm, mean and, if need be, sd), rows with a class, or a log of "
        "decisions (columns action, reward, probability and the context); CSV, TSV, .gz; baskets (FIMI .dat);"
        " - for standard input."
    )
    kind: Kind | Literal["auto"] = Field(
        "auto",
        description="What a row is: an arm, a context with its class, or a decision of a log; "
        "auto: told by the names of the columns.",
        json_schema_extra={"flag": "--kind"},
    )
    baskets: bool | Literal["auto"] = Field(
        "auto", description="Rows are baskets of items, one of which is the class; auto: a file .dat is."
    )
    label: Reference | None = Field(
        None,
        description="Column of the class, by name or index; null: the last column.",
        json_schema_extra={"flag": "--label", "aka": ["target", "y"]},
    )
    action: Reference = Field("action", description="Column of a log: the action taken.")
    reward: Reference = Field("reward", description="Column of a log: the reward.")
    probability: Reference | None = Field(
        "probability",
        description="Column of a log: the probability with which its action was taken; "
        "null: actions were taken at random, each equally often.",
        json_schema_extra={"aka": ["propensity"]},
    )
    header: bool | Literal["auto"] = Field("auto", description="Does a table's first row name the columns?")
    delimiter: str | None = Field(
        None,
        description="What separates a table's columns: one character, tab, or whitespace; null: found.",
        json_schema_extra={"aka": ["separator", "sep"]},
    )
    ignore: list[Reference] = Field(
        [], description="Columns to leave out, by name or index.", json_schema_extra={"aka": ["drop"]}
    )
    categories: list[Reference] = Field(
        [],
        description="Columns of numbers to read as categories.",
        json_schema_extra={"aka": ["categorical"]},
    )
    scale: Literal["none", "range", "standard"] = Field(
        "standard", description="What is done to the numbers of a context; categories stay 0/1."
    )

    _delimiter = field_validator("delimiter")(one_delimiter)

    def of_context(self, left_out: list[Reference]) -> DataSpec:
        """How the columns of the context are read; `left_out`: what is none of it."""
        return DataSpec(
            train=self.train, ignore=[*self.ignore, *left_out], categories=self.categories, unseen="ignore"
        )


@dataclass
class ArmTable:
    """Arms whose rewards are known."""

    arms: list[str]
    mean: np.ndarray
    """(K,) float64."""
    sd: np.ndarray | None
    """(K,) standard deviations of Gaussian rewards; None: rewards are 0 or 1."""


@dataclass
class ClassRows:
    """Contexts with their classes."""

    x: np.ndarray
    """(n, d) float64."""
    y: np.ndarray
    """(n,) int64 codes."""
    classes: list[str]
    form: ContextForm
    header: list[str]
    cells: list[list[str]] = field(repr=False)
    """Columns of the context as a log writes them."""


@dataclass
class Log:
    """Decisions that somebody else has made."""

    x: np.ndarray
    """(n, d) float64."""
    action: np.ndarray
    """(n,) int64 codes of `arms`."""
    reward: np.ndarray
    """(n,) float64."""
    probability: np.ndarray
    """(n,) float64 of the action taken."""
    arms: list[str]
    form: ContextForm


@dataclass
class Decisions:
    """What a file holds."""

    name: str
    what: ArmTable | ClassRows | Log
    files: list[Path]
    written: str
    """The file as a resolved recipe has to name it."""
    notes: list[str] = field(default_factory=list)


def read_decisions(
    spec: DecisionSpec, on_bad_row: OnBadRow, base: Path | None, named_classes: list[str]
) -> Decisions:
    """Read the file that `spec` names. named_classes: those that the recipe speaks of. Raises DataError."""
    found = resolve_path(spec.train, base)
    if spec.baskets is True or (spec.baskets == "auto" and _is_basket_file(found.path)):
        return _baskets(spec, found, on_bad_row, named_classes)
    files: list[Path] = []
    table = load(found.path, _how(spec, on_bad_row, log=spec.kind == "log"), files)
    if not isinstance(table, Table):
        raise DataError("expected a table of arms, of rows with a class, or a log", where=table.name)
    kind = kind_of(spec, table)
    if kind == "arms":
        what: ArmTable | ClassRows | Log = arm_table(table, on_bad_row)
    elif kind == "classes":
        what = class_rows(spec, table, on_bad_row)
    else:
        what = read_log(spec, table, on_bad_row)
    notes = [] if spec.kind != "auto" else [f"kind: {kind}"]
    return Decisions(table.name, what, files, found.written, notes)


def _how(spec: DecisionSpec, on_bad_row: OnBadRow, *, log: bool) -> How:
    """How a table is read, as text; a log whose columns go by names has a header, even one of numbers."""
    named = log and isinstance(spec.action, str)
    return How(
        header=True if named else spec.header if not log or spec.kind == "log" else "auto",
        delimiter=spec.delimiter if not log or spec.kind == "log" else None,
        on_bad_row=on_bad_row,
        as_text=True,
        need_labels=False,
        labels_welcome=True,
        label_is_column=True,
    )


def _is_basket_file(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".dat")


def kind_of(spec: DecisionSpec, table: Table) -> Kind:
    """What a row of the table is, by the names of its columns where the recipe does not say."""
    if spec.kind != "auto":
        return spec.kind
    names = set(table.names) if table.header else set()
    if {ARM, MEAN} <= names <= {ARM, MEAN, SD}:
        return "arms"
    logged = (spec.action, spec.reward)
    if all(isinstance(one, int) or one in names for one in logged):
        return "log"
    return "classes"


# -- arms ---------------------------------------------------------------------------------------------
def arm_table(table: Table, on_bad_row: OnBadRow) -> ArmTable:
    """Columns arm, mean[, sd]. Raises DataError."""
    faults = Faults(table.name, table.lines, on_bad_row)
    places = {name: find_column(name, table.names, table.header, table.name) for name in (ARM, MEAN)}
    arms = read_texts(table.column(places[ARM]), ARM, faults)
    mean = number_columns(table, [places[MEAN]], [MEAN], faults)[:, 0]
    sd = None
    if SD in table.names:
        sd = number_columns(table, [table.names.index(SD)], [SD], faults)[:, 0]
        for row in np.flatnonzero(sd < 0).tolist():
            faults.add(row, f"column {SD}: a standard deviation is 0 or more, found {sd[row]:g}")
    else:
        for row in np.flatnonzero((mean < 0) | (mean > 1)).tolist():
            text = (
                f"column {MEAN}: the probability of a reward of 1 lies between 0 and 1, found {mean[row]:g}"
            )
            faults.add(row, f"{text}; give a column {SD} where rewards are Gaussian")
    for row, arm in enumerate(arms):
        if arms.index(arm) < row:
            faults.add(row, f"arm {quoted(arm)} stands twice")
    kept = faults.kept(len(table))
    kept = np.arange(len(table)) if kept is None else kept
    _enough(len(kept), table.name)
    chosen = [arms[row] for row in kept.tolist()]
    return ArmTable(chosen, mean[kept], None if sd is None else sd[kept])


def _enough(arms: int, name: str) -> None:
    if arms < 2:
        raise DataError(f"{arms} arm: nothing to choose from", where=name)
    if arms > MOST_ARMS:
        raise DataError(f"{arms:,} arms; the most is {MOST_ARMS:,}", where=name)


# -- rows with a class -----------------------------------------------------------------------------------
def class_rows(spec: DecisionSpec, table: Table, on_bad_row: OnBadRow) -> ClassRows:
    """Contexts and classes of a table. Raises DataError."""
    label = find_column(-1 if spec.label is None else spec.label, table.names, table.header, table.name)
    faults = Faults(table.name, table.lines, on_bad_row)
    texts = read_texts(table.column(label), table.names[label], faults)
    kept = faults.kept(len(table))
    if kept is not None:
        table, texts = _taken(table, kept), [texts[row] for row in kept.tolist()]
    form, x, good = context_of(spec, table, [label], on_bad_row)
    chosen = [texts[row] for row in good.tolist()]
    classes = sorted(set(chosen))
    codes = {text: code for code, text in enumerate(classes)}
    names, cells = _as_written(table, form, good)
    return ClassRows(x, np.array([codes[text] for text in chosen], np.int64), classes, form, names, cells)


def context_of(
    spec: DecisionSpec, table: Table, left_out: list[int], on_bad_row: OnBadRow
) -> tuple[ContextForm, np.ndarray, np.ndarray]:
    """Form and (n, d) numbers of the contexts, and which rows of the table they are. Raises DataError."""
    other = {find_column(one, table.names, table.header, table.name) for one in spec.ignore} | {*left_out}
    if len(other) == len(table.names):
        return PlainContexts(), np.zeros((len(table), 0)), np.arange(len(table))
    data = spec.of_context([*left_out])
    schema, _ = fit_schema(table, data, "none")
    schema.task = "none"
    encoded = encode(table, schema, schema.positions, [], need_label=False, on_bad_row=on_bad_row)
    check_usable(len(encoded.x), table.total, encoded.first_fault, table.name)
    preprocess = Preprocess.fit(encoded.x, spec.scale, numeric=schema.numeric, name=table.name)
    rows = np.searchsorted(table.positions, encoded.positions)
    return TableContexts(schema, preprocess), dataset(encoded, schema, preprocess, "float64").x, rows


def _as_written(table: Table, form: ContextForm, rows: np.ndarray) -> tuple[list[str], list[list[str]]]:
    """Names and cells of the columns of the contexts."""
    if not isinstance(form, TableContexts):
        return [], []
    columns = [table.column(k) for k in form.schema.positions]
    return list(form.schema.columns), [[column[row] for row in rows.tolist()] for column in columns]


def _taken(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table."""
    lines = None if table.lines is None else table.lines[rows]
    matrix = None if table.matrix is None else table.matrix[rows]
    part = Table(table.name, table.names, table.header, lines, table.positions[rows], matrix)
    part.cells = [[column[row] for row in rows.tolist()] for column in table.cells]
    part.total, part.skipped, part.first_fault = table.total, table.skipped, table.first_fault
    return part


# -- baskets with a class ---------------------------------------------------------------------------------
def _baskets(spec: DecisionSpec, found: Found, on_bad_row: OnBadRow, named: list[str]) -> Decisions:
    """Baskets each of which holds one of the items `named`: its class. Raises DataError."""
    from dlkit.readers.baskets import BasketSpec, read_baskets

    name = display(found.path)
    if len(named) < 2:
        raise DataError(
            "which items are the classes?", where=name, hint="baskets need rewards: {item: {action: reward}}"
        )
    baskets = read_baskets(found.path, BasketSpec(train=spec.train, delimiter=spec.delimiter), on_bad_row)
    form = BasketContexts([item for item in baskets.items if item not in named])
    held = form.matrix(baskets, [*named])
    count = held.sum(1)
    faults = Faults(name, baskets.lines, on_bad_row)
    for row in np.flatnonzero(count != 1).tolist():
        faults.add(row, f"expected one of the items {', '.join(named[:12])}, found {int(count[row])}")
    kept = faults.kept(len(baskets))
    kept = np.arange(len(baskets)) if kept is None else kept
    check_usable(len(kept), len(baskets), faults.first(), name)
    x = form.matrix(baskets, form.items)[kept]
    cells = [[str(int(v)) for v in column] for column in x.T]
    rows = ClassRows(x, held[kept].argmax(1).astype(np.int64), named, form, list(form.items), cells)
    return Decisions(name, rows, baskets.files, found.written, ["kind: classes (baskets of items)"])


# -- logs ---------------------------------------------------------------------------------------------
def read_log(
    spec: DecisionSpec,
    table: Table | Arrays,
    on_bad_row: OnBadRow,
    *,
    arms: list[str] | None = None,
    form: ContextForm | None = None,
) -> Log:
    """Decisions of a table; arms, form: as a trained policy knows them (None: found). Raises DataError."""
    if not isinstance(table, Table):
        raise DataError("a log is a table", where=table.name)

    def find(reference: Reference) -> int:
        return find_column(reference, table.names, table.header, table.name)

    places = [find(spec.action), find(spec.reward)]
    places += [] if spec.probability is None else [find(spec.probability)]
    faults = Faults(table.name, table.lines, on_bad_row)
    texts = read_texts(table.column(places[0]), table.names[places[0]], faults)
    numbers = number_columns(table, places[1:], [table.names[k] for k in places[1:]], faults)
    known = sorted(set(texts)) if arms is None else arms
    codes = {text: code for code, text in enumerate(known)}
    action = np.array([codes.get(text, -1) for text in texts], np.int64)
    for row in np.flatnonzero(action < 0).tolist():
        faults.add(
            row, f"action {quoted(texts[row])} is none of the policy's; there are {', '.join(known[:12])}"
        )
    if spec.probability is None:
        numbers = np.column_stack([numbers, np.full(len(texts), 1 / max(len(known), 1))])
    p = numbers[:, 1]
    for row in np.flatnonzero((p <= 0) | (p > 1)).tolist():
        faults.add(row, f"the probability of the action taken lies above 0 and up to 1, found {p[row]:g}")
    kept = faults.kept(len(table))
    kept = np.arange(len(table)) if kept is None else kept
    check_usable(len(kept), len(table), faults.first(), table.name)
    part = _taken(table, kept)
    if form is None:
        form, x, good = context_of(spec, part, places, on_bad_row)
    else:
        x, good = form.of_table(part, on_bad_row)
    _enough(len(known), table.name)
    rows = kept[good]
    return Log(x, action[rows], numbers[rows, 0], p[rows], known, form)


def read_log_file(
    source: str, spec: DecisionSpec, on_bad_row: OnBadRow, arms: list[str], form: ContextForm
) -> Log:
    """A log for a trained policy. Raises DataError with file:line."""
    table = load(resolve_path(source).path, _how(spec, on_bad_row, log=True), [])
    return read_log(spec, table, on_bad_row, arms=arms, form=form)
