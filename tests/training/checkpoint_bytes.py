"""A checkpoint's bytes without a file."""

import io
from typing import Any

from dlkit.training.checkpoint import write


def to_bytes(tree: dict[str, Any], *, command: str) -> bytes:
    stream = io.BytesIO()
    write(stream, tree, command=command)
    return stream.getvalue()
