"""The page of a report: what its text holds, and what it does in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import NAMES, Browser, find_chromium
from fabricated import fill
from pages import MOST_WORDS, column, elements, seen_words, unfold

from gslt.report import write_report
from gslt.report.explorer import study_data
from gslt.report.page import script_json
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell, Study
from gslt.version import __version__

CHROMIUM = find_chromium()
EVIL = '</script><script>document.title="evil"</script><img src=x onerror=alert(1)>&"\' {{body}}'
GRID = Study(
    name="grid",
    title="A grid & more",
    settings={"hidden_channels": 10},
    arms={
        "weight training": {"method": "train"},
        "dense": {"sparsity": [0.2, 0.5, 0.8]},
        "frozen": {"sparsity": [0.5, 0.6], "freezing_ratio": 0.4},
    },
)
TABLE = Study(
    name="data",
    title=f"Evil {EVIL}",
    settings={"hidden_channels": 10},
    arms={"b": {"lr": 0.3}, "a": {"lr": 0.2}, EVIL: {"lr": 0.1}},
)


def accuracy(cell: GridCell) -> float:
    own = {"b": 0.5, "a": 0.7, "dense": 0.6, "frozen": 0.62}.get(cell.arm, 0.65)
    return own - 0.1 * abs(cell.axes.get("sparsity", 0.5) - 0.5) + 0.01 * cell.spec.config.seed


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "runs"
    fill(path, GRID, accuracy)
    fill(path, TABLE, accuracy)
    return write_report(StudyFolder(path))[0]


# Its text


def test_nothing_comes_from_elsewhere(page: Path) -> None:
    sources = [
        value
        for _, attributes in elements(page).found
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert len(sources) == 4
    assert all(str(source).startswith(("data:image/svg+xml", "#study:")) for source in sources)
    assert "@import" not in page.read_text("utf-8")
    assert "url(" not in page.read_text("utf-8").split("<body>")[0]


def test_text_of_a_study_stays_text(page: Path) -> None:
    found = elements(page)
    # The page's own two scripts, one of them data; no picture but the two figures.
    assert [tag for tag, _ in found.found].count("script") == 2
    assert [tag for tag, _ in found.found].count("img") == 2
    assert EVIL in found.text
    assert page.read_text("utf-8").count('document.title="evil"') == 0


def test_only_its_own_script_may_run(page: Path) -> None:
    text = page.read_text("utf-8")
    policy = next(a["content"] for t, a in elements(page).found if a.get("http-equiv"))
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


def test_what_it_says(page: Path) -> None:
    text = elements(page).text
    for words in (
        f"gslt {__version__}",
        "gslt study run --study runs/studies/grid.yaml --out runs",
        "gslt report runs",
        "toy (synthetic): 10 nodes, 20 directed edges",
        "synthetic graph",
        "9 of 9 runs, 3 seed(s)",
        "Made-up OS, 2 cores, 1 thread",
        "27 of 27 runs done",
    ):
        assert words in text


def test_the_answer_leads_and_the_rest_is_folded(page: Path) -> None:
    assert seen_words(page) <= MOST_WORDS
    found = elements(page)
    assert len(found.text.split()) > 1.5 * seen_words(page)
    assert "Found, by test accuracy – weight training: 66.00 ± 1.00 %; frozen, sparsity" in (
        found.unfolded
    )
    # Tables are folded, and a study's own title and no folder's stands on top.
    assert "initialisation" in found.text
    assert "initialisation" not in found.unfolded
    assert "2 studies of GIN on toy (synthetic)" in found.unfolded


def test_a_lone_study_gives_its_title_and_its_table(tmp_path: Path) -> None:
    study = Study(name="one", title="One & only", arms={"a": {"sparsity": 0.3}}, seeds=2)
    (page, *_) = write_report(fill(tmp_path / "folder-name", study, lambda _: 0.5))
    found = elements(page)
    assert "One & only: toy (synthetic)" in found.unfolded
    # A few rows are shown at once.
    assert "initialisation" in found.unfolded
    assert seen_words(page) <= MOST_WORDS


def test_it_holds_the_data_of_every_study(page: Path) -> None:
    raw = re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert raw is not None
    folder = StudyFolder(page.parent)
    assert json.loads(raw[1]) == {
        study.name: study_data(folder.results(study)) for study in (TABLE, GRID)
    }


def test_numbers_that_json_does_not_have_are_refused() -> None:
    assert script_json({"a": "</script>&"}) == '{"a":"\\u003c/script\\u003e\\u0026"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))


# In a browser

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason=f"needs one of {', '.join(NAMES)} on the path"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def browser(chromium: Browser, page: Path) -> Browser:
    chromium.open(page)
    unfold(chromium)
    return chromium


@needs_browser
def test_it_loads_in_silence_and_asks_for_nothing(browser: Browser, page: Path) -> None:
    assert browser.complaints() == []
    requests = [url for url in browser.requests() if not url.startswith("data:")]
    assert requests == [page.resolve().as_uri()]
    assert browser.run("document.title") == "2 studies of GIN on toy (synthetic)"


@needs_browser
def test_pictures_show(browser: Browser) -> None:
    sizes = browser.run("Array.from(document.images, (i) => [i.complete, i.naturalWidth])")
    assert len(sizes) == 2
    assert all(complete and width > 300 for complete, width in sizes)


@needs_browser
def test_a_click_on_a_heading_sorts(browser: Browser) -> None:
    table, test = "summary:data", 6
    heading = "[id='summary:data'] th:nth-child(7)"
    assert column(browser, table, 0) == ["b", "a", EVIL]
    browser.click(f"{heading} button")
    assert column(browser, table, test) == ["51.00 ± 1.00", "66.00 ± 1.00", "71.00 ± 1.00"]
    assert column(browser, table, 0) == ["b", EVIL, "a"]
    sort = f"document.querySelector(`{heading}`).getAttribute('aria-sort')"
    assert browser.run(sort) == "ascending"
    # Once more by the keyboard, on the heading that has the focus.
    browser.press("Enter", "\r")
    assert browser.run(sort) == "descending"
    assert column(browser, table, 0) == ["a", EVIL, "b"]
    # Names, and what was sorted before says so no more.
    browser.click("[id='summary:data'] th:nth-child(1) button")
    assert column(browser, table, 0)[1:] == ["a", "b"]
    assert browser.run(sort) == "none"


@needs_browser
def test_what_is_missing_sorts_last_both_ways(browser: Browser) -> None:
    heading = "[id='summary:grid'] th:nth-child(5) button"
    for first in ("0.00", "0.40"):
        browser.click(heading)
        found = column(browser, "summary:grid", 4)
        assert (found[0], found[-1]) == (first, "–")


def marks(browser: Browser, study: str = "grid") -> list[list[float]]:
    """Points of the figure, by series."""
    found = browser.run(
        f"""Array.from(document.querySelectorAll('[data-study="{study}"] .series'), (series) =>
        Array.from(series.querySelectorAll('circle'), (circle) =>
        [circle.cx.baseVal.value, circle.cy.baseVal.value]))"""
    )
    assert isinstance(found, list)
    return found


@needs_browser
def test_the_figure_draws_what_is_picked(browser: Browser) -> None:
    before = marks(browser)
    # A level without points, three points and two; accuracies of 0.58, 0.61 and 0.58 make a peak.
    assert [len(series) for series in before] == [0, 3, 2]
    (x1, y1), (x2, y2), (x3, y3) = before[1]
    assert x1 < x2 < x3
    assert y2 < y1
    assert y1 == pytest.approx(y3)
    # 0.2, 0.5, 0.8 are evenly apart; the frozen points 0.5 and 0.6 begin where the second is.
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert before[2][0][0] == pytest.approx(x2)
    browser.choose('[data-study="grid"] [name="x"]', "model_bytes")
    by_size = marks(browser)
    # Sparsity moves no size, so that nothing is joined; and weight training has a place now: 4 kB,
    # right of all tickets.
    assert [len(series) for series in by_size] == [1] * 6
    assert by_size[0][0][0] > max(x for series in by_size[1:] for x, _ in series)
    label = "document.querySelector('[data-study=\"grid\"] svg').getAttribute('aria-label')"
    assert "model size in kB" in browser.run(label)
    browser.choose('[data-study="grid"] [name="y"]', "val_accuracy")
    assert browser.run(label).startswith("validation accuracy (%) against model size")
    assert browser.complaints() == []


@needs_browser
def test_arms_come_and_go(browser: Browser) -> None:
    box = '[data-study="grid"] input[value="dense"]'
    browser.click(box)
    assert [len(series) for series in marks(browser)] == [0, 2]
    browser.click('[data-study="grid"] .none')
    assert marks(browser) == []
    text = "document.querySelector('[data-study=\"grid\"] svg').textContent"
    assert "No arm that is picked" in browser.run(text)
    browser.click('[data-study="grid"] .all')
    assert [len(series) for series in marks(browser)] == [0, 3, 2]


@needs_browser
def test_a_point_tells_its_numbers(browser: Browser) -> None:
    browser.hover('[data-study="grid"] .series circle')
    tip = browser.run("document.querySelector('.tip').textContent")
    assert tip.splitlines() == [
        "dense, sparsity 0.2",
        "sparsity (fraction of weights removed): 0.2",
        "test accuracy (%): 58 ± 1.00",
        "n = 3",
    ]
    browser.hover("h1")
    assert browser.run("document.querySelectorAll('.tip').length") == 0
    # 1,000 weights of four bytes, in kB.
    browser.choose('[data-study="grid"] [name="x"]', "model_bytes")
    browser.hover('[data-study="grid"] [data-arm="weight training"] circle')
    tip = browser.run("document.querySelector('.tip').textContent")
    assert tip.splitlines()[1] == "model size in kB: mask bits, or float32 weights: 4"


@needs_browser
def test_every_pair_of_axes_draws(browser: Browser) -> None:
    options = """Array.from(document.querySelectorAll('[data-study="{}"] [name="{}"] option'),
        (o) => o.value)"""
    for study in ("grid", "data"):
        for x in browser.run(options.format(study, "x")):
            for y in browser.run(options.format(study, "y")):
                browser.choose(f'[data-study="{study}"] [name="x"]', x)
                browser.choose(f'[data-study="{study}"] [name="y"]', y)
                drawn = browser.run(
                    f"document.querySelector('[data-study=\"{study}\"] svg').outerHTML"
                )
                assert "NaN" not in drawn
                assert "Infinity" not in drawn
                assert 'class="series"' in drawn
    assert browser.complaints() == []


@needs_browser
def test_comparisons_of_two_arms(browser: Browser) -> None:
    everything = column(browser, "comparisons:grid", 0)
    # Training beside 3 + 2 tickets; the two sources vary the same axis and meet at 0.5.
    assert len(everything) == 6
    of = '.filter[data-table="comparisons:grid"] [name="{}"]'
    browser.choose(of.format("first"), "frozen")
    browser.choose(of.format("second"), "dense")
    assert column(browser, "comparisons:grid", 0) == ["dense"]
    assert column(browser, "comparisons:grid", 1) == ["frozen"]
    browser.choose(of.format("second"), "")
    assert len(column(browser, "comparisons:grid", 0)) == 3


@needs_browser
def test_light_and_dark(browser: Browser) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = browser.run(colour)
    assert light == "rgb(255, 255, 255)"
    browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    dark = browser.run(colour)
    assert dark == "rgb(20, 23, 27)"
    browser.click("#theme")
    assert browser.run(colour) == light
    browser.click("#theme")
    assert browser.run(colour) == dark


@needs_browser
def test_names_that_are_cut_to_the_same_words_keep_what_tells_them_apart(
    chromium: Browser, tmp_path: Path
) -> None:
    arm = "frozen source with half of it locked and half of it pruned, as in the paper's figure"
    grid = {"sparsity": [0.4, 0.5], "num_layers": [2, 3], "lr": [0.01, 0.1]}
    study = Study(name="one", arms={arm: grid, "other": {"sparsity": [0.4, 0.5]}}, seeds=1)
    (page, *_) = write_report(fill(tmp_path, study, lambda _: 0.5))
    chromium.open(page)
    unfold(chromium)
    each = "Array.from(document.querySelectorAll('text.name'), (t) => {})".format
    names = chromium.run(each("t.firstChild.data"))
    assert all(name.startswith("frozen source") for name in names[:4])
    ends = [f"num layers {depth}, lr {lr}" for depth in (2, 3) for lr in (0.01, 0.1)]
    assert [name.partition("…, ")[2] for name in names] == [*ends, ""]
    right = "t.getBBox().x + t.getBBox().width - t.ownerSVGElement.width.baseVal.value"
    assert max(chromium.run(each(right))) <= 0


@needs_browser
def test_it_fits_a_narrow_screen(browser: Browser) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=800,
        deviceScaleFactor=1,
        mobile=True,
    )
    assert browser.run("document.documentElement.scrollWidth") <= 390


@needs_browser
def test_a_link_opens_what_it_leads_into(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.run("document.querySelectorAll('details[open]').length") == 0
    # A table lies in a folded part.
    chromium.run("location.hash = '#summary:grid'")
    chromium.run("new Promise((done) => setTimeout(done, 50))")
    assert chromium.run("document.getElementById('summary:grid').closest('details').open") is True
