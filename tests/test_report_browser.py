"""The page in a real browser: it asks for nothing, says nothing, and does what it shows, by mouse and by keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from matrix_defs.report.records import NEVER_RUN
from resources.report import write_report
from tests.browser import CHROMIUM, MISSING, Watched, chromium, watched
from tests.report_evidence import CHANGED, EMULATED, EXCLUDED, HOSTILE, PASSED, RUN, results, store_of
from tests.report_evidence import MISSING as LOST

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

LOOKS = [(width, scheme) for width in ("desktop", "phone") for scheme in ("light", "dark")]

PARTS = {
    "": "html",
    "#view=time": "#time-view",
    "#view=types": "#types-view",
    "#view=changes": "#changes-view",
    f"#case={CHANGED}": "dialog",
    f"#case={LOST}": "dialog",
}
"""What is looked at, and the part of the page that has not been seen before."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a history in which one case used to fail and one used to pass."""
    folder = tmp_path_factory.mktemp("report")
    store, history = store_of(folder, results()), folder / "history.jsonl"
    write_report(store, None, str(history))
    text = history.read_text().replace(RUN, "6a0566357b88")
    lines = [
        line.replace('"failed"', '"passed"') if CHANGED in line else line.replace('"passed"', '"failed"')
        for line in text.splitlines()
    ]
    history.write_text("\n".join(lines) + "\n")
    return Path(write_report(store, None, str(history)).page)


@pytest.fixture
def seen(browser: Browser, file: Path) -> Iterator[Watched]:
    with watched(browser, file) as seen:
        yield seen
        assert seen.foreign == []
        assert seen.said == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_view_and_a_failed_case_are_silent_fit_and_accessible(browser, file, width, scheme):
    with watched(browser, file, width, scheme) as seen:
        for fragment, part in PARTS.items():
            page = seen.go(fragment)
            if part == "dialog":
                page.locator("dialog summary").first.click()
                expect(page.locator("dialog .hljs-keyword").first).to_be_visible()
            assert seen.violations(part) == [], fragment
            fits = "(part) => document.querySelector(part).scrollWidth <= innerWidth"
            assert page.evaluate(fits, part), fragment
            assert page.evaluate(fits, "html"), fragment
        assert seen.foreign == []
        assert seen.said == []


@pytest.mark.parametrize("across", [1440, 1280, 1260, 1200, 1080, 1024, 900, 860, 600, 320])
def test_no_square_lies_over_another_or_outside_the_grid_in_a_window_of_any_width(seen, across):
    seen.page.set_viewport_size({"width": across, "height": 800})
    misplaced = seen.go().evaluate("""() => {
        const boxes = [...document.querySelectorAll(".square")].map((square) => square.getBoundingClientRect());
        const over = (a, b) => a !== b && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
        const edge = document.querySelector(".grid").getBoundingClientRect().right;
        return boxes.filter((box) => box.right > edge || boxes.some((other) => over(box, other))).length;
    }""")
    assert misplaced == 0


def test_the_grid_has_a_square_for_each_of_the_250_combinations_and_the_totals_say_the_same(seen):
    page = seen.go()
    shown = {mark: page.locator(f".square.{mark}").count() for mark in ("passed", "failed", "not_run", "excluded")}
    told = {mark: int(page.locator(f".total.{mark} b").inner_text()) for mark in shown}
    assert told == shown == {"passed": 2, "failed": 2, "not_run": 196, "excluded": 50}
    assert page.locator(".total.all b").inner_text() == "250"


def test_the_tabs_have_no_scroll_bar(seen):
    fits = "(tabs) => tabs.scrollHeight <= tabs.clientHeight && tabs.scrollWidth <= tabs.clientWidth"
    assert seen.go().locator(".views").evaluate(fits)


def test_verdicts_are_told_apart_by_shape(seen):
    page = seen.go()
    shapes = page.evaluate("""["passed", "emulated", "failed", "not_run", "excluded"].map(
        (id) => document.getElementById(id).innerHTML.replace(/class="[^"]*"/g, ""))""")
    assert len(set(shapes)) == 5
    used = page.locator(f'.square[data-case="{EMULATED}"] use').get_attribute("href")
    assert used == "#emulated"


def test_a_filter_is_written_into_the_url_and_read_from_it(seen):
    page = seen.go()
    page.get_by_label("Sink").select_option("clickhouse")
    page.get_by_label("Verdict").select_option("failed")
    page.get_by_label("Text").fill("UNIT_price rows_match")
    assert seen.fragment == "#sink=clickhouse&verdict=failed&q=UNIT_price+rows_match"
    expect(page.locator("#shown")).to_have_text("0 of 250 shown")
    page.get_by_label("Text").fill("rows_match")
    expect(page.locator("#shown")).to_have_text("1 of 250 shown")
    visible = page.locator(".cases li[data-case]:visible")
    expect(visible).to_have_count(1)
    expect(visible).to_contain_text(CHANGED)
    assert page.locator(".square:not(.out)").count() == 1
    again = seen.go(seen.fragment)
    expect(again.locator("#shown")).to_have_text("1 of 250 shown")
    assert again.get_by_label("Sink").input_value() == "clickhouse"
    again.get_by_role("button", name="Clear").click()
    expect(again.locator("#shown")).to_have_text("250 shown")


def test_a_filter_stays_from_view_to_view_and_the_stages_add_up_what_is_shown(seen):
    page = seen.go("#verdict=failed")
    page.get_by_role("link", name="Time", exact=True).click()
    expect(page.locator(".times li:visible")).to_have_count(2)
    before = float(page.locator("tr[data-stage]").nth(0).locator("td").nth(0).inner_text())
    page.get_by_label("Text").fill("no such word")
    expect(page.locator("#time-view .nothing")).to_be_visible()
    assert float(page.locator("tr[data-stage]").nth(0).locator("td").nth(0).inner_text()) == 0.0 <= before


def test_hover_explains_a_square(seen):
    page = seen.go()
    page.locator(f'.square[data-case="{EXCLUDED}"]').hover()
    expect(page.locator("#tip")).to_contain_text("Kafka is a log")
    page.locator(f'.square[data-case="{EMULATED}"]').hover()
    expect(page.locator("#tip")).to_contain_text("passed on an emulator")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_the_keyboard_alone_finds_opens_and_closes_a_case(browser, file, width):
    with watched(browser, file, width) as seen:
        page = seen.go()
        squares = page.locator(".square")
        page.locator(".square[tabindex='0']").focus()
        page.keyboard.press("Home")
        expect(squares.first).to_be_focused()
        expect(page.locator("#tip")).to_contain_text(NEVER_RUN)
        page.keyboard.press("ArrowRight")
        expect(squares.nth(1)).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        expect(squares.nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("dialog h2")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        expect(squares.nth(1)).to_be_focused()
        assert "case=" not in seen.fragment
        assert page.evaluate("document.querySelectorAll('.square[tabindex=\"0\"]').length") == 1
        assert seen.said == []


def test_arrows_reach_every_square(seen):
    page = seen.go()
    page.locator(".square[tabindex='0']").focus()
    page.keyboard.press("Home")
    reached = page.evaluate("""() => {
        const all = [...document.querySelectorAll(".square")], seen = new Set([all[0]]), todo = [all[0]];
        while (todo.length) {
            const from = todo.pop();
            for (const key of ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"]) {
                from.focus();
                from.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
                const to = document.activeElement;
                if (!seen.has(to)) { seen.add(to); todo.push(to); }
            }
        }
        return seen.size;
    }""")
    assert reached == 250


def test_a_failed_case_shows_its_evidence(seen):
    page = seen.go("#verdict=failed")
    page.locator(f'.square[data-case="{CHANGED}"]').click()
    sheet = page.locator("dialog")
    expect(sheet.locator("h2")).to_contain_text("ClickHouse")
    assert f"case={CHANGED}" in seen.fragment
    expect(sheet.locator(".checks .failed").first).to_contain_text("rows_match")
    expect(sheet.locator(".command code")).to_have_text(
        f"matrix run --run-mode mock_local --case-id {CHANGED} --rows 50 --wide-columns 15"
    )
    marked = sheet.locator(".diff").first.locator(".differs")
    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("unit_price")
    assert marked.locator("td").nth(0).inner_text() != marked.locator("td").nth(1).inner_text()
    expect(sheet.locator(".loads tbody tr").first).to_contain_text("baseline")
    expect(sheet.locator(".endpoints")).to_contain_text("memory 1.0")
    expect(sheet.locator(".bar i").first).to_be_visible()
    page.go_back()
    expect(sheet).to_be_hidden()
    assert seen.fragment == "#verdict=failed"


def test_an_emulator_is_called_one(seen):
    page = seen.go(f"#case={EMULATED}")
    expect(page.locator("dialog .endpoints .tag")).to_have_text("emulator")


def test_statements_are_shown_as_they_ran_and_nothing_in_them_is_markup(seen):
    page = seen.go(f"#case={PASSED}")
    page.locator("dialog summary").first.click()
    shown = page.locator("dialog .statements").first.locator("pre")
    expect(shown.nth(1).locator(".hljs-keyword").first).to_be_visible()
    assert shown.all_inner_texts() == ["BEGIN", HOSTILE, '{"op": "upsert"}']
    assert page.locator("dialog img").count() == 0
    assert "Integration matrix" in page.title()


def test_the_policy_of_the_page_lets_no_other_script_run(browser, file):
    with watched(browser, file) as seen:
        page = seen.go()
        page.evaluate("""() => {
            const added = document.createElement("script");
            added.textContent = "document.title = 'ran'";
            document.body.append(added);
            const image = new Image();
            image.src = "http://127.0.0.1:9/x";
        }""")
        assert page.title() != "ran"
        assert any("Content Security Policy" in text for text in seen.said)


def test_what_changed_is_listed_with_what_it_was(seen):
    view = seen.go("#view=changes").locator("#changes-view")
    expect(view).to_contain_text(re.compile(rf"Newly failing\s+1\s+{CHANGED}\s+passed"))
    expect(view).to_contain_text(re.compile(rf"Newly passing\s+2\s+.*{EMULATED}\s+failed", re.DOTALL))


def test_the_theme_can_be_chosen(seen):
    page = seen.go()
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(background) != light


def test_without_scripts_the_grid_and_the_lists_are_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator(".square:visible").count() == 250
    assert page.locator(".types tbody tr:visible").count() == 15
    context.close()
