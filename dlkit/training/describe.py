"""What a run will be, in lines: the heading of a training run, and all of it for --dry-run."""

from typing import Any

from dlkit.algorithms.protocol import Description
from dlkit.training.progress import short_bytes


def heading(description: Description, recipe: Any) -> list[str]:
    """The lines `data ...` and `model ...`; those that have something to say."""
    lines = [f"data   {description.data}"] if description.data else []
    facts = []
    if description.layers:
        facts.append(f"{len(description.layers)} layer{'s' if len(description.layers) != 1 else ''}")
    if description.parameters:
        facts.append(f"{description.parameters:,} parameters")
    if description.step_bytes:
        batch = getattr(recipe, "batch", None)
        of = f" of {batch}" if isinstance(batch, int) else ""
        facts.append(f"{short_bytes(description.step_bytes)} for a step{of}")
    if facts:
        lines.append(f"model  {' · '.join(facts)}")
    return lines


def layer_table(description: Description) -> list[str]:
    """The layers as in Keras' summary: path, kind, output shape, parameters, their sum. None: no lines."""
    if not description.layers:
        return []
    head = ("layer", "kind", "output", "parameters")
    rows = [(row.path, row.kind, row.shape, f"{row.parameters:,}") for row in description.layers]
    rows.append(("total", "", "", f"{description.parameters:,}"))
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(4)]

    def line(row: tuple[str, str, str, str]) -> str:
        left = "  ".join(f"{text:<{width}}" for text, width in zip(row[:3], widths, strict=False))
        return f"{left}  {row[3]:>{widths[3]}}"

    return [line(head), *map(line, rows)]


def dry_run(description: Description, recipe: Any, epochs: int) -> list[str]:
    """Everything that --dry-run prints."""
    lines = heading(description, recipe)
    if description.layers:
        lines += ["", *layer_table(description), ""]
    if description.step_bytes:
        lines.append(f"memory {short_bytes(description.step_bytes)} estimated for a training step")
    lines += [f"{label:<6} {text}" for label, text in description.facts.items()]
    lines.append(f"epochs {epochs}")
    return lines
