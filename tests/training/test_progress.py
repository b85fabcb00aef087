import io

import pytest

from dlkit.training.progress import Display, clock_text, short_bytes, short_count, short_figure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (short_figure(0.99241), "0.9924"), (short_figure(12), "12"), (short_figure(3.14159e-5), "3.142e-05"),
        (short_figure(123456.7), "1.235e+05"), (short_figure(0.0), "0.0000"),
        (short_count(4100), "4.1k"), (short_count(56000), "56k"), (short_count(3.2), "3.2"),
        (short_count(2e6), "2.0M"),
        (short_bytes(41e6), "41 MB"), (short_bytes(999), "999 B"),
        (clock_text(62), "1:02"), (clock_text(7384), "2:03:04"),
    ],
)  # fmt: skip
def test_short_texts(found: str, expected: str) -> None:
    assert found == expected


def epochs(display: Display, now: list[float], count: int, seconds: float) -> None:
    display.begin(count, 0)
    for epoch in range(1, count + 1):
        display.begin_epoch()
        for step in (1, 2):
            now[0] += seconds / 2
            display.step(epoch, step, 2, 50, 0.5)
        display.end_epoch(
            epoch, {"epoch": epoch, "step": 2, "train_loss": 0.5, "valid_accuracy": 0.9}, last=epoch == count
        )
    display.close()


def test_one_plain_line_an_epoch() -> None:
    now, out = [0.0], io.StringIO()
    epochs(Display(unit="images", stream=out, clock=lambda: now[0]), now, 3, 10.0)
    assert out.getvalue().splitlines() == [
        "epoch  1/3  valid_accuracy 0.9000  train_loss 0.5000  10 images/s  eta 0:20",
        "epoch  2/3  valid_accuracy 0.9000  train_loss 0.5000  10 images/s  eta 0:10",
        "epoch  3/3  valid_accuracy 0.9000  train_loss 0.5000  10 images/s",
    ]


def test_thousands_of_epochs_are_about_one_line_a_second() -> None:
    now, out = [0.0], io.StringIO()
    epochs(Display(stream=out, clock=lambda: now[0]), now, 1000, 0.01)
    lines = out.getvalue().splitlines()
    assert 10 <= len(lines) <= 13
    assert lines[0].startswith("epoch     1/1000") and lines[-1].startswith("epoch  1000/1000")


def test_a_held_back_line_comes_out_at_the_end() -> None:
    now, out = [0.0], io.StringIO()
    display = Display(stream=out, clock=lambda: now[0])
    display.begin(9, 0)
    for epoch in (1, 2, 3):
        display.end_epoch(epoch, {"train_loss": 1.0})
    display.close()
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["1/9", "3/9"]


def test_a_long_epoch_reports_inside() -> None:
    now, out = [0.0], io.StringIO()
    display = Display(stream=out, clock=lambda: now[0])
    display.begin(2, 0)
    for step in range(1, 8):
        now[0] += 10
        display.step(1, step, 10, 5, 0.25)
    assert out.getvalue().splitlines() == [
        "epoch  1/2  step 3/10  loss 0.2500  0.5 examples/s  eta 2:50",
        "epoch  1/2  step 6/10  loss 0.2500  0.5 examples/s  eta 2:20",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    now, out = [0.0], io.StringIO()
    display = Display(quiet=True, stream=out, clock=lambda: now[0])
    epochs(display, now, 3, 100.0)
    display.note("a note")
    display.result("runs/x   test_accuracy 0.9")
    assert out.getvalue() == "" and capsys.readouterr().out == "runs/x   test_accuracy 0.9\n"


def test_a_terminal_gets_a_bar_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    now, out = [0.0], Terminal()
    epochs(Display(stream=out, clock=lambda: now[0]), now, 2, 10.0)
    shown = out.getvalue()
    assert "50%|" in shown and "epoch  2/2  valid_accuracy" in shown
    assert "\x1b[3" not in shown and "\x1b[1m" not in shown
    monkeypatch.setenv("TERM", "dumb")
    assert not Display(stream=out).terminal
