"""Fetching data sets from a server that breaks off, sends something else, or has nothing."""

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from dlkit.errors import DataError, UserError
from dlkit.readers.baskets import BasketSpec
from dlkit.readers.data_sets import DATA_SETS, DataSet, Download
from dlkit.readers.fetch import SUMS, fetch, present
from dlkit.readers.paths import VARIABLE, find_data, resolve_path
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.readers.spec import DataSpec
from tests.cli.calling import call, error_line, good

pytest.importorskip("pooch", reason='pooch is not installed: pip install "dlkit[data]"')

WHOLE = b"".join(b"%d\n" % k for k in range(60_000))


class Server(ThreadingHTTPServer):
    """Serves `files`; `asked` has each request's path and range.

    cut: bytes after which it hangs up, once each.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.cut: list[int] = []
        self.ranges = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append((self.path, asked))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if begin >= len(data) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = begin + self.server.cut.pop(0) if self.server.cut else len(data)
        self.wfile.write(data[begin:end])

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def of(*downloads: Download) -> DataSet:
    return DataSet("数: numbers", "60,000", "public domain", "http://example.org", "numbers", downloads)


def numbers(server: Server) -> DataSet:
    server.files["/n.txt"] = WHOLE
    return of(Download(f"{server.address}/n.txt", digest(WHOLE)))


# -- good ----------------------------------------------------------------------------------------------
def test_a_file_is_fetched_once_and_its_sum_written(server: Server, tmp_path: Path) -> None:
    seen = []
    made = numbers(server)
    assert not present(made, tmp_path)
    folder = fetch(made, tmp_path, watch=lambda *told: seen.append(told))
    assert (folder / "n.txt").read_bytes() == WHOLE
    assert (folder / SUMS).read_text(encoding="utf-8") == f"{digest(WHOLE)}  n.txt\n"
    assert sorted(path.name for path in folder.iterdir()) == [SUMS, "n.txt"], "nothing half done is left"
    assert seen[-1] == ("n.txt", len(WHOLE), len(WHOLE)) and present(made, tmp_path)
    fetch(made, tmp_path)
    assert len(server.asked) == 1


def test_a_file_that_has_changed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    folder = fetch(numbers(server), tmp_path)
    (folder / "n.txt").write_bytes(WHOLE[:-1])
    fetch(numbers(server), tmp_path)
    assert (folder / "n.txt").read_bytes() == WHOLE


def test_what_was_put_there_by_hand_is_taken(server: Server, tmp_path: Path) -> None:
    made = numbers(server)
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "n.txt").write_bytes(WHOLE)
    assert present(made, tmp_path)
    fetch(made, tmp_path)
    assert not server.asked


# -- broken off ------------------------------------------------------------------------------------------
def test_half_a_file_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.cut = [20_000, 70_000]
    folder = fetch(numbers(server), tmp_path)
    assert (folder / "n.txt").read_bytes() == WHOLE
    assert [asked for _, asked in server.asked] == [None, "bytes=16384-", "bytes=81920-"]


def test_a_later_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = [10_000, 10_000, 10_000]
    with pytest.raises(UserError, match=r"n\.txt: cannot be fetched: .* \(the same command goes on"):
        fetch(numbers(server), tmp_path)
    assert not (tmp_path / "numbers" / "n.txt").exists()
    fetch(numbers(server), tmp_path)
    assert server.asked[-1][1] == "bytes=24576-"
    assert (tmp_path / "numbers" / "n.txt").read_bytes() == WHOLE


def test_a_server_that_knows_no_ranges_sends_it_all(server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = [1000], False
    folder = fetch(numbers(server), tmp_path)
    assert (folder / "n.txt").read_bytes() == WHOLE


def test_a_part_that_was_the_whole(server: Server, tmp_path: Path) -> None:
    made = numbers(server)
    server.cut = [0, 0, 0]
    with pytest.raises(UserError):
        fetch(made, tmp_path)
    (part,) = (tmp_path / "numbers" / ".part").iterdir()
    part.write_bytes(WHOLE)
    fetch(made, tmp_path)
    assert (tmp_path / "numbers" / "n.txt").read_bytes() == WHOLE


# -- something else --------------------------------------------------------------------------------------
def test_a_wrong_sum_is_refused_and_forgotten(server: Server, tmp_path: Path) -> None:
    made = numbers(server)
    server.files["/n.txt"] = WHOLE.replace(b"7", b"8")
    with pytest.raises(DataError, match=r"n\.txt: not the file that was expected: its SHA-256 is not"):
        fetch(made, tmp_path)
    assert not (tmp_path / "numbers" / "n.txt").exists() and not present(made, tmp_path)
    server.files["/n.txt"] = WHOLE
    fetch(made, tmp_path)
    assert server.asked[-1][1] is None, "not one byte of the wrong file is used"


def test_a_file_that_is_not_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"m\.txt: the server answers 404 Not Found"):
        fetch(of(Download(f"{server.address}/m.txt", digest(b""))), tmp_path)


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/x: cannot be fetched: ConnectionError"):
        fetch(of(Download("http://127.0.0.1:9/x", digest(b""))), tmp_path)


def test_mirrors_are_asked_first(server: Server, tmp_path: Path) -> None:
    made = numbers(server)
    server.files = {"/good/numbers/n.txt": WHOLE, "/bad/numbers/n.txt": b"?"}
    told: list[str] = []
    mirrors = [f"{server.address}/none", f"{server.address}/bad/", f"{server.address}/good"]
    fetch(made, tmp_path, mirrors, log=told.append)
    assert [path for path, _ in server.asked] == [f"/{one}/numbers/n.txt" for one in ("none", "bad", "good")]
    assert len(told) == 2 and all(line.endswith("; trying the next address") for line in told)


# -- archives --------------------------------------------------------------------------------------------
def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_wanted_members_are_kept(server: Server, tmp_path: Path, pack: object) -> None:
    server.files["/a"] = pack(**{"top/品/u.data": b"1", "top/b/v.data": b"2", "top/readme": b"3"})
    checks = MappingProxyType({"品/u.data": digest(b"1")})
    made = of(Download(f"{server.address}/a", None, r"top/(?P<folder>[^/]+)/(?P<name>.\.data)", checks))
    folder = fetch(made, tmp_path)
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert files.pop(SUMS) and files == {"品/u.data": b"1", "b/v.data": b"2"}
    assert present(made, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped(u=b"other"), "u has another SHA-256 than"),
        (zipped(v=b"1"), "u is not in it"),
        (b"<html>sign in</html>", "a broken archive"),
        (tarred(u=b"1" * 3000)[:-30], "a broken archive"),
        (tarred(**{"u": b"1", "../v": b"1"}), "not to be trusted"),
        (tarred(**{"u": b"1", "/v": b"1"}), "not to be trusted"),
    ],
    ids=range(6),  # an archive has the time in it
)
def test_archives_that_are_refused(server: Server, tmp_path: Path, content: bytes, told: str) -> None:
    server.files["/a"] = content
    checks = MappingProxyType({"u": digest(b"1")})
    with pytest.raises(DataError, match=told):
        fetch(of(Download(f"{server.address}/a", None, "(?P<name>.+)", checks)), tmp_path)
    assert not list(tmp_path.rglob("u")) and not list(tmp_path.rglob("v"))


# -- the command ---------------------------------------------------------------------------------------------
@pytest.fixture
def one_set(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command knows one set; its data folder."""
    monkeypatch.setattr("dlkit.readers.data_sets.DATA_SETS", {"numbers": numbers(server)})
    monkeypatch.setenv(VARIABLE, str(tmp_path / "データ"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    return tmp_path / "データ"


def test_get_path_list(one_set: Path) -> None:
    assert error_line(call("data", "path", "numbers"), 1) == "numbers: is not here (dlkit data get numbers)"
    assert "not here: dlkit data get numbers" in good("data", "list").stdout
    done = good("data", "get", "numbers")
    assert done.stdout == f"{one_set / 'numbers'}\n"
    assert "licence: public domain (http://example.org)" in done.stderr
    assert good("data", "path", "numbers").stdout == done.stdout
    assert str(one_set / "numbers") in good("data", "list").stdout
    assert good("data", "get", "numbers", "-q").stderr == ""


def test_get_without_the_variable_goes_where_recipes_look(
    one_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    folder = tmp_path / "own" / "dlkit" / "numbers"
    assert good("data", "get", "numbers", "-q").stdout == f"{folder}\n"
    monkeypatch.setenv(VARIABLE, str(one_set))
    assert resolve_path("numbers/n.txt").path == folder / "n.txt"


def test_mirrors_of_the_environment(one_set: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKIT_MIRROR", f"{server.address}/m1 {server.address}/m2")
    assert (
        len(good("data", "get", "numbers", "-q", "--mirror", f"{server.address}/m0").stderr.splitlines()) == 3
    )
    assert [path.split("/")[1] for path, _ in server.asked] == ["m0", "m1", "m2", "n.txt"]


def test_a_name_that_is_not_known(one_set: Path) -> None:
    line = error_line(call("data", "get", "nombers"), 2)
    assert line == 'no data set is called "nombers" (did you mean numbers?)'


def test_a_folder_that_cannot_be_written(one_set: Path) -> None:
    one_set.write_text("a file", encoding="utf-8")
    assert "cannot be written" in error_line(call("data", "get", "numbers", "-q"), 1)


# -- the table -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DATA_SETS)
def test_the_table(name: str) -> None:
    one = DATA_SETS[name]
    assert one.downloads and re.match(r"https?://", one.page)
    for download in one.downloads:
        assert download.sha256 or download.checks, "nothing would tell a wrong file"
        assert all(
            re.fullmatch("[0-9a-f]{64}", s) for s in (download.sha256 or "0" * 64, *download.checks.values())
        )
        assert download.members is None or "name" in re.compile(download.members).groupindex
    parts = [one.data[part] for part in ("train", "valid", "test") if part in one.data]
    assert all(path.startswith(one.folder) for path in parts)


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_sums_are_those_of_the_real_files(name: str, dlkit_data: Path) -> None:
    one, seen = DATA_SETS[name], 0
    for download in one.downloads:
        kept = {download.name: download.sha256} if download.members is None else download.checks
        for file, expected in kept.items():
            path = dlkit_data / one.folder / file
            if path.is_file():
                seen += 1
                assert digest(path.read_bytes()) == expected, file
    if not seen:
        pytest.skip(f"{one.folder} is not among the real data sets here")


def test_a_missing_file_of_a_known_set_says_what_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"mnist/train: no such file .* \(dlkit data get mnist fetches it\)"):
        find_data("mnist/train")
    with pytest.raises(DataError, match=r"\(dlkit data get cifar-10 fetches it\)"):
        find_data("cifar-10-batches-bin/test")


def test_a_recipe_names_a_set() -> None:
    spec = DataSpec.model_validate("mnist")
    assert (spec.train, spec.test) == ("mnist/train", "mnist/test")
    assert DataSpec.model_validate("my.csv").train == "my.csv"
    assert DataSpec.model_validate("./mnist").train == "./mnist"
    assert DataSpec.model_validate("fimi").train == "fimi", "three files: which one is for the recipe to say"
    assert RatingsSpec.model_validate("ml-1m").train == "ml-1m/ratings.dat"
    assert BasketSpec.model_validate("groceries").train == "groceries/groceries.csv"


def test_a_set_in_a_recipe_has_keys_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("command: train-mlp\ndata: mnist\n", encoding="utf-8")
    shown = good("train-mlp", tmp_path / "r.yaml", "--set", "data.valid=100", "--print-config").stdout
    assert "  train: mnist/train\n  valid: 100\n  test: mnist/test\n" in shown
