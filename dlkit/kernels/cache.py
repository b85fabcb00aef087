"""Where numba keeps what it has compiled."""

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """The folder of compiled code: $NUMBA_CACHE_DIR, or beside the package where that can be written, or the
    user's cache; None where nothing can be kept.
    """
    import dlkit

    variable = os.environ.get("NUMBA_CACHE_DIR")
    if variable:
        return Path(variable) if _writable(Path(variable)) else None
    package = Path(dlkit.__file__).parent
    if _writable(package / "kernels"):
        return package
    from numba.misc.appdirs import user_cache_dir

    user = Path(user_cache_dir("numba"))
    return user if _writable(user) else None


def _writable(folder: Path) -> bool:
    """Whether it, or the folder that it would be made in, can be written to."""
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
