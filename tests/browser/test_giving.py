"""Pictures that are not drawn here: files, several files, the camera; and what one can take away."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import FilePayload

    from tests.browser.conftest import MoodyApi, Visit, Visitor
    from tests.conftest import Drawing


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def upload(visitor: Visitor, *files: FilePayload) -> None:
    visitor.page.get_by_role("tab", name="Upload").click()
    visitor.page.locator("input[type=file]").set_input_files(list(files))


def test_one_file_is_answered_without_pressing_anything(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    upload(visitor, file("mine.png", drawing("6")))
    visitor.await_answer("Read as 6:")


def test_the_upload_path_works_with_the_keyboard_alone(visit: Visit, page_url: str, drawing: Drawing) -> None:
    """From the top of the page with Tab and the arrow keys to the file chooser and the answer."""
    visitor = visit(page_url)
    keyboard = visitor.page.keyboard
    visitor.tab_to(visitor.page.get_by_role("tab", name="Draw"))
    keyboard.press("ArrowRight")
    button = visitor.page.locator("[data-testid=stFileUploaderDropzone] button")
    button.wait_for()
    visitor.await_rest()
    with visitor.page.expect_file_chooser() as chooser:
        visitor.tab_to(button, 5)
        keyboard.press("Enter")
    chooser.value.set_files(file("mine.png", drawing("2")))
    visitor.await_answer("Read as 2:")


def test_an_unreadable_file_is_a_sentence(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    upload(visitor, file("broken.png", b"\x89PNG\r\n\x1a\n, and then nothing"))
    visitor.await_text("This picture cannot be read.")
    assert visitor.page.locator("[data-testid=stException]").count() == 0


OTHERS = {
    "photo.heic": (b"\0\0\0\x18ftypheic", "Most Compatible"),
    "scan.pdf": (b"%PDF-1.7", "Take a screenshot of the digit."),
    "drawing.svg": (b"<svg/>", "Export it as PNG."),
    "notes.txt": (b"no picture", "This picture cannot be read."),
}


def test_a_file_of_another_format_is_told_what_to_do_in_text_and_offers_no_retry(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    for name, (data, sentence) in OTHERS.items():
        upload(visitor, file(name, data))
        visitor.page.locator(".apology").get_by_text(sentence).wait_for()
        visitor.page.locator("#announcement").get_by_text(sentence).wait_for(state="attached")
        assert visitor.page.get_by_role("button", name="Retry").count() == 0
        visitor.page.get_by_role("button", name=f"Remove {name}").click()
        visitor.await_state(drawing="", answer="")


def test_several_files_of_other_formats_have_their_rows(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    upload(visitor, file("7.png", drawing("7")), *(file(name, data) for name, (data, _) in OTHERS.items()))
    visitor.await_text("1 of 5 pictures read.")
    for _, sentence in OTHERS.values():
        expect(visitor.page.locator(".several").get_by_text(sentence)).to_have_count(1)


def test_the_chooser_offers_the_formats_that_are_read(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.page.get_by_role("tab", name="Upload").click()
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.locator("[data-testid=stFileUploaderDropzone] button").click()
    accept = chooser.value.element.get_attribute("accept")
    assert accept
    assert "image/jpeg" in accept
    assert "heic" not in accept


def test_more_than_200_files_say_which_were_left_out(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    upload(visitor, *(file(f"{number:03}.png", drawing("7")) for number in range(203)))
    visitor.await_text("Left out: 200.png, 201.png, 202.png.")


def test_a_large_photo_is_read_and_only_a_preview_goes_back_to_the_browser(visit: Visit, page_url: str) -> None:
    photo = Image.effect_noise((3000, 2250), 90).point([200 + v // 6 for v in range(256)])
    ImageDraw.Draw(photo).line([(1500, 500), (1500, 1700)], fill=20, width=130)
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=98)
    assert len(buffer.getvalue()) > 4 * 1024 * 1024
    visitor = visit(page_url)
    upload(visitor, {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()})
    visitor.await_answer("Read as 1:")
    visitor.await_rest()
    sizes = visitor.page.locator(".steps img, .strip img").evaluate_all("all => all.map(e => e.src.length)")
    assert max(sizes) < 60_000


def test_several_files_give_a_table_and_a_csv(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    broken = file("broken.png", b"\x89PNG\r\n\x1a\n, and then nothing")
    upload(visitor, *(file(f"{digit}.png", drawing(digit)) for digit in "0357"), broken)
    visitor.await_text("4 of 5 pictures read.")
    expect(visitor.page.locator(".several tbody tr")).to_have_count(5)
    expect(visitor.page.locator(".several img")).to_have_count(4)
    with visitor.page.expect_download() as download:
        visitor.press("Download as CSV")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [(row["file"], row["label"]) for row in rows] == [(f"{d}.png", d) for d in "0357"] + [("broken.png", "")]


def test_several_files_wait_for_an_api_that_comes_back(
    visit: Visit, moody_url: str, api: MoodyApi, drawing: Drawing
) -> None:
    visitor = visit(moody_url)
    api.refuse(503, "model-unavailable", **{"Retry-After": "1"})
    upload(visitor, file("2.png", drawing("2")), file("8.png", drawing("8")))
    visitor.await_text("The model is not available.")
    api.mend()
    visitor.await_text("2 of 2 pictures read.")


# Streamlit starts the camera anew a second after it appears. A press in that moment takes no photo, or a black one.
PHOTOGRAPHED = """() => {
  const video = document.querySelector("video");
  if (document.querySelector(".answer")) return true;
  if (!video?.srcObject?.active || !video.currentTime) return false;
  [...document.querySelectorAll("button")].find((button) => button.textContent === "Take Photo")?.click();
}"""


def test_the_camera_gives_a_photo(visit: Visit, page_url: str) -> None:
    """Chromium's pretended camera shows a moving pie on green, which is no digit."""
    visitor = visit(page_url, permissions=["camera"])
    visitor.page.get_by_role("tab", name="Camera").click()
    visitor.page.wait_for_function(PHOTOGRAPHED, polling=2000)
    visitor.page.locator(".answer").wait_for()
    expect(visitor.page.locator(".steps img")).to_have_count(4)


def test_leaving_the_sheet_and_coming_back_keeps_the_drawing(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    visitor.draw("9")
    visitor.submit("Read as 9:")
    upload(visitor, file("mine.png", drawing("6")))
    visitor.await_answer("Read as 6:")
    visitor.page.get_by_role("tab", name="Draw").click()
    visitor.await_strokes(1)
    visitor.await_answer("Read as 9:")


def test_the_history_brings_a_drawing_back_and_leaves_as_zip(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    for digit in "35":
        visitor.draw(digit)
        visitor.submit()
        visitor.clear()
    visitor.page.get_by_role("button", name="Bring back: read as 3").click()
    visitor.await_sheet()
    visitor.await_strokes(1)
    visitor.await_answer("Read as 3:")
    visitor.stroke([[20, 250], [40, 250]])
    visitor.await_strokes(2)
    with visitor.page.expect_download() as download:
        visitor.press("Download as ZIP")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["01-drawing.png", "02-drawing.png", "answers.csv"]
        rows = list(csv.DictReader(io.StringIO(archive.read("answers.csv").decode())))
    assert {row["label"] for row in rows} == {"3", "5"}


PASTE = """([selector, kind, files]) => {
  const transfer = new DataTransfer();
  for (const [name, type, data] of files)
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
  const options = { bubbles: true, cancelable: true, composed: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
    : new DragEvent(kind, { ...options, dataTransfer: transfer });
  return document.querySelector(selector).dispatchEvent(event);
}"""


def hand(visitor: Visitor, kind: str, *files: FilePayload, selector: str = "body") -> bool:
    """Paste files, or drag or drop them somewhere -> whether the browser would do what it does by itself."""
    listed = [[each["name"], each["mimeType"], b64encode(each["buffer"]).decode()] for each in files]
    done: bool = visitor.page.evaluate(PASTE, [selector, kind, listed])
    return done


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_pasted_or_dropped_anywhere_goes_the_way_of_upload(
    visit: Visit, page_url: str, drawing: Drawing, kind: str
) -> None:
    visitor = visit(page_url)
    visitor.draw("9")
    visitor.await_strokes(1)
    assert not hand(visitor, kind, file("mine.png", drawing("6")), selector=".masthead")
    visitor.await_answer("Read as 6:")
    expect(visitor.page.get_by_role("tab", name="Upload")).to_have_attribute("aria-selected", "true")
    visitor.page.get_by_role("tab", name="Draw").click()
    visitor.await_strokes(1)


def test_a_picture_is_pasted_by_the_keyboard(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url, permissions=["clipboard-read", "clipboard-write"])
    write = (
        "data => navigator.clipboard.write([new ClipboardItem({"
        " 'image/png': new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type: 'image/png' }) })])"
    )
    visitor.page.evaluate(write, b64encode(drawing("2")).decode())
    visitor.page.keyboard.press("Control+v")
    visitor.await_answer("Read as 2:")


def test_several_files_dropped_beside_the_place_for_them_make_a_table(
    visit: Visit, page_url: str, drawing: Drawing
) -> None:
    visitor = visit(page_url)
    hand(visitor, "dragover", file("0.png", drawing("0")))
    assert visitor.page.evaluate("document.body.classList.contains('dropping')")
    hand(visitor, "drop", file("0.png", drawing("0")), file("notes.txt", b"no picture"))
    visitor.await_text("1 of 2 pictures read.")
    assert not visitor.page.evaluate("document.body.classList.contains('dropping')")


def test_what_is_no_picture_is_refused_in_words_and_never_leaves_the_page(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    address = visitor.page.url
    hand(visitor, "drop", {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"})
    visitor.await_text("Take a screenshot of the digit.")
    assert not hand(visitor, "dragover"), "the browser would follow a link that is dropped"
    assert not hand(visitor, "drop")
    assert visitor.page.url == address


def test_text_is_pasted_where_text_goes(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    assert hand(visitor, "paste"), "without a file a paste is the browser's own"


RUNNERS = {"curl": ["bash", "call.sh"], "Python": [sys.executable, "call.py"], "JavaScript": ["node", "call.mjs"]}


@pytest.mark.parametrize("language", RUNNERS)
def test_the_code_to_copy_runs_and_prints_the_answer(
    visit: Visit, moody_url: str, language: str, tmp_path: Path
) -> None:
    visitor = visit(moody_url)
    visitor.draw("4")
    visitor.submit()
    visitor.page.get_by_text("Call it from your code").click()
    visitor.page.get_by_role("tab", name=language).click()
    visitor.await_rest()
    code = visitor.page.locator("[data-testid=stCode]:visible code").inner_text()
    (tmp_path / RUNNERS[language][1]).write_text(code)
    place = {"PATH": os.environ["PATH"], "API_KEY": "open-sesame"}
    said = subprocess.check_output(RUNNERS[language], cwd=tmp_path, env=place, text=True, timeout=30)
    assert said.startswith(('{"label":"4"', "4 0.")), said
