"""dlkit on the stand-in: python -m cupy_stand_in train-mlp data.csv --gpu ... (with tests/ on PYTHONPATH).

What the host asked of the device is written as JSON to the file that DLKIT_STAND_IN_COUNTS names.
"""

import json
import os
import sys
from pathlib import Path

from cupy_stand_in.counts import counts
from cupy_stand_in.module import install


def main() -> None:
    """Run the command line, then write the counts."""
    install()
    from dlkit.cli import main as dlkit

    try:
        sys.exit(dlkit())
    finally:
        if target := os.environ.get("DLKIT_STAND_IN_COUNTS"):
            report = {"syncs": counts.syncs, "uploads": counts.uploads, "launches": counts.launches}
            text = json.dumps(report | {"kernels": counts.kernels, "waits": counts.waits}, indent=1)
            Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
