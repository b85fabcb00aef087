import hashlib
from pathlib import Path

import pytest

from dlkit.backend import open_backend
from dlkit.errors import UserError
from dlkit.training import environment


def test_a_session_tells_what_it_ran_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/usr/bin/dlkit", "train-mlp", "日本 語.csv"])
    found = environment.session(open_backend(), 2)
    assert found["command_line"] == "dlkit train-mlp '日本 語.csv'"
    assert found["git_revision"] is None and found["threads"] == 2 and found["device"] == "cpu"
    assert "cupy" not in found and found["numpy"] and found["cpu"]
    monkeypatch.setenv("PATH", "")  # no git at all
    assert environment.git_revision() is None


def test_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    found = environment.fingerprints([tmp_path / "a", tmp_path / "a", tmp_path / "gone"])
    assert found == [{"path": str(tmp_path / "a"), "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}]
    folder = environment.fingerprints([tmp_path])
    (tmp_path / "a").write_bytes(b"abd")
    assert environment.fingerprints([tmp_path])[0]["sha256"] != folder[0]["sha256"]
    assert (folder[0]["files"], folder[0]["bytes"]) == (1, 3)
    environment.refuse_changed_inputs(None, found)
    environment.refuse_changed_inputs(["odd", {"path": str(tmp_path / "b"), "sha256": "0"}], found)
    with pytest.raises(UserError, match="has changed since the run began"):
        environment.refuse_changed_inputs([found[0] | {"sha256": "0"}], found)
