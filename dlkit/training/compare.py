"""The members of a family side by side: one long table, and one figure with a panel for each measure."""

import io
import warnings
from pathlib import Path
from typing import Any

from dlkit.errors import UserError
from dlkit.training.metrics import Column, Number, read_csv, text_of, to_csv
from dlkit.training.rundir import COMPARE, METRICS, cannot

PANELS = 4
UNDRAWN = ("lr",)
JAPANESE_FONTS = ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic", "MS Gothic")
SPLITS: dict[str, Any] = {"train": "--", "valid": "-", "test": ":"}


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
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except ImportError:
        return None
    rows = read_csv(text, COMPARE)
    units = {column.name: column.unit for column in columns}
    present = [name for name in units if any(name in row for row in rows)]
    bands = {name for name in present if name.endswith("_sd") and name.removesuffix("_sd") in present}
    present = [name for name in present if name not in bands and name != over]
    measures = list(dict.fromkeys(_measure(name) for name in present if name not in UNDRAWN))[:PANELS]
    figure = Figure(figsize=(5.5 * max(len(measures), 1) + 1.5, 4), layout="constrained")
    curves: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        curves.setdefault(str(row["member"]), []).append(row)
    # folds of a variant share its colour; a hundred names would leave no room for the curves
    group = {member: member.split("/")[0] for member in curves}
    colours = {name: f"C{k % 10}" for k, name in enumerate(dict.fromkeys(group.values()))}
    splits = list(dict.fromkeys(s for name in present if (s := name.split("_", 1)[0]) in SPLITS))
    styles: dict[str, Any] = SPLITS if len(splits) > 1 else {}
    for place, measure in enumerate(measures, 1):
        axes = figure.add_subplot(1, len(measures), place)
        names = [name for name in present if _measure(name) == measure]
        for member, points in curves.items():
            for name in names:
                x, y = [[row[key] for row in points if name in row] for key in (over, name)]
                style, colour = styles.get(name.split("_", 1)[0], "-"), colours[group[member]]
                axes.plot(x, y, style, color=colour, lw=1.2)
                if f"{name}_sd" in bands:
                    sd = [row.get(f"{name}_sd", 0.0) for row in points if name in row]
                    low, high = ([a + k * b for a, b in zip(y, sd, strict=True)] for k in (-1, 1))
                    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        unit = units[names[0]]
        axes.set(xlabel=_measure(over), ylabel=measure if unit == "1" else f"{measure} ({unit})")
    lines = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    lines += [Line2D([], [], color="black", linestyle=style, label=split) for split, style in styles.items()
              if split in splits]  # fmt: skip
    figure.legend(handles=lines, loc="outside right upper", fontsize="small")
    return _png(figure)


def _png(figure: Any) -> bytes:
    """The figure's bytes, without the date and version that matplotlib would add."""
    from matplotlib import font_manager, rc_context

    families = ["DejaVu Sans", *sorted(set(JAPANESE_FONTS) & set(font_manager.get_font_names()))]
    content = io.BytesIO()
    with rc_context({"font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # no such font: boxes are drawn
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _measure(name: str) -> str:
    """train_loss and valid_loss share a panel."""
    split, _, rest = name.partition("_")
    return rest if split in SPLITS else name
