import pytest

from dlkit.errors import UsageError
from dlkit.training.pace import VARIABLE, Pace, fixed_seconds


def test_saving_takes_one_part_in_twenty() -> None:
    now = [100.0]
    pace = Pace(clock=lambda: now[0])
    assert pace.due_after_epoch() and not pace.due_inside_epoch()
    now[0] = 102.0
    pace.saved(100.0)  # took two seconds
    now[0] = 141.9
    assert not pace.due_after_epoch()
    now[0] = 142.0
    assert pace.due_after_epoch() and pace.due_inside_epoch()


def test_inside_an_epoch_after_thirty_seconds() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    pace.saved(0.0)
    now[0] = 29.9
    assert pace.due_after_epoch() and not pace.due_inside_epoch()
    now[0] = 30.0
    assert pace.due_inside_epoch()


def test_fixed_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    pace = Pace(0.0, clock=lambda: now[0])
    pace.saved(-100.0)
    assert pace.due_inside_epoch() and pace.due_after_epoch()
    monkeypatch.setenv(VARIABLE, "2.5")
    assert fixed_seconds(None) == 2.5 and fixed_seconds(1.0) == 1.0
    for bad in ("soon", "-1", "nan"):
        monkeypatch.setenv(VARIABLE, bad)
        with pytest.raises(UsageError, match=VARIABLE):
            fixed_seconds(None)
