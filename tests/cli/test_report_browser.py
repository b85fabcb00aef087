"""The page of dlkit report in a real browser: it draws, reads, zooms, needs no mouse and no network.

Needs Debian's chromium (or another one) and the extra `browser`; otherwise these tests skip and say so.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.calling import RECIPES, good, sets

api = pytest.importorskip("playwright.sync_api", reason="no browser test: pip install 'dlkit[browser]'")
axe_run = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="no browser test: pip install 'dlkit[browser]'"
)
NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
EVIL = "<script>document.title='owned'</script>"
WORDS = ("赤い", "青い <b>", EVIL)

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const below = (e) => { const found = getComputedStyle(e).backgroundColor;
    return found === "rgba(0, 0, 0, 0)" ? below(e.parentElement) : found; };
  return [...document.querySelectorAll(".shaded td, .readout span, .note, pre, li, caption")].map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(below(e))];
    return [e.textContent.slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}"""
"""Words of what axe-core cannot judge, and their contrast (WCAG 2.2, 1.4.3)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH (Debian: apt install chromium)")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of one run with Japanese and hostile classes, of two, of a sequence of pictures, an index."""
    folder = tmp_path_factory.mktemp("報告")
    rng = np.random.default_rng(0)
    rows = [f'{x:.3f},{y:.3f},"{WORDS[int(x + y) % 3]}"' for x, y in rng.random((90, 2)) * 2]
    (folder / "色.csv").write_text("\n".join(["x,y,色", *rows]) + "\n", encoding="utf-8")
    common = ["-q", "--test", 0.3, "--valid", 9, *sets(model="[{dense: 8}]"), "--epochs", 6]
    good("train-mlp", folder / "色.csv", *common, "-o", folder / "runs" / "実験 <i>")
    good("train-mlp", folder / "色.csv", *common, "--lr", 0.1, "-o", folder / "runs" / "two")
    good(
        "gan",
        RECIPES / "gan-digits.yaml",
        "-q",
        "--epochs",
        2,
        *sets(**{"grid.every": 10}),
        "-o",
        folder / "gan",
    )
    good("report", folder / "runs" / "two", folder / "runs" / "実験 <i>", "-o", folder / "both.html")
    good("report", folder / "runs")
    good("report", folder / "gan")
    return folder


class Seen:
    """A page that is open, with all that it said and asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1100, "height": 900}, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> "Seen":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            outside = [url for url in self.asked if not url.startswith(("file:", "data:"))]
            assert (
                not self.said and not outside and len([u for u in self.asked if u.startswith("file:")]) == 1
            )
        self.context.close()

    def readout(self, at: int = 0) -> str:
        """What is said below a chart."""
        return str(self.page.locator(".readout").nth(at).inner_text())

    def path(self, at: int = 0) -> str:
        """The first curve of a chart."""
        return str(self.page.locator("svg.chart").nth(at).locator("path.curve").first.get_attribute("d"))

    def point(self, share: float) -> None:
        """Move the mouse over the first chart, so far from its left."""
        chart = self.page.locator("svg.chart").first
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        self.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


@pytest.fixture
def one(browser: Any, reports: Path) -> Iterator[Seen]:
    with Seen(browser, reports / "runs" / "実験 <i>" / "report.html") as seen:
        yield seen


def test_charts_are_drawn_and_read(one: Seen) -> None:
    charts = one.page.locator("svg.chart")
    assert charts.count() == 2
    for at in range(charts.count()):
        curves = charts.nth(at).locator("path.curve")
        assert curves.count() == 2
        assert all(str(curves.nth(k).get_attribute("d")).count("L") == 5 for k in range(2))
    assert one.readout() == ""
    one.point(0.99)
    assert "epoch 6: train_loss " in one.readout() and "valid_loss " in one.readout()
    one.point(0.13)
    assert "epoch 1: " in one.readout()


def test_zoom_and_log_scale(one: Seen) -> None:
    whole = one.path()
    one.page.get_by_role("button", name="zoom in").click()
    near = one.path()
    assert near != whole
    one.page.get_by_role("button", name="show everything").click()
    assert one.path() == whole
    one.point(0.3)
    one.page.mouse.down()
    one.point(0.6)
    one.page.mouse.up()
    assert one.path() not in (whole, near)
    one.page.locator("svg.chart").first.dblclick()
    assert one.path() == whole
    one.page.get_by_label("log scale").first.check()
    assert one.path() != whole
    one.page.get_by_label("along").select_option("seconds")
    one.page.get_by_label("log scale").first.uncheck()
    assert one.path() != whole and "seconds" in one.page.locator("svg.chart").first.text_content()
    one.page.get_by_role("checkbox", name="train").uncheck()
    assert one.page.locator("svg.chart").first.locator("path.curve").count() == 1


def test_a_keyboard_is_enough(one: Seen) -> None:
    """Everything that a mouse can do is reached by Tab, in the order of reading, and shows that it is."""
    focused = """() => { const e = document.activeElement, s = getComputedStyle(e);
    const top = e.getBoundingClientRect().top + scrollY;
    return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth), top, e.textContent.slice(0, 20)]; }"""
    order, drawn = [], one.path()
    for _ in range(60):
        one.page.keyboard.press("Tab")
        found = one.page.evaluate(focused)
        if found[0] == "BODY":
            break
        order.append(found)
        if found[0] == "svg" and len([one for one in order if one[0] == "svg"]) == 1:
            for key in ("Home", "ArrowRight", "ArrowRight"):
                one.page.keyboard.press(key)
            assert "epoch 3: " in one.readout()
            one.page.keyboard.press("+")
            assert one.path() != drawn
            one.page.keyboard.press("0")
            assert one.path() == drawn
            one.page.keyboard.press("l")
            assert one.page.get_by_label("log scale").first.is_checked()
    assert order[0][4] == "Skip to the content"
    tags = [tag for tag, *_ in order]
    assert {"A", "SELECT", "BUTTON", "INPUT", "svg", "SUMMARY"} <= set(tags) and tags.count("svg") == 2
    assert all(style != "none" and width >= 1 for _, style, width, *_ in order), "focus is visible"
    tops = [top for tag, _, _, top, _ in order if tag in ("svg", "SUMMARY")]
    assert tops == sorted(tops)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_to_everyone(browser: Any, reports: Path, scheme: str) -> None:
    """axe-core finds nothing, contrast included; whatever is folded is opened for it."""
    for path in ("both.html", "runs/index.html", "gan/report.html"):
        with Seen(browser, reports / path, color_scheme=scheme) as seen:
            seen.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            if seen.page.locator("svg.chart").count():
                seen.point(0.5)
            rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}  # what else would differ
            found = axe_run.Axe().run(seen.page, options=rules)
            assert found.violations_count == 0, found.generate_report()
            assert [one for one in seen.page.evaluate(CONTRAST) if one[1] < 4.5] == []
            back = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, back[4:-1].split(","))) > 380) == (scheme == "light")


def test_roles_names_and_words(one: Seen) -> None:
    page = one.page
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "navigation"):
        assert page.get_by_role(role).count() == 1
    for image in page.locator("img").all():
        assert len(str(image.get_attribute("alt"))) > 10
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
    labels = page.locator("#pictures .shaded tbody th").all_inner_texts()
    assert labels == sorted(WORDS) and page.title() != "owned"
    cells = page.locator("#pictures .shaded td")
    shades = cells.evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert len(shades) == 9 and len(set(shades)) > 1


def test_a_sequence_of_pictures_has_a_slider(browser: Any, reports: Path) -> None:
    with Seen(browser, reports / "gan" / "report.html") as seen:
        frames = seen.page.locator(".frames figure")
        assert frames.count() >= 3
        shown = [k for k in range(frames.count()) if frames.nth(k).is_visible()]
        assert shown == [frames.count() - 1]
        slider = seen.page.get_by_role("slider")
        slider.focus()
        seen.page.keyboard.press("Home")
        assert frames.first.is_visible() and not frames.last.is_visible()
        assert str(slider.get_attribute("aria-valuetext")).startswith("step-0")


def test_without_scripts_everything_is_there(browser: Any, reports: Path) -> None:
    with Seen(browser, reports / "gan" / "report.html", java_script_enabled=False) as seen:
        frames = seen.page.locator(".frames figure")
        assert all(frames.nth(k).is_visible() for k in range(frames.count()))
        assert "The curves need JavaScript" in seen.page.locator("main").inner_text()


def test_several_runs_share_the_charts(browser: Any, reports: Path) -> None:
    with Seen(browser, reports / "both.html") as seen:
        page = seen.page
        assert page.locator("svg.chart").first.locator("path.curve").count() == 4
        seen.point(0.99)
        assert "実験 <i> " in seen.readout()
        page.get_by_role("checkbox", name="実験 <i>").uncheck()
        assert page.locator("svg.chart").first.locator("path.curve").count() == 2
        rows = page.locator("#differences tbody th").all_inner_texts()
        assert "optimizer.lr" in rows


def test_an_index_leads_to_every_page(browser: Any, reports: Path) -> None:
    with Seen(browser, reports / "runs" / "index.html") as seen:
        links = seen.page.get_by_role("link")
        assert sorted(links.all_inner_texts()) == ["two", "実験 <i>"]
        seen.asked.clear()
        links.filter(has_text="実験").click()
        assert "実験 <i>" in seen.page.get_by_role("heading", level=1).inner_text()


def test_a_hundred_long_runs_stay_usable(browser: Any, tmp_path: Path) -> None:
    """The page opens, answers a pointer, draws anew at once; longer runs are thinned to as many numbers."""
    rng = np.random.default_rng(1)
    steps = np.arange(1, 1001)
    loss = np.exp(-steps / 300) + 0.05 * rng.random(1000)
    for k in range(100):
        run = tmp_path / f"run-{k:02}"
        run.mkdir()
        lines = [f"{i},{i},{x + k / 300:.6f},{1 - x:.6f}" for i, x in enumerate(loss.tolist(), 1)]
        (run / "metrics.csv").write_text("\n".join(["epoch,step,train_loss,valid_accuracy", *lines]) + "\n")
        (run / "recipe.yaml").write_text(f"command: train-mlp\noptimizer: {{lr: {k}e-4}}\n")
    good("report", *sorted(tmp_path.iterdir()), "-o", tmp_path / "all.html")
    assert (tmp_path / "all.html").stat().st_size < 5_000_000
    with Seen(browser, tmp_path / "all.html") as seen:
        assert seen.page.locator("svg.chart").first.locator("path.curve").count() == 100
        seen.point(0.5)
        assert "and 92 more" in seen.readout()
        seen.page.get_by_role("button", name="none").click()
        assert seen.page.locator("path.curve").count() == 0
        took = seen.page.evaluate(
            """() => { const began = performance.now(); document.querySelector('#legend button').click();
            document.body.getBoundingClientRect(); return performance.now() - began; }"""
        )
        assert took < 5000, "milliseconds to draw all of them"


def test_a_picture_too_large_is_told(browser: Any, reports: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(reports / "runs" / "two", tmp_path / "two"))
    noise = np.random.default_rng(0).integers(0, 256, (900, 1700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run / "大きい.png")
    good("report", run)
    assert (run / "report.html").stat().st_size <= 2_000_000
    with Seen(browser, run / "report.html") as seen:
        picture = seen.page.get_by_role("img").last
        assert picture.evaluate("e => e.complete && e.naturalWidth > 0")
        assert "made smaller, from 1700 × 900" in seen.page.locator("#pictures").inner_text()
