"""The members of a family side by side: one long table, and one figure with a panel for each measure."""

from pathlib import Path
from typing import Any

from dlkit.errors import UserError
from dlkit.pictures import curves, figures
from dlkit.pictures.curves import Curve, Panel, dashes_of, split_of
from dlkit.training.metrics import Column, Number, read_csv, text_of, to_csv
from dlkit.training.rundir import COMPARE, METRICS, cannot

PANELS = 4
UNDRAWN = ("lr",)


def compare_csv(members: dict[str, Path]) -> str:
    """compare.csv: member, epoch, step, and every column of the members' metrics.csv.

    A member that is a family itself (the folds of a variant) comes as `<name>/<member>`.
    """
    rows: list[dict[str, Number | str]] = []
    for name, folder in members.items():
        inner = folder / COMPARE
        for row in read_csv(_text(inner if inner.is_file() else folder / METRICS), str(folder)):
            member = f"{name}/{row.pop('member')}" if "member" in row else name
            rows.append({"member": member, **row})
    columns = list(dict.fromkeys(["member", "epoch", "step", *(key for row in rows for key in row)]))
    return to_csv(columns, ([_cell(row.get(key)) for key in columns] for row in rows))


def _cell(value: Number | str | None) -> str:
    return value if isinstance(value, str) else text_of(value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise cannot("read", path, error) from error
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=str(path)) from error


def draw(text: str, columns: tuple[Column, ...], over: str = "epoch") -> bytes | None:
    """compare.csv as a PNG: a panel for each measure, a colour for each member, validation solid and
    training dashed. A column NAME_sd is a band of NAME. `over`: the column that runs along.
    None where matplotlib is not installed."""
    if not figures.available():
        return None
    rows = read_csv(text, COMPARE)
    units = {column.name: column.unit for column in columns}
    present = [name for name in units if any(name in row for row in rows)]
    bands = {name for name in present if name.endswith("_sd") and name.removesuffix("_sd") in present}
    present = [name for name in present if name not in bands and name != over]
    measures = list(dict.fromkeys(_measure(name) for name in present if name not in UNDRAWN))[:PANELS]
    members: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        members.setdefault(str(row["member"]), []).append(row)
    # folds of a variant share its colour; a hundred names would leave no room for the curves
    groups = list(dict.fromkeys(member.split("/")[0] for member in members))
    dashes = dashes_of(present)
    panels = []
    for measure in measures:
        names = [name for name in present if _measure(name) == measure]
        drawn = [
            Curve(
                [row[over] for row in points if name in row],
                [row[name] for row in points if name in row],
                groups.index(member.split("/")[0]),
                dashes.get(split_of(name), 0),
                [row.get(f"{name}_sd", 0.0) for row in points if name in row]
                if f"{name}_sd" in bands
                else (),
            )
            for member, points in members.items()
            for name in names
        ]
        unit = units[names[0]]
        panels.append(Panel(measure if unit == "1" else f"{measure} ({unit})", drawn))
    return curves.draw(panels, _measure(over), groups, dashes)


def _measure(name: str) -> str:
    """train_loss and valid_loss share a panel."""
    split = split_of(name)
    return name.removeprefix(f"{split}_") if split else name
