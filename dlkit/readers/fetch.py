"""Downloading a data set into the data folder: resumed where it broke off, checked, unpacked, put in place.

pooch fetches and checks; what it lacks, going on with half a file, is the downloader below. A file appears
under its name only when it is whole; SHA256SUMS, written last, is in the form that `sha256sum -c` reads.
"""

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from dlkit.errors import DataError, UserError
from dlkit.readers.data_sets import DataSet, Download

SUMS = "SHA256SUMS"
_PIECE = 1 << 13  # what a connection that breaks can lose
_TIMEOUT = 30.0
_TRIES = 3
_MOST_UNPACKED = 4 << 30
"""Bytes of one archive's members; the largest set here has 180 MB."""

Watch = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far, and how many there will be, where that is known."""


def present(data_set: DataSet, root: Path) -> bool:
    """Whether the set was fetched into `root`, or was put there by hand under the same names."""
    folder = root / data_set.folder
    wanted = [
        name for one in data_set.downloads for name in ([one.name] if one.members is None else one.checks)
    ]
    if (folder / SUMS).is_file():
        return True
    return bool(wanted) and all((folder / name).is_file() for name in wanted)


def fetch(
    data_set: DataSet, root: Path, mirrors: Iterable[str] = (), watch: Watch | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Path:  # fmt: skip
    """The set's folder in `root`, with every file checked; what is there and whole is not fetched again.

    mirrors: addresses that are tried before the official one, as MIRROR/FOLDER/FILE. Raises DataError for a
    file that is not what it should be, UserError where it cannot be had.
    """
    folder = root / data_set.folder
    try:
        if not _whole(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sums: dict[str, str] = {}
            for download in data_set.downloads:
                sums |= _one(download, folder, list(mirrors), watch, log)
            _put(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
            shutil.rmtree(folder / ".part", ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot be written: {error.strerror or error}", where=str(error.filename or folder)
        ) from error
    return folder


def _whole(folder: Path) -> bool:
    """Whether SHA256SUMS is there and every file is as it says."""
    if not (folder / SUMS).is_file():
        return False
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("  ", 1) for line in lines if "  " in line]
    return all((folder / name).is_file() and sha256(folder / name) == digest for digest, name in pairs)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- one file ---------------------------------------------------------------------------------------
def _one(
    download: Download, folder: Path, mirrors: list[str], watch: Watch | None, log: Callable[[str], None]
) -> dict[str, str]:
    """Fetch one file and keep it, or the wanted members of it. Returns name -> SHA-256 of what was kept."""
    there = folder / download.name
    if download.members is None and there.is_file() and sha256(there) == download.sha256:
        return {download.name: sha256(there)}
    official = download.url
    addresses = [f"{mirror.rstrip('/')}/{folder.name}/{download.name}" for mirror in mirrors] + [official]
    for address in addresses:
        try:
            file = _retrieve(address, download, folder / ".part", watch)
            return _kept(file, download, folder)
        except (DataError, UserError) as error:
            if address == official:
                raise
            log(f"{error}; trying the next address")
    raise AssertionError("the official address is the last")


def _retrieve(address: str, download: Download, parts: Path, watch: Watch | None) -> Path:
    """The file from one address, checked, in the folder of parts."""
    pooch = _pooch()
    from requests.exceptions import RequestException

    parts.mkdir(exist_ok=True)
    begun = parts / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}-{download.name}"
    known = f"sha256:{download.sha256}" if download.sha256 else None
    name = f"whole-{download.name}"
    try:
        got = pooch.retrieve(address, known, fname=name, path=parts, downloader=_Resuming(begun, watch))
    except RequestException as error:
        raise UserError(
            _told(error), where=address, hint="the same command goes on where it stopped"
        ) from error
    except ValueError as error:  # pooch: the sum is another
        begun.unlink(missing_ok=True)
        raise DataError(
            f"not the file that was expected: its SHA-256 is not {download.sha256}", where=address,
            hint="a mirror may have it: --mirror",
        ) from error  # fmt: skip
    return Path(got)


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise UserError(
            "downloading needs pooch, which is not installed", hint='pip install "dlkit[data]"'
        ) from error
    pooch.get_logger().setLevel("ERROR")
    return pooch


def _told(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    return f"cannot be fetched: {type(error).__name__}"


class _Resuming:
    """A downloader for pooch: bytes are kept in `begun`, and asked for from where they end."""

    def __init__(self, begun: Path, watch: Watch | None) -> None:
        self.begun, self.watch = begun, watch

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

        for left in reversed(range(_TRIES)):
            try:
                self._go_on(url)
                break
            except (ChunkedEncodingError, ConnectionError, Timeout):
                if left == 0:
                    raise
        shutil.move(self.begun, output_file)

    def _go_on(self, url: str) -> None:
        import requests

        size = self.begun.stat().st_size if self.begun.exists() else 0
        # identity: of a compressed answer half the bytes are not half the file
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={size}-"} if size else {})
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == 416:  # nothing after it: the part may be the whole
                if response.headers.get("Content-Range", "").rpartition("/")[2] == str(size):
                    return
                self.begun.unlink()
                raise requests.exceptions.ConnectionError("another file than before")
            response.raise_for_status()
            goes_on = response.status_code == 206
            size = size if goes_on else 0
            length = response.headers.get("Content-Length", "")
            total = size + int(length) if length.isdigit() else None
            with self.begun.open("ab" if goes_on else "wb") as file:
                for piece in response.iter_content(_PIECE):
                    size += file.write(piece)
                    if self.watch:
                        self.watch(url.rpartition("/")[2], size, total)
            if total is not None and size < total:
                raise requests.exceptions.ConnectionError("the connection ended early")


# -- unpacking ----------------------------------------------------------------------------------------
def _kept(file: Path, download: Download, folder: Path) -> dict[str, str]:
    if download.members is None:
        digest = sha256(file)
        file.replace(folder / download.name)
        return {download.name: digest}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as made:
        sums = {name: _copied(member, Path(made) / name) for name, member in _members(file, download)}
        for name, digest in download.checks.items():
            if sums.get(name) != digest:
                found = "is not in it" if name not in sums else f"has another SHA-256 than {digest}"
                raise DataError(f"{name} {found}", where=download.url)
        if not sums:
            raise DataError("holds none of the files of this set", where=download.url)
        for name in sums:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(made) / name).replace(folder / name)
    file.unlink()
    return sums


def _members(file: Path, download: Download) -> Iterator[tuple[str, BinaryIO]]:
    """(path in the set's folder, open member) of every wanted member. Raises DataError: a broken archive."""
    wanted, total = re.compile(download.members or ""), 0
    try:
        for member, size, open_it in _archive(file):
            match = wanted.fullmatch(member)
            if match is None:
                continue
            path = "/".join(part for part in (match.groupdict().get("folder"), match["name"]) if part)
            total += size
            if (
                ".." in PurePosixPath(path).parts
                or PurePosixPath(path).is_absolute()
                or total > _MOST_UNPACKED
            ):
                raise DataError(
                    f"an archive that is not to be trusted (member {member[:100]})", where=download.url
                )
            with open_it() as opened:
                yield path, opened
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise DataError(f"a broken archive ({error})", where=download.url) from error


def _archive(file: Path) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """(name, size, open) of every plain file in a zip or tar archive."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, info.file_size, lambda info=info: archive.open(info)  # type: ignore[misc]
        return
    with tarfile.open(file) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, member.size, lambda member=member: tar.extractfile(member)  # type: ignore[misc]


def _copied(source: BinaryIO, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    return sha256(target)


def _put(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
