"""The shipped model both ways, drawings that nobody else has, and tiny stand-ins for the public datasets."""

from __future__ import annotations

import functools
import gzip
import hashlib
import shutil
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest
from PIL import Image

from backend.preprocessing import normalise_image
from tests.conftest import STROKES
from training.data import borders, datasets, numbers, readers, sources, strokes
from training.data.datasets import _sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of moto's, found through boto3's own variables."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": moto_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.Session().client("s3").create_bucket(Bucket="given")
    return "s3://given/drawings"


def own_strokes(digit: int, style: int) -> strokes.Drawing:
    """One of the ten digits of tests/strokes.json, in canvas pixels."""
    return [np.array(stroke, float) for stroke in STROKES[str(digit)][style % len(STROKES[str(digit)])]]


@pytest.fixture(scope="session")
def varied() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """600 pictures (600, 28, 28) of our own ten digits, each bent another way, and what they are."""
    rng = np.random.default_rng(5)
    y = np.arange(600) % 10
    drawings = [strokes.fit(strokes.vary(own_strokes(d, i // 10), rng, strength=0.7), 160) for i, d in enumerate(y)]
    x = [normalise_image(strokes.draw(drawing, rng.uniform(8, 20), detail=2)) for drawing in drawings]
    return np.stack(x), y


@pytest.fixture
def tiny_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A DATA_DIR with every source file in its real format, 20 to 200 items each, and the digests to match."""
    folder = tmp_path / "data"
    folder.mkdir()
    _mnist(folder / "mnist.npz")
    (folder / "pendigits-orig.tra.gz").write_bytes(gzip.compress(_unipen().encode()))
    _omniglot(folder / "omniglot_strokes_background_small1.zip")
    _train_r01_v07(folder / "unipen_train_r01_v07_part.zip")
    _fashion(folder)
    for key, source in sources.SOURCES.items():
        digest = hashlib.sha256(source.content(folder / source.name)).hexdigest()
        monkeypatch.setitem(sources.SOURCES, key, source._replace(sha256=digest))
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setenv("DATA_CACHE", str(tmp_path / "cache"))
    plans = {name: (labels, _tiny(plan)) for name, (labels, plan) in datasets.PLANS.items()}
    monkeypatch.setattr(datasets, "PLANS", plans)
    # A process of its own would know neither these digests nor what else a test sets; test_cores.py starts some.
    monkeypatch.setattr(datasets, "WORKERS", functools.partial(ThreadPoolExecutor, 1))
    _forget()
    yield folder
    _forget()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the tiny sources outlive a test: making them takes 10 s."""
    return tmp_path_factory.mktemp("kept")


_sample_once = functools.cache(_sample.__wrapped__)  # what names the cache: 8 s, of sources that are always the same


@pytest.fixture
def digits_made(tiny_sources: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same DATA_DIR, with the pictures of "digits" made already."""
    monkeypatch.setattr(datasets, "_sample", _sample_once)
    cache = tiny_sources.parent / "cache"
    cache.mkdir()
    if not any(kept.iterdir()):
        datasets.load("digits")
        shutil.copytree(cache, kept, dirs_exist_ok=True)
    shutil.copytree(kept, cache, dirs_exist_ok=True)
    return tiny_sources


def _tiny(plan: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    return [(kind, min(items, 60), 1) for kind, items, _ in plan]


def _forget() -> None:
    for read in [*vars(readers).values(), numbers.writers, numbers.sets, borders.hands, _sample]:
        if hasattr(read, "cache_clear"):
            read.cache_clear()


def _mnist(path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 10
    x = np.stack([_picture(strokes.vary(own_strokes(int(d), i // 10), rng)) for i, d in enumerate(y)])
    np.savez(path, x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])


def _picture(drawing: strokes.Drawing) -> NDArray[np.uint8]:
    sheet = strokes.draw(strokes.fit(drawing, 20, (14, 14)), 2.5, canvas=28, detail=8)
    return 255 - np.asarray(sheet)


def _unipen() -> str:
    rng = np.random.default_rng(1)
    parts = [".HIERARCHY DIGIT\n"]
    for item in range(60):
        digit = item % 10
        drawing = strokes.fit(strokes.vary(own_strokes(digit, item // 10), rng), 200, (250, -250))
        pens = [".PEN_DOWN\n" + "\n".join(f" {x:.0f} {-y:.0f}" for x, y in s) + "\n.PEN_UP\n" for s in drawing]
        parts.append(f'.SEGMENT DIGIT {item} ? "{digit}"\n.COMMENT {digit} {1 + item % 7} 9\n' + "".join(pens))
    return "\n".join(parts)


def _train_r01_v07(path: Path) -> None:
    """UNIPEN's layout: six people of three sites, ten digits and four letters each."""
    rng = np.random.default_rng(3)
    with zipfile.ZipFile(path, "w") as archive:
        for number, site in enumerate(("syn", "app", "uqb", "syn", "gmd", "ced")):
            name = f"{site}/data/person{number}.dat"
            parts, digits, letters = [f".COORD X Y\n.WRITER_ID person{number}\n"], [], []
            component = 0
            for item in range(14):
                drawing = own_strokes(item, number) if item < 10 else [rng.normal(0, 1, (12, 2)).cumsum(axis=0)]
                drawing = strokes.fit(strokes.vary(drawing, rng), 200, (250, -250))
                parts += [".PEN_DOWN\n" + "\n".join(f"{x:.0f} {-y:.0f}" for x, y in s) + "\n.PEN_UP\n" for s in drawing]
                label = str(item) if item < 10 else "we#H"[item - 10]
                last = component + len(drawing) - 1
                (digits if item < 10 else letters).append(f'.SEGMENT CHARACTER {component}-{last} OK "{label}"\n')
                component = last + 1
            archive.writestr(f"include/{name}", "".join(parts))
            for folder, segments in (("1a", digits), ("1c", letters)):
                archive.writestr(f"data/{folder}/{site}/person{number}.dat", f".INCLUDE {name}\n" + "".join(segments))


def _omniglot(path: Path) -> None:
    rng = np.random.default_rng(2)
    with zipfile.ZipFile(path, "w") as archive:
        for item in range(60):
            points = strokes.fit([rng.normal(0, 1, (12, 2)).cumsum(axis=0)], 100, (52, 52))[0]
            text = "START\n" + "\n".join(f"{x:.3f},{-y:.3f},{t}" for t, (x, y) in enumerate(points)) + "\nBREAK\n"
            name = f"strokes_background_small1/Abc{item % 5}/character{1 + item // 20:02d}/0001_{1 + item % 20:02d}.txt"
            archive.writestr(name, text)


def _fashion(folder: Path) -> None:
    """Ten unlike patterns in MNIST's IDX format: stripes that turn, so that a small network can learn them."""
    y = np.arange(200) % 10
    rows, columns = np.mgrid[:28, :28]
    x = np.stack([_stripes(rows, columns, label, item) for item, label in enumerate(y)])
    for part, chosen in (("train", slice(0, 120)), ("t10k", slice(120, 200))):
        images, labels = x[chosen], y[chosen].astype(np.uint8)
        header = struct.pack(">4i", 2051, len(images), 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        header = struct.pack(">2i", 2049, len(labels))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes()))


def _stripes(rows: NDArray[np.int64], columns: NDArray[np.int64], label: int, item: int) -> NDArray[np.uint8]:
    angle = np.pi * label / 10
    wave = np.sin((np.cos(angle) * rows + np.sin(angle) * columns) / 1.6 + item % 3) > 0
    inside = (abs(rows - 14) < 9) & (abs(columns - 14) < 9)
    return (255 * (wave & inside)).astype(np.uint8)


def as_picture(x: NDArray[np.uint8]) -> Image.Image:
    """(28, 28) ink -> a picture, black on white."""
    return Image.fromarray(255 - x)
