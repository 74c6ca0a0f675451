"""The page as people use it, in Debian's Chromium, driven by Playwright; axe-core looks for what shuts people out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
AXE = Path("node_modules", "axe-core", "axe.min.js")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def address(reader) -> Iterator[str]:
    """A service on a free port of this machine."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    from boneage.pipeline.serve.app import application
    from boneage.pipeline.serve.run import Server
    from boneage.pipeline.serve.service import Service
    from boneage.pipeline.serve.settings import Settings

    service, addresses = Service(Settings(port=0), lambda: reader), []
    service.begin()
    server = Server(uvicorn.Config(application(service), port=0, log_config=None, ws="none"), addresses.append)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not (addresses and service.ready):
        assert thread.is_alive()
        thread.join(0.05)
    yield addresses[0]
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium; apt-get install chromium")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    """The page, newly opened; what it asks of other addresses, and what its console says, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened, asked, said = context.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("console", lambda message: said.append(message.text) if "status of 4" not in message.text else None)
    opened.goto(address)
    yield opened
    context.close()
    assert [url for url in asked if not url.startswith((address, f"blob:{address}"))] == []
    assert said == []


def read(page, film: bytes | None, sex: str | None = "F") -> None:
    """Choose a film, or the drawn one, and the sex, and press the button."""
    if film is None:
        page.click("#example")
        page.wait_for_selector(".drop.full")
    else:
        page.set_input_files("#film", {"name": "SECRET.png", "mimeType": "image/png", "buffer": film})
    if sex:
        page.check(f"input[name=sex][value={sex}]", force=True)
    page.click("#read")


def test_a_film_that_is_chosen_is_read_and_looked_at(page, hand, years_and_months):
    page.fill("#years", "9")
    page.fill("#months", "2")
    read(page, hand)
    page.wait_for_selector(".months")
    assert page.inner_text(".months").startswith("{} y {} m".format(*years_and_months))
    assert "Chronological age" in page.inner_text(".legend")
    page.wait_for_selector(".film:not(.waits) img[src]")
    first = page.get_attribute(".film img", "src")
    page.check("input[name=view][value=outline]", force=True)
    page.locator(".caption", has_text="orange").wait_for()
    assert page.get_attribute(".film img", "src") != first
    with page.expect_download() as download:
        page.click(".take a >> nth=0")
    assert download.value.suggested_filename == "bone-age-report.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")


def test_another_language_shows_the_same_reading(page, years_and_months):
    read(page, None)
    page.wait_for_selector(".months")
    page.click("nav a[lang=de]")
    page.wait_for_selector(".months")
    assert "{} J. {} Mon.".format(*years_and_months) in page.inner_text(".months")
    assert page.evaluate("location.hash") == ""


def test_what_is_known_of_the_child_goes_along_and_a_wrong_unit_is_said_at_its_field(page, hand):
    fields = {"years": "6", "months": "3", "height": "108,7", "weight": "17.4", "mother": "16.5", "father": "175.5"}
    page.click(".more summary")
    for name, text in (fields | {"name": "Child 17"}).items():
        page.fill(f"#{name}", text)
    page.check("input[name=side][value=right]", force=True)
    page.click(".more summary")
    read(page, hand, sex="M")
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error").startswith("Mother's height: height is '16.5cm', expected 120 to 230 cm")
    assert page.evaluate("document.activeElement.id") == "mother"
    page.fill("#mother", "162.5")
    page.click("#read")
    page.wait_for_selector(".months")
    facts = page.inner_text("dl")
    for words in ("Child 17", "Right", "108.7 cm", "17.4 kg", "Adult height (RWT)", "175.5 cm (167.0 to 184.0)"):
        assert words in facts


def test_a_number_that_is_none_is_not_left_out_without_a_word(page, hand):
    page.fill("#height", "4 feet")
    read(page, hand)
    page.wait_for_selector("#error:not([hidden])")
    assert "4 feet" in page.inner_text("#error")


def test_without_the_sex_nothing_is_sent(page, hand):
    sent = []
    page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
    read(page, hand, sex=None)
    assert page.inner_text("#error") == "Say whether the child is a girl or a boy."
    assert page.evaluate("document.activeElement.name") == "sex"
    assert sent == []
    page.reload()
    page.click("#read")
    assert "Choose a radiograph first" in page.inner_text("#error")


def test_what_is_no_hand_gets_its_reasons_and_no_number(page, no_hand):
    read(page, no_hand)
    page.wait_for_selector(".badge.rejected")
    assert page.inner_text(".months") == "not determined"
    assert page.inner_text(".reasons")
    assert page.query_selector(".scale") is None


def test_a_broken_file_is_said_in_the_language_of_the_page(page, address):
    page.goto(f"{address}?language=de")
    read(page, b"\x89PNG\r\n\x1a\nbroken")
    page.wait_for_selector("#error:not([hidden])")
    assert "erwartet wird ein vollständiges Bild" in page.inner_text("#error")
    assert page.is_enabled("#read")


def test_the_keyboard_alone_suffices(page):
    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{selector}')"):
                return
        raise AssertionError(f"{selector} cannot be reached")

    tab_to("#film")
    tab_to("#example")
    page.keyboard.press("Enter")
    page.wait_for_selector(".drop.full")
    tab_to("input[name=sex]")
    page.keyboard.press("Space")
    assert page.is_checked("input[name=sex][value=F]")
    tab_to("#years")
    page.keyboard.type("9")
    tab_to("#read")
    page.keyboard.press("Enter")
    page.wait_for_selector(".months")
    assert page.evaluate("document.activeElement.id") == "card-title"
    tab_to("input[name=view]")
    page.keyboard.press("ArrowRight")
    page.locator(".caption", has_text="orange").wait_for()
    tab_to(".take a")
    with page.expect_download():
        page.keyboard.press("Enter")


def axe_core() -> Path:
    """The file of axe-core, which npm installs in the folder that AXE_FOLDER names."""
    file = Path(os.environ.get("AXE_FOLDER", "."), AXE)
    if not file.is_file():
        pytest.skip("axe-core is not installed; npm install --no-save axe-core, and AXE_FOLDER names the folder")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_core_finds_nothing_serious(browser, address, scheme):
    source = axe_core().read_text("utf-8")
    context = browser.new_context(viewport={"width": 360, "height": 780}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    page.click(".more summary")
    found = []
    for step in ("form", "card"):
        if step == "card":
            page.fill("#years", "9")
            read(page, None)
            page.wait_for_selector(".months")
            page.wait_for_selector(".film:not(.waits) img[src]")
        page.evaluate(source)
        found += [
            (step, violation["id"], [node["target"] for node in violation["nodes"]])
            for violation in page.evaluate("axe.run()")["violations"]
            if violation["impact"] in SERIOUS
        ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
    assert found == []
