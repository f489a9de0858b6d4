"""The client as a shell command, `python -m ui PICTURES...`: pictures or folders in, labels out.

Exit codes: 0 every picture has a label; 1 some have none (not a digit, blank, unreadable, a format not read);
2 wrong usage, or a setting that cannot be used; 3 the API gave no answer, or the answers cannot be written.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TextIO

try:
    import click

    from backend.contract import MARKS
    from ui.client import ApiError, BadSetting, Client, UnknownModel
    from ui.formats import SUFFIXES, TAKEN
    from ui.spreadsheet import ANSWER, Spreadsheet, outcome
except ModuleNotFoundError as error:
    sys.exit(f"The client needs {error.name}. Try: pip install .")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backend.contract import Number, Prediction

PIPE_CLOSED = 141  # what a shell gives for a command that SIGPIPE ended, as in `| head`


class Outcome(NamedTuple):
    """One picture and what the API said of it."""

    path: Path
    answer: Prediction | Number | ApiError


@click.command(context_settings={"max_content_width": 100})
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--url", envvar="API_URL", default="http://127.0.0.1:8000", show_default=True, help="The API (or API_URL)."
)
@click.option("--key", envvar="API_KEY", help="The API key; or API_KEY.")
@click.option("--numbers", is_flag=True, help="Read whole numbers, not one digit a picture.")
@click.option(
    "--allow", multiple=True, type=click.Choice(MARKS), help="With --numbers: read -12.5 too; may be given twice."
)
@click.option("--model", default="", help="The model that answers, by its name in the API's list, GET /models.")
@click.option("--json", "style", flag_value="json", help="One JSON object a line: the API's whole answer.")
@click.option("--csv", "style", flag_value="csv", help="CSV; the default where a folder is among PICTURES.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="Write there instead of to the screen; a file that is there is replaced once all answers have come.",
)
def main(  # noqa: PLR0913, PLR0917 - one for each option
    pictures: tuple[Path, ...],
    url: str,
    key: str | None,
    numbers: bool,
    allow: tuple[str, ...],
    model: str,
    style: str | None,
    output: Path,
) -> None:
    """Read the digits in PICTURES: files, or folders of them."""
    if numbers and model:
        raise click.UsageError("--model reads one digit a picture, and --numbers whole numbers: give one of them.")
    paths = list(_expand(pictures))
    if not paths:
        raise click.UsageError(f"There are no pictures in there: {', '.join(TAKEN)}.")
    style = style or ("csv" if any(picture.is_dir() for picture in pictures) else "text")
    try:
        with _opened(output) as file:
            client = Client(url, key)
            answers = client.read_numbers(paths, allow=allow) if numbers else client.predict_batch(paths, model=model)
            complete = _write(_outcomes(answers, paths), style, file)
    except (BadSetting, UnknownModel) as error:
        _give_up(str(error), 2)
    except ApiError as error:
        _give_up(f"{error}\nIs the API running there? Set --url or API_URL, and --key or API_KEY.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at exit is anything written to it
        sys.exit(PIPE_CLOSED)
    except OSError as error:
        _give_up(f"The answers cannot be written: {error.strerror or error}.")
    sys.exit(0 if complete else 1)


def _give_up(sentence: str, code: int = 3) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)


def _expand(pictures: Iterable[Path]) -> Iterator[Path]:
    """Files as they are; of folders whatever is named like a picture, also of formats that are not read."""
    for picture in pictures:
        if picture.is_dir():
            found = (path for path in picture.rglob("*") if path.suffix.lower() in SUFFIXES)
            yield from sorted(path for path in found if not path.is_dir())
        else:
            yield picture


@contextmanager
def _opened(output: Path) -> Iterator[TextIO]:
    """Standard output, a device or a pipe as it is; a file is written beside and takes its place at the end."""
    if str(output) == "-":
        yield sys.stdout
        sys.stdout.flush()
    elif output.exists() and not output.is_file():
        with output.open("w", encoding="utf-8", newline="") as file:
            yield file
    else:
        place = output.resolve()  # a link stays one
        part = place.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with part.open("x", encoding="utf-8", newline="") as file:
                yield file
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)


def _outcomes(answers: Iterator[Prediction | Number | ApiError], paths: list[Path]) -> Iterator[Outcome]:
    """In order, with a progress bar on a terminal. Raises ApiError."""
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
            table.write(_shown(path), *cells)
        else:
            click.echo(_json(path, answer) if style == "json" else _text(path, *cells), output)
    return complete


def _shown(path: Path) -> str:
    r"""A name on one line, as any terminal shows it: what is no character, or steers a terminal, as \x1b."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def _json(path: Path, answer: Prediction | Number | ApiError) -> str:
    body = {"problem": str(answer)} if isinstance(answer, ApiError) else answer.to_json()
    return json.dumps({"file": str(path), **body})


def _text(path: Path, label: str, confidence: str, problem: str) -> str:
    sure = min(99.9, 100 * float(confidence or 0))  # nothing here is beyond doubt
    return f"{_shown(path)}: {label} ({sure:.1f} %)" if label else f"{_shown(path)}: no label ({problem})"


if __name__ == "__main__":
    main(prog_name="python -m ui")
