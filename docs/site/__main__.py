"""``python -m docs.site [-o FOLDER]``: build it; what is wrong with a page is a line, and exit code 1."""

import argparse
import sys
from pathlib import Path

from docs.site.build import build


def main() -> int:
    """Build and say where the first page is."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description="Build the documentation.")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/site"), help="folder (build/site)")
    out: Path = parser.parse_args().out
    problems = build(out)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(out / "index.html")
    return 0


sys.exit(main())
