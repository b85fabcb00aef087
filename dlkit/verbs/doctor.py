"""`dlkit doctor`: what is here, what works, and what to do about what does not."""

import sys
from typing import Any

import click

HELP = "What this machine has for dlkit, what works, and the cure for what does not."


@click.command(
    "doctor",
    help=HELP,
    epilog="""\b
Examples:
  dlkit doctor
  dlkit doctor --gpu          exit 1 where no GPU can be used
  dlkit doctor --warm         compile all kernels now
  dlkit doctor --json | jq '.[] | select(.level == "bad")'""",
)
@click.option("--gpu", is_flag=True, help="A GPU is needed: that there is none is a fault.")
@click.option("--warm", is_flag=True, help="Compile the kernels of every command first (a minute or two).")
@click.option("--json", "as_json", is_flag=True, help="A list of JSON objects instead of lines.")
def command(gpu: bool, warm: bool, as_json: bool) -> None:
    """Exit 0 where nothing is bad; a note is about something that you may never need."""
    from dlkit.verbs.checkup import CHECKS, Finding

    if warm:
        _warm()
    findings: list[Finding] = []
    for topic, check in CHECKS.items():
        try:
            found = list(check())
        except Exception as error:  # a check must not hide the others
            found = [Finding(topic, "bad", f"the check itself failed: {type(error).__name__}: {error}")]
        if gpu and topic == "gpu":
            found = [one._replace(level="bad") if one.level == "note" else one for one in found]
        findings += found
        if not as_json:
            _tell(topic, found)
    if as_json:
        import json

        click.echo(json.dumps([one._asdict() for one in findings], indent=2, ensure_ascii=False))
    if any(one.level == "bad" for one in findings):
        raise click.exceptions.Exit(1)


def _tell(topic: str, found: list[Any]) -> None:
    for k, one in enumerate(found):
        mark = {"ok": " ", "note": "·", "bad": "✗"}[one.level]
        cure = f"  → {one.cure}" if one.cure else ""
        click.echo(f"{topic if k == 0 else '':9} {mark} {one.text}{cure}")


def _warm() -> None:
    """Train each command on a trifle: what its kernels are called with decides what is compiled."""
    import tempfile
    import time
    from pathlib import Path

    from dlkit.verbs.trifles import TRIFLES, train

    for name in TRIFLES:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            train(name, Path(folder))
        print(f"{name}: compiled in {time.monotonic() - begun:.1f} s", file=sys.stderr)
