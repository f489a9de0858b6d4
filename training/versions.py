"""The models that stood here, and how one takes another's place while the page goes on answering.

A version that is replaced is kept in runs/models, so that it can be put back and improvements can start from it. Files
are replaced one by one, the card last: the predictor takes a model only with the card that names its digest.
"""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.stores import LEARNING, open_store
from training.data.sources import DataError
from training.export import read_card

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = ("model.tar.gz", "model.tflite", "card.json")  # in the order in which they are replaced
KEPT = Path("runs") / "models"


def keep(folder: Path) -> Path:
    """Copy a folder's model into KEPT, whole or not at all; returns where it is."""
    card = read_card(folder)
    target = KEPT / f"{card['version']}-{card['sha256']['model.tflite'][:8]}"
    if not target.exists():
        half = KEPT / f"half-{target.name}"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(folder / name, half / name)
        half.replace(target)
    return target


def find(version: str, shipped: Path) -> Path:
    """The folder of a version: the shipped one's, a folder's name itself, or one that was kept. Raises DataError."""
    if read_card(shipped).get("version") == version:
        return shipped
    if (Path(version) / "card.json").is_file():
        return Path(version)
    found = sorted(KEPT.glob(f"{version}-*/card.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        there = ", ".join(sorted(path.name for path in KEPT.glob("*-????????"))) or "none"
        raise DataError(
            f"Version {version} is not in {KEPT} (there: {there}). Put its three files there, or use --base."
        )
    return found[-1].parent


def known(shipped: Path) -> list[str]:
    """Every version that stands or stood here."""
    cards = [read_card(shipped), *(read_card(path.parent) for path in KEPT.glob("*/card.json"))]
    return [str(card["version"]) for card in cards if card]


def put(new: Path, place: Path) -> None:
    """Let the model in `new` take the place of the one in `place`; stopped half-way, the same call ends it."""
    place.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        half = place / f"{name}.part"
        shutil.copyfile(new / name, half)
    for name in FILES:
        (place / f"{name}.part").replace(place / name)


def heal(place: Path) -> None:
    """Where a `put` was stopped between two files, put the model back that the card there speaks of."""
    card = read_card(place)
    if card and sha256((place / "model.tflite").read_bytes()).hexdigest() != card["sha256"]["model.tflite"]:
        put(find(card["version"], Path()), place)


def undo(place: Path) -> tuple[str, str]:
    """Put back what the model in `place` replaced; returns both versions. Raises DataError."""
    card = read_card(place)
    if "improved" not in card:
        raise DataError(
            f"{card.get('version', 'What stands there')} was not made by improve: nothing is to be taken back"
        )
    before = find(card["improved"]["instead_of"], place)
    keep(place)
    put(before, place)
    return card["version"], read_card(place)["version"]


def tell(place: str, card: dict[str, Any], roles: Mapping[str, str] | None = None, taken_back: str = "") -> None:
    """Leave beside the drawings what the model of `card` learnt from them, for the API and the page.

    `roles`: id -> "learnt" or "judged". A drawing keeps the first version that used it, unless that was `taken_back`;
    ids of drawings that are gone go too.
    """
    store = open_store(place)
    before: Mapping[str, Any] = json.loads(store.read(LEARNING) or b"{}").get("used", {})
    used = {each: use for each, use in before.items() if use["version"] != taken_back}
    lineage = card.get("lineage", {})
    there = {file.name.removesuffix(".json") for file in store.files() if file.name.endswith(".json")}
    now = {"version": card["version"], "date": card["date"]}
    uses = {each: now | {"how": how} for each, how in (roles or {}).items()} | used
    told = now | {
        "learnt": lineage.get("corrections", 0),
        "instead_of": lineage.get("instead_of", ""),
        "reads": lineage.get("reads", 0.0),
        "read": lineage.get("read", 0.0),
        "judged_on": lineage.get("judged_on", 0),
        "used": {each: uses[each] for each in sorted(there & uses.keys())},
    }
    store.write(LEARNING, json.dumps(told, separators=(",", ":")).encode())
