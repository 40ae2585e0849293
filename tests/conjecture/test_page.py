"""The page of the test of the conjecture: its text, and what it does in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import NAMES, Browser, find_chromium
from pages import column, elements
from planted import SMALL, effect, plant, with_parts

from gslt.conjecture import simulation
from gslt.conjecture.figures import PICTURES
from gslt.conjecture.protocol import Part
from gslt.conjecture.report import report_plan
from gslt.version import __version__

CHROMIUM = find_chromium()
#: The same without batch norm, and with fewer arms.
BARE = Part("bare", ("toy",), (2, 4), 8, 3, 6, 0.05, ("trained", "dense", "frozen"), False)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Supported with batch norm, contradicted without; one run is missing."""
    up, down = effect(1.0), effect(-1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "SIMULATIONS", 2)
        plan = with_parts(patch, SMALL, BARE)
        left_out = plan.studies[0].cells[0]
        folder = plant(
            tmp_path_factory.mktemp("conjecture") / "out",
            plan,
            lambda cell: (
                None if cell == left_out else (up if cell.spec.config.batch_norm else down)(cell)
            ),
        )
        report_plan(plan, folder, progress=False, say=lambda _: None)
    return folder.path / "report.html"


# Its text


def test_nothing_comes_from_elsewhere(page: Path) -> None:
    found = elements(page)
    sources = [attributes["src"] for _, attributes in found.found if "src" in attributes]
    assert len(sources) == len(PICTURES) == 7
    assert all(str(source).startswith("data:image/svg+xml;base64,") for source in sources)
    links = [attributes["href"] for tag, attributes in found.found if tag == "a"]
    assert [link for link in links if not str(link).startswith("#")] == [
        "https://arxiv.org/abs/2402.14029"
    ]
    places = {attributes["id"] for _, attributes in found.found if "id" in attributes}
    assert {str(link)[1:] for link in links if str(link).startswith("#")} <= places


def test_its_words_are_those_of_the_verdicts(page: Path) -> None:
    text = " ".join(elements(page).text.split())
    found = json.loads(page.with_name("verdict.json").read_text("utf-8"))
    outcomes = [each["decision"]["outcome"] for each in found["overall"]]
    assert outcomes == ["contradicted", "supported"]
    for each in found["overall"] + found["depths"]:
        assert each["reason"] in text
        assert each["label"] in text
    for words in (
        "arXiv 2402.14029",
        "the paper did not measure",
        "Preliminary. 1 of 240 runs are missing",
        "toy (synthetic)",
        "GIN, without batch norm (layers scaled to unit gain), 2 / 4 layers, width 6, 3 epochs",
        "2 simulations each",
        found["command"],
        f"gslt {__version__}",
        "Made-up OS, 2 cores, 1 thread",
        "a ticket, searched among all random weights",
    ):
        assert words in text


def test_pictures_are_files_too(page: Path) -> None:
    names = {path.name for path in (page.parent / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")}


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
    return chromium


@needs_browser
def test_it_loads_in_silence_and_its_pictures_show(browser: Browser, page: Path) -> None:
    assert browser.complaints() == []
    requests = [url for url in browser.requests() if not url.startswith("data:")]
    assert requests == [page.resolve().as_uri()]
    assert browser.run("document.title") == "Does freezing counter over-smoothing?"
    sizes = browser.run("Array.from(document.images, (i) => [i.complete, i.naturalWidth])")
    assert len(sizes) == 7
    assert all(complete and width > 300 for complete, width in sizes)


@needs_browser
def test_verdicts_stand_on_top(browser: Browser) -> None:
    cards = browser.run(
        "Array.from(document.querySelectorAll('.card'), (c) => [c.dataset.outcome,"
        "c.querySelector('h3').textContent, c.getBoundingClientRect().bottom])"
    )
    assert [card[:2] for card in cards] == [
        ["supported", "toy (synthetic), with batch norm"],
        ["contradicted", "toy (synthetic), without batch norm"],
    ]
    # Without scrolling.
    assert all(bottom < 900 for _, _, bottom in cards)


@needs_browser
def test_tables_sort_and_pick(browser: Browser) -> None:
    browser.click("#table-verdicts th:nth-child(5) button")
    shown = [float(value) for value in column(browser, "table-verdicts", 4)]
    assert len(shown) == 6
    assert shown == sorted(shown)
    browser.click("#table-verdicts th:nth-child(5) button")
    assert [float(v) for v in column(browser, "table-verdicts", 4)] == shown[::-1]
    # All depths come before single ones.
    browser.click("#table-verdicts th:nth-child(3) button")
    assert column(browser, "table-verdicts", 2) == ["all (2, 4)"] * 2 + ["2"] * 2 + ["4"] * 2
    everything = column(browser, "table-contrasts", 0)
    of = '.filter[data-table="table-contrasts"] [name="{}"]'
    browser.choose(of.format("first"), "frozen, F = 0.4")
    browser.choose(of.format("second"), "log quotient")
    picked = column(browser, "table-contrasts", 0)
    assert picked == ["frozen, F = 0.4"] * 4
    browser.choose(of.format("first"), "")
    browser.choose(of.format("second"), "")
    assert column(browser, "table-contrasts", 0) == everything


@needs_browser
def test_figures_to_play_with_draw(browser: Browser) -> None:
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    of = '.explorer[data-study="conjecture-gin-quick-small"]'
    browser.choose(f'{of} [name="y"]', "test_accuracy")
    drawn = browser.run(f"document.querySelector('{of} svg').outerHTML")
    assert "NaN" not in drawn
    assert 'class="series"' in drawn
    assert browser.complaints() == []


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
