"""Pictures that come as files or from the camera; several at once become a table and a CSV file."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import streamlit as st

from ui import answer as words
from ui import asking, numbers
from ui.client import ApiError, Client
from ui.shrink import fit
from ui.spreadsheet import ANSWER, Spreadsheet, outcome
from ui.visit import Failure, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from backend.contract import Prediction
    from ui.visit import Visit

MOST = 200  # pictures at once: as many rows as a page shows without becoming slow


def files(visit: Visit) -> list[Picture]:
    """Show the file chooser -> what was chosen."""
    hint = numbers.phrase("Choose pictures of one digit each")
    # Any type may come here, so that it is refused on the page and in words; pad.js has the chooser offer pictures.
    chosen = st.file_uploader(hint, accept_multiple_files=True, key="files")
    if left_out := [file.name for file in chosen[MOST:]]:
        st.html(words.left_out(MOST, left_out))
    return _pictures(visit, chosen[:MOST])


def photo(visit: Visit) -> list[Picture]:
    """Show the camera -> the photo, once taken."""
    taken = st.camera_input(numbers.phrase("Photograph one digit on paper"), key="photo")
    return _pictures(visit, [taken] if taken else [])


def _pictures(visit: Visit, chosen: Sequence[UploadedFile]) -> list[Picture]:
    """Read each file once, however often the page runs; without one there is no answer either."""
    if not chosen:
        visit.forget()
    known = visit.files
    visit.files = {file.file_id: known.get(file.file_id) or _read(file) for file in chosen}
    return list(visit.files.values())


def _read(file: UploadedFile) -> Picture:
    """As the API takes it."""
    data = file.getvalue()
    fitting = fit(data)
    return Picture(fitting, name=file.name, shrunk=fitting is not data)


def several(client: Client, visit: Visit, pictures: list[Picture]) -> str:
    """Ask for all at once and show a table -> what a screen reader says of it."""
    try:
        rows = _ask(client, visit, pictures)
    except ApiError as error:
        failed = Failure(pictures[0], error)
        visit.fail(failed)
        return asking.failure(visit, failed)
    visit.forget()
    read = sum(1 for _, result in rows if not isinstance(result, ApiError) and result.label)
    summary = f"{read} of {len(rows)} pictures read."
    st.html(f'<h2 class="section">{summary}</h2>{words.table(rows)}')
    st.download_button("Download as CSV", _csv(rows), "answers.csv", "text/csv", key="csv", on_click="ignore")
    return summary


def _ask(client: Client, visit: Visit, pictures: list[Picture]) -> list[tuple[Picture, Prediction | ApiError]]:
    """Ask once per picture; after an error from where it stopped. Raises ApiError."""
    key = "".join(picture.digest for picture in pictures)
    if visit.several is None or visit.several[0] != key:
        visit.several = (key, [])
    results, bar = visit.several[1], st.empty()
    left = (picture.data for picture in pictures[len(results) :])
    try:
        for result in numbers.ask(client, left):
            results.append(result)
            bar.progress(len(results) / len(pictures), f"Reading {len(results)} of {len(pictures)} …")
    finally:
        bar.empty()
    return list(zip(pictures, results, strict=True))


def _csv(rows: list[tuple[Picture, Prediction | ApiError]]) -> str:
    buffer = StringIO()
    table = Spreadsheet(buffer, ANSWER)
    for picture, result in rows:
        table.write(picture.name, *outcome(result))
    return buffer.getvalue()
