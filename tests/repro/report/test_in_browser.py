"""The page in a real browser: headless Chromium, driven by Playwright without its own browsers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repro.report.page import page as page_of
from repro.tables.render import render
from tests.repro.report.sample import HOSTILE, MAIN, report

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install Debian's chromium"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page_of(report()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: see the extra dev"
    )
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Any]:
    """The page at 1280 pixels, with what the console said and what was asked of the network."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()


def wait_for_status(page: Any, text: str) -> None:
    """Wait until the status line says ``text``; a locator needs no eval, which the page's policy forbids."""
    page.locator("#status", has_text=re.compile(f"^{re.escape(text)}$")).wait_for(
        state="attached", timeout=30_000
    )


def column(page: Any, place: int, table: str = "#results-main-table") -> list[str]:
    """Return the shown texts of a column, heading rows left out."""
    found: list[str] = page.eval_on_selector_all(
        f"{table} tr.row", f"rows => rows.map(row => row.cells[{place}].innerText.trim())"
    )
    return [text.partition("*")[0].partition("\n")[0].partition(" (")[0] for text in found]


def test_nothing_is_said_on_the_console_and_nothing_leaves_the_file(opened: Any, file: Path) -> None:
    opened.wait_for_load_state("networkidle")
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [file.as_uri()]
    assert opened.title() == HOSTILE[0]  # no stranger's script has set another


def test_the_policy_stops_what_a_strangers_script_would_do(opened: Any) -> None:
    for code in (
        "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s);",
        "const i = new Image(); i.src = 'https://example.org/x.png'; document.body.append(i);",
        "const l = document.createElement('style'); l.textContent = 'body {display: none}'; document.body.append(l);",
    ):
        opened.evaluate(f"() => {{ {code} }}")
    opened.wait_for_timeout(200)
    assert opened.title() == HOSTILE[0]
    assert len([words for words in opened.said if "Content Security Policy" in words]) == 3
    assert opened.is_visible("main")


def test_a_column_of_numbers_sorts_within_blocks_and_back(opened: Any) -> None:
    header = opened.locator("#results-main-table th", has_text="R@20")
    first = column(opened, 1)
    assert first == ["0.1000", "0.1010", "0.3000", "+3.20%", "0.2000", "–", "0.5000"]
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    # rlmrec stays behind base; what has another unit or no number comes last; shop stays below demo
    assert column(opened, 1) == ["0.3000", "0.2000", "0.1000", "0.1010", "+3.20%", "0.5000", "–"]
    assert column(opened, 0)[:3] == ["lightgcn · irllrec", "ease · base", "lightgcn · base"]
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert column(opened, 1) == ["0.1000", "0.1010", "0.2000", "0.3000", "+3.20%", "0.5000", "–"]
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "none"
    assert (column(opened, 0), column(opened, 1)) == (
        ["base", "rlmrec", "irllrec", "vs best other", "base", "base", "other"],
        first,
    )


def test_words_sort_as_words_with_numbers_in_them_and_the_keyboard_does_it(opened: Any) -> None:
    opened.locator("#results-main-table th", has_text="note").locator("button").focus()
    opened.keyboard.press("Enter")
    assert column(opened, 3) == ["a", "b", "", "c10", "–", "c9", "c10"]
    assert opened.inner_text("#status") == "Sorted by note, ascending."
    assert opened.locator("#results-main-table tr.heading").first.is_hidden()


def test_copying_puts_the_commands_own_output_on_the_clipboard(opened: Any) -> None:
    for form, name in (("latex", "LaTeX"), ("csv", "CSV")):
        opened.click(f"[data-copy=results-main-{form}]")
        wait_for_status(opened, f"Copied: {name}.")
        assert opened.evaluate("navigator.clipboard.readText()") == render(MAIN, form)
    opened.click("[data-copy=results-main-command]")
    wait_for_status(opened, "Copied: command.")
    assert opened.evaluate("navigator.clipboard.readText()") == "repro table main --dataset demo"


def test_copying_works_without_the_clipboard_interface(opened: Any) -> None:
    opened.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }"
    )
    opened.click("[data-copy=results-main-csv]")
    wait_for_status(opened, "Copied: CSV.")
    assert opened.evaluate("navigator.clipboard.readText()") == render(MAIN, "csv")
    assert opened.evaluate("document.activeElement.dataset.copy") == "results-main-csv"


def test_every_link_leads_to_something_that_is_then_in_view(opened: Any) -> None:
    targets = opened.eval_on_selector_all("a", "links => links.map(link => link.hash)")
    assert len(targets) > 10
    opened.emulate_media(reduced_motion="reduce")
    for target in dict.fromkeys(targets):
        opened.evaluate(f"location.hash = {target!r}")
        box = opened.locator(f"[id='{target[1:]}']").bounding_box()
        assert box is not None and -1 <= box["y"] < 900, target


def test_a_link_into_what_is_folded_opens_it(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(f"{file.as_uri()}#results-strange-table")
    assert page.is_visible("#results-strange-table")
    page.close()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_the_page_itself_never_scrolls_sideways(browser: Any, file: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(file.as_uri())
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.body.scrollWidth") <= width
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(browser: Any, file: Path, scheme: str) -> None:
    """At least 4.5 to 1 for every element with text of its own, as WCAG 2.2 asks of small text."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(file.as_uri())
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [found for found in contrasts if found["ratio"] < 4.5] == []
    page.close()


CONTRASTS = """() => {
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let part = element; part; part = part.parentElement) {
      const color = getComputedStyle(part).backgroundColor;
      if ((numbers(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return [...document.body.querySelectorAll("*")]
    .filter((element) => !element.matches("script, template, .unseen") && own(element))
    .map((element) => {
      const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return { text: element.textContent.trim().slice(0, 40), ratio };
    });
}"""


def test_every_control_has_a_name_and_a_size_a_finger_can_hit(opened: Any) -> None:
    opened.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    boxes = opened.eval_on_selector_all(
        "button", "all => all.map(one => [one.innerText.trim(), one.getBoundingClientRect().height])"
    )
    assert boxes
    assert [box for box in boxes if not box[0] or box[1] < 24] == []


def test_the_tab_key_reaches_the_skip_link_first_and_then_the_content(opened: Any) -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    assert opened.locator(".skip").bounding_box()["y"] >= 0
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "content"


def test_paper_shows_all_numbers_and_no_buttons(opened: Any) -> None:
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    opened.emulate_media(media="print")
    assert opened.is_visible("#results-strange-table")
    assert opened.is_visible("#figure-curve-table")
    assert opened.locator("button.copy:visible").count() == 0
    assert opened.locator("nav:visible").count() == 0
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    opened.emulate_media(media="screen")
    assert opened.is_hidden("#results-strange-table")


def test_without_scripts_everything_can_be_read_and_nothing_pretends_to_work(
    browser: Any, file: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.is_visible("#results-main-table")
    assert page.locator("button.copy:visible").count() == 0
    assert page.locator(".direction:visible").count() == 0
    context.close()


def test_motion_is_left_out_where_it_is_not_wanted(opened: Any) -> None:
    read = "getComputedStyle(document.documentElement).scrollBehavior"
    assert opened.evaluate(read) == "smooth"
    opened.emulate_media(reduced_motion="reduce")
    assert opened.evaluate(read) == "auto"
