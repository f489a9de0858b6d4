"""The client as a shell command, `python -m ui PICTURES...`: pictures or folders in, labels out.

Exit codes: 0 every picture has a label; 1 some have none (not a digit, blank, unreadable); 2 wrong usage;
3 the API gave no answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from ui.client import ApiError, Client
from ui.spreadsheet import ANSWER, Spreadsheet, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backend.contract import Prediction

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif"}


class Outcome(NamedTuple):
    """One picture and what the API said of it."""

    path: Path
    answer: Prediction | ApiError


@click.command(context_settings={"max_content_width": 100})
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--url", envvar="API_URL", default="http://127.0.0.1:8000", show_default=True, help="The API (or API_URL)."
)
@click.option("--key", envvar="API_KEY", help="The API key; or API_KEY.")
@click.option("--json", "style", flag_value="json", help="One JSON object a line: the API's whole answer.")
@click.option("--csv", "style", flag_value="csv", help="CSV; the default where a folder is among PICTURES.")
@click.option("--output", type=click.File("w", lazy=False), default="-", help="Write there instead of to the screen.")
def main(pictures: tuple[Path, ...], url: str, key: str | None, style: str | None, output: TextIO) -> None:
    """Read the digits in PICTURES: files, or folders of PNG, JPEG, WebP and GIF files."""
    paths = list(_expand(pictures))
    if not paths:
        raise click.UsageError(f"There are no pictures in there: {', '.join(sorted(SUFFIXES))}.")
    style = style or ("csv" if any(picture.is_dir() for picture in pictures) else "text")
    try:
        complete = _write(_outcomes(Client(url, key), paths), style, output)
    except (ApiError, OSError) as error:
        click.echo(f"{error}\nIs the API running there? Set --url or API_URL, and --key or API_KEY.", err=True)
        sys.exit(3)
    sys.exit(0 if complete else 1)


def _expand(pictures: Iterable[Path]) -> Iterator[Path]:
    for picture in pictures:
        if picture.is_dir():
            yield from sorted(path for path in picture.rglob("*") if path.suffix.lower() in SUFFIXES)
        else:
            yield picture


def _outcomes(client: Client, paths: list[Path]) -> Iterator[Outcome]:
    """In order, with a progress bar on a terminal. Raises ApiError, OSError."""
    answers = client.predict_batch(paths)
    with click.progressbar(
        length=len(paths), file=sys.stderr, hidden=len(paths) == 1 or not sys.stderr.isatty()
    ) as bar:
        for path, answer in zip(paths, answers, strict=True):
            bar.update(1)
            yield Outcome(path, answer)


def _write(outcomes: Iterable[Outcome], style: str, output: TextIO) -> bool:
    """Write each outcome as it comes -> whether every one has a label."""
    table = Spreadsheet(output, ANSWER) if style == "csv" else None
    complete = True
    for path, answer in outcomes:
        cells = outcome(answer)
        complete &= bool(cells[0])
        if table:
            table.write(str(path), *cells)
        else:
            click.echo(_json(path, answer) if style == "json" else _text(path, *cells), output)
    return complete


def _json(path: Path, answer: Prediction | ApiError) -> str:
    body = {"problem": str(answer)} if isinstance(answer, ApiError) else answer.to_json()
    return json.dumps({"file": str(path), **body})


def _text(path: Path, label: str, confidence: str, problem: str) -> str:
    sure = min(99.9, 100 * float(confidence or 0))  # nothing here is beyond doubt
    return f"{path}: {label} ({sure:.1f} %)" if label else f"{path}: no label ({problem})"


if __name__ == "__main__":
    main(prog_name="python -m ui")
