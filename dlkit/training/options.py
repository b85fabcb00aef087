"""What the command line says about a run beyond its recipe."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class RunOptions:
    """Where a run is written and how it is told; nothing here changes a result."""

    directory: Path
    """The run directory."""
    resume: bool = False
    """Go on where the directory's checkpoint stopped (a fresh start in an empty directory)."""
    force: bool = False
    """Replace the results that the directory holds, once the new run has read its data and built."""
    quiet: bool = False
    """Nothing but the result line and errors."""
    verbose: bool = False
    """One line for everything worth knowing."""
    threads: int | None = None
    """Threads to use; None: all that are granted."""
    dry_run: bool = False
    """Read, build, describe; train nothing and write nothing."""
    source: str | None = None
    """SOURCE as it was given, for provenance."""
    recipe_path: Path | None = None
    """The recipe file; its folder is the second place where relative data paths are looked for."""
    checkpoint_seconds: float | None = None
    """Save at the end of an epoch and between steps once this many seconds have passed since the last
    save; None: the policy of docs/formats.md."""
