"""What moved since the training, and whether to improve."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from training import drift

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_population_has_no_index_and_another_has_a_large_one() -> None:
    rng = np.random.default_rng(1)
    then = rng.normal(0.15, 0.03, 4000).tolist()
    same, other = (drift.compare("ink", then, rng.normal(mean, 0.03, 800).tolist()) for mean in (0.15, 0.21))
    assert same.psi < 0.05
    assert not same.moved
    assert other.psi > 1
    assert other.moved
    assert other.now.sum() == pytest.approx(1)


def test_words_are_bins_of_their_own_and_a_few_values_prove_nothing() -> None:
    then = [*"0123456789"] * 100
    assert drift.compare("label", then, ["rejected"] * 400).moved
    assert not drift.compare("label", then, ["rejected"] * 40).moved
    assert drift.compare("label", then, [*"0123456789"] * 40).psi == pytest.approx(0, abs=0.01)


LINE: dict[str, Any] = {
    **{"time": "2026-11-27T10:00:00Z", "route": "/predictions", "rejections": 0, "label": "7", "confidence": 0.9},
    "ink": 0.14,
}


def test_the_apis_lines_are_read_whatever_stands_between_them(tmp_path: Path) -> None:
    """A log service's own columns, other programs' lines, other days."""
    log = tmp_path / "api.log"
    batch = {"time": LINE["time"], "rejections": 1, "labels": {"3": 2, "rejected": 1}}
    given = {"time": LINE["time"], "judged": {"model": "digits 1", "right": False}}
    old = LINE | {"time": "2026-10-01T00:00:00Z"}
    texts = [json.dumps(LINE), f"2026/11/27 [1] abc {json.dumps(batch)}", json.dumps(given), json.dumps(old), "{", "no"]
    log.write_text("\n".join(texts))
    seen = drift.traffic(drift.lines([log], "2026-11-01", "2026-12-01"))
    assert (seen.answers, seen.rejections, seen.corrections) == (4, 1, 1)
    assert seen.columns == {"ink": [0.14], "confidence": [0.9], "label": ["7"]}


def test_the_rule_proposes_to_improve_where_corrections_wait() -> None:
    assert drift.verdict([], 50).startswith("Run make improve")
    assert drift.verdict([], 49).startswith("No reason")
    assert drift.verdict(["ink has moved"], 25).startswith("Run make improve")
    many = drift.Traffic({}, answers=1000, rejections=0, corrections=60)
    assert drift.signs([], many) == ["6.0 % of answers are corrected, at least 4.7 %"]
    assert drift.signs([], many._replace(corrections=22)) == []


def test_the_command_writes_one_page_with_pictures(
    tiny_sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "api.log"
    log.write_text("\n".join(json.dumps(LINE | {"ink": 0.4}) for _ in range(300)))
    drift.main(["--log", str(log), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "ink has moved" in said
    page = (tmp_path / "out" / "drift.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "300 answers" in page


def test_nothing_to_compare_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="hold nothing of this period"):
        drift.main(["--out", str(tmp_path)])
