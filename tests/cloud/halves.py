"""The two halves of a stage as the tests look at them and remove them: every part found, no refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.deploy import function, parts, release

if TYPE_CHECKING:
    from backend.deploy.parts import Left
    from backend.deploy.stage import Stage

MODEL = (*release.BILLING, *release.PARTS)


def model_parts(stage: Stage) -> list[Left]:
    rows, unseen = parts.inventory(stage, MODEL)
    assert unseen == {}, unseen
    return rows


def function_parts(stage: Stage) -> list[Left]:
    rows, unseen = parts.inventory(stage, function.PARTS)
    assert unseen == {}, unseen
    return rows


def remove_model(stage: Stage) -> None:
    refused = parts.remove(stage, MODEL)
    assert refused == {}, refused


def remove_function(stage: Stage) -> None:
    refused = parts.remove(stage, function.PARTS)
    assert refused == {}, refused
