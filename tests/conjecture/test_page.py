"""The page of the test of the conjecture: its text, and what it does in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import NAMES, Browser, find_chromium
from pages import MOST_WORDS, column, elements, seen_words, unfold
from planted import FACTORIAL, SMALL, effect, plant, with_grids

from gslt.conjecture import rivals
from gslt.conjecture.figures import PICTURES
from gslt.conjecture.report import report_plan
from gslt.version import __version__

CHROMIUM = find_chromium()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conjecture is true; one run is missing."""
    values = effect(0.4, 0.03)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "SIMULATIONS", 2)
        plan = with_grids(patch, SMALL, FACTORIAL)
        left_out = plan.studies[-1].cells[0]
        folder = plant(
            tmp_path_factory.mktemp("conjecture") / "out",
            plan,
            lambda cell: None if cell == left_out else values(cell),
        )
        report_plan(plan, folder, progress=False, say=lambda _: None)
    return folder.path / "report.html"


# Its text


def test_nothing_comes_from_elsewhere(page: Path) -> None:
    found = elements(page)
    sources = [attributes["src"] for _, attributes in found.found if "src" in attributes]
    assert len(sources) == len(PICTURES) == 6
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
    (of_toy,) = found["conjecture"]
    assert of_toy["sentence"] in text
    for claim in of_toy["claims"]:
        for sentence in claim["what_would_change"]:
            assert sentence in text
    for words in (
        "arXiv 2402.14029",
        "the paper did not measure",
        f"Preliminary. 1 of {found['runs']['total']} runs are missing",
        "toy (synthetic): the conjecture is shown",
        "3 / 4 layers, width 6, 3 epochs",
        "freezing fits less; only the input is frozen",
        "a factor of 1.25 in a quotient, 1 of 100 points of accuracy",
        found["command"],
        f"gslt {__version__}",
        "Made-up OS, 2 cores, 1 thread",
        "a ticket, searched among all random weights",
        "Where, what and how much is frozen",
    ):
        assert words in text


def test_the_verdicts_lead_and_the_rest_is_folded(page: Path) -> None:
    assert seen_words(page) <= MOST_WORDS
    found = elements(page)
    seen = " ".join(found.unfolded.split())
    assert seen.index("the conjecture is shown") < seen.index("Otsuka et al. (2024, arXiv")
    for words in ("Preliminary.", "▲ Shown", "What it is tested by", "Arms and protocol"):
        assert words in seen
    for words in ("Holm", "mean over arms and ratios", "conventions"):
        assert words in found.text
        assert words not in seen


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
    unfold(chromium)
    return chromium


@needs_browser
def test_it_loads_in_silence_and_its_pictures_show(browser: Browser, page: Path) -> None:
    assert browser.complaints() == []
    requests = [url for url in browser.requests() if not url.startswith("data:")]
    assert requests == [page.resolve().as_uri()]
    assert browser.run("document.title") == "Does freezing counter over-smoothing?"
    sizes = browser.run("Array.from(document.images, (i) => [i.complete, i.naturalWidth])")
    assert len(sizes) == 6
    assert all(complete and width > 300 for complete, width in sizes)


@needs_browser
def test_verdicts_stand_on_top(browser: Browser) -> None:
    cards = browser.run(
        "Array.from(document.querySelectorAll('.card'), (c) => [c.dataset.outcome,"
        "c.querySelector('h3').textContent.slice(0, 2), c.getBoundingClientRect().top])"
    )
    assert [card[:2] for card in cards] == [["shown", "S:"], ["shown", "A:"], ["shown", "M:"]]
    # Without scrolling.
    assert all(top < 900 for _, _, top in cards)


@needs_browser
def test_tables_sort_and_pick(browser: Browser) -> None:
    browser.click("#table-claims th:nth-child(3) button")
    shown = column(browser, "table-claims", 2)
    assert len(shown) == 2 + 2 + 6 + 6
    assert shown == sorted(shown)
    browser.click("#table-claims th:nth-child(3) button")
    assert column(browser, "table-claims", 2) == shown[::-1]
    everything = column(browser, "table-contrasts", 0)
    of = '.filter[data-table="table-contrasts"] [name="{}"]'
    browser.choose(of.format("first"), "frozen, F = 0.4")
    browser.choose(of.format("second"), "effective rank")
    # Two depths, four interventions.
    assert column(browser, "table-contrasts", 0) == ["frozen, F = 0.4"] * 8
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
