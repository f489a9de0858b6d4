"""UNIPEN's format: which strokes a segment names, whose they are, and what is left out."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.model.conftest import own_strokes
from training.data import readers, strokes, styles, unipen

if TYPE_CHECKING:
    from pathlib import Path

COORDINATES = """.VERSION 1.0
.COORD X Y T
.WRITER_ID  Ann-Lee 7
.PEN_DOWN
0 0 1
1 5 2
2 9 3
.PEN_UP
5 5 4
.PEN_DOWN
3 1 5
.DT 100
.PEN_UP
.COMMENT an empty part is not counted,
nor is a comment's second line
.PEN_DOWN
7 2 6
8 3 7
.WRITER_ID Bob
.PEN_DOWN
9 9 8
"""


def _archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def _characters(folder: Path, *segments: str, contributor: str = "cea") -> list[unipen.Character]:
    text = f".INCLUDE {contributor}/some.doc\n.INCLUDE {contributor}/data/a.dat\n" + "\n".join(segments) + "\n"
    members = {f"data/1a/{contributor}/a.dat": text, f"include/{contributor}/data/a.dat": COORDINATES}
    return list(unipen.read(_archive(folder / "a.zip", members)))


@pytest.mark.parametrize(
    ("where", "points"),
    [
        ("0", [[0, 1, 2]]),
        ("0-2", [[0, 1, 2], [3]]),  # component 1 is a pen-up part: counted, not drawn
        ("2-3", [[3], [7, 8]]),
        ("0,3", [[0, 1, 2], [7, 8]]),
        ("0:1-2:0", [[1, 2], [3]]),
        ("0:1-0:1", [[1]]),
    ],
)
def test_a_segment_names_components_and_points(tmp_path: Path, where: str, points: list[list[int]]) -> None:
    (character,) = _characters(tmp_path, f'.SEGMENT CHARACTER {where} ? "7"')
    assert [stroke[:, 0].tolist() for stroke in character.strokes] == points


def test_y_points_down_and_the_writer_is_the_sites(tmp_path: Path) -> None:
    first, second = _characters(tmp_path, '.SEGMENT CHARACTER 0 OK "4"', '.SEGMENT CHARACTER 4 OK "\\\\"')
    assert first.strokes[0][:, 1].tolist() == [0, -5, -9]
    assert (first.site, first.writer) == ("ced", "ced/annlee7")
    assert (second.label, second.writer) == ("\\", "ced/bob")


def test_what_a_segmentation_left_over_is_no_character_and_other_contributors_are_not_read(tmp_path: Path) -> None:
    assert _characters(tmp_path, r'.SEGMENT CHARACTER 0 OK "\@"') == []
    assert _characters(tmp_path, '.SEGMENT CHARACTER 0 OK "4"', contributor="aga") == []


def test_the_zip_and_the_public_tar_say_the_same(tiny_sources: Path, tmp_path: Path) -> None:
    packed = tiny_sources / "unipen_train_r01_v07_part.zip"
    with zipfile.ZipFile(packed) as archive, tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        for name in archive.namelist():
            member = tarfile.TarInfo(f"CDROM/train_r01_v07/{name}")
            content = archive.read(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert unipen.content(unipen.read(packed)) == unipen.content(unipen.read(tmp_path / "a.tgz"))


def test_each_person_is_held_out_by_one_fold_with_letters_and_digits_alike(tiny_sources: Path) -> None:
    folds: dict[str, set[int]] = {}
    for written in [*readers.people(), *readers.no_digits()]:
        folds.setdefault(written.writer, set()).add(written.fold)
    assert len(folds) == 6
    assert all(len(found) == 1 for found in folds.values())
    assert set().union(*folds.values()) == set(range(readers.FOLDS))
    assert {written.label for written in readers.no_digits()} == set("we#H")


def test_blots_dots_and_several_characters_in_one_segment_are_left_out() -> None:
    zero = np.stack([np.cos(np.linspace(0, 6.3, 40)), np.sin(np.linspace(0, 6.3, 40))], axis=1)
    assert not unipen.spoilt([zero])
    assert not unipen.spoilt([zero, np.array([[1.5, -1.5], [-1.5, 1.5]])])  # slashed
    assert unipen.spoilt([zero, zero + np.array([2.5, 0])])
    assert unipen.spoilt([np.zeros((9, 2))])
    assert unipen.spoilt([zero[:4]])
    assert unipen.spoilt([np.tile(zero, (4, 1))])
    assert not any(unipen.is_dots(own_strokes(digit, style)) for digit in range(10) for style in range(3))
    assert unipen.is_dots([np.array([[0.0, y], [0.2, y]]) for y in (0, 5, 10)])
    assert not any(unipen.spoilt(own_strokes(digit, style)) for digit in range(10) for style in range(3))


@pytest.mark.parametrize(
    ("digit", "drawing", "name"),
    [
        (1, [[(0, 0), (0, 9)]], "bar 1"),
        (1, [[(6, 0), (0, 9)]], "leaning 1"),
        (1, [[(-3, 3), (0, 0), (0, 9)]], "flag 1"),
        (1, [[(-3, 3), (0, 0), (0, 9)], [(-3, 9), (3, 9)]], "foot 2"),
        (7, [[(0, 0), (6, 0), (2, 9)]], "plain 1"),
        (7, [[(0, 0), (6, 0), (2, 9)], [(1, 5), (6, 4.5)]], "crossed 2"),
        (0, [[(5, 0), (0, 5), (5, 10), (10, 5), (5, 0)]], "plain 1"),
        (0, [[(5, 0), (0, 5), (5, 10), (10, 5), (5, 0)], [(9, 0), (1, 10)]], "slashed 2"),
    ],
)
def test_the_styles_of_ones_sevens_and_zeros_are_told(
    digit: int, drawing: list[list[tuple[float, float]]], name: str
) -> None:
    assert styles.style([np.array(stroke, float) for stroke in drawing], digit) == name


def test_between_two_hands_is_each_of_them_at_the_ends_and_in_the_middle_between() -> None:
    one = [np.array([[0.0, 0.0], [0.5, 0.0], [0.2, 1.0]]), np.array([[0.1, 0.5], [0.5, 0.5]])]
    other = [
        np.array([[0.5, 0.6], [0.1, 0.4]]),
        np.array([[0.2, 1.0], [0.6, 0.05], [0.0, 0.0]]),
    ]  # other order and ways
    ends = [styles.between(one, other, share) for share in (0.0, 0.5, 1.0)]
    first, middle, last = (np.stack(drawing or []) for drawing in ends)
    assert first == pytest.approx(styles._paced(strokes.fit(one, 1, (0, 0))))
    assert last[0] == pytest.approx(styles._paced(strokes.fit(other, 1, (0, 0)))[1][::-1])
    assert middle == pytest.approx((first + last) / 2)
    beyond = np.stack(styles.between(one, other, -0.4) or [])
    assert beyond - first == pytest.approx(-0.4 * (last - first))


def test_there_is_nothing_between_two_shapes() -> None:
    assert styles.between(own_strokes(3, 0), own_strokes(1, 0), 0.5) is None


def test_a_label_that_is_wrong_to_every_eye_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A percent sign of three strokes is called an 8; three dots a 4."""
    ring = np.stack([np.cos(np.linspace(0, 6.3, 40)), np.sin(np.linspace(0, 6.3, 40))], axis=1)
    percent = [ring, ring + 4, np.array([[5.0, 0.0], [0.0, 5.0]])]
    written = [
        readers.Written(drawing, str(digit), digit, 0, "ced/bob")
        for digit, drawing in ((8, percent), (8, own_strokes(8, 0)), (4, [ring[:1], ring[:1] + 1]), (0, percent))
    ]
    monkeypatch.setattr(readers, "characters", lambda: written)
    assert readers.people.__wrapped__() == [written[1], written[3]]


def test_a_rare_drawing_is_drawn_more_often_but_ten_times_at_most() -> None:
    often, once = np.unique(readers._drawn(["one"] * 9_999 + ["none"]), return_counts=True)
    assert once[often == 9_999] > 5 * once.mean()
    assert once.max() < 13 * once.mean()
