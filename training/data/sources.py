"""The files that the datasets are made of: from their public homes, or from the folder DATA_DIR; checked either way.

A file is known by the SHA-256 of its content, so a repacked copy passes, and a half-written or altered one does not.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable  # noqa: TC003 - NamedTuple's fields name it
from pathlib import Path
from typing import NamedTuple

import numpy as np
import requests
import unlzw3

from training.data import unipen

CHUNK = 1 << 16  # bytes between two updates of the progress
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


class DataError(RuntimeError):
    """A file cannot be had; the message says which one and what to do."""


class Source(NamedTuple):
    """A file's name, its public home, how to read what its digest is taken of, and that digest."""

    name: str
    url: str
    content: Callable[[Path], bytes]
    sha256: str


def _arrays(path: Path) -> bytes:
    with path.open("rb") as file, np.load(file) as arrays:  # given a path, NumPy leaves a damaged file open
        return b"".join(arrays[name].tobytes() for name in sorted(arrays.files))


def _members(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in sorted(archive.namelist()))


def _characters(path: Path) -> bytes:
    """What was parsed of UNIPEN, packed either way: the digest is of labels, people and strokes."""
    return unipen.content(unipen.read(path))


def pendigits(path: Path) -> bytes:
    """The pen strokes' text, from gzip or from UCI's zip, where Unix' compress of 1998 packed it."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        return bytes(unlzw3.unlzw(archive.read("pendigits-orig.tra.Z")))


SOURCES = {
    "mnist": Source(
        "mnist.npz",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        _arrays,
        "c868f4cc70f1ec2961bd3b26437ea3a5d0e93cba4d95b336c6d475dd9dabb021",
    ),
    "pendigits": Source(
        "pendigits-orig.tra.gz",
        "https://archive.ics.uci.edu/static/public/81/pen+based+recognition+of+handwritten+digits.zip",
        pendigits,
        "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4",
    ),
    "omniglot": Source(
        "omniglot_strokes_background_small1.zip",
        "https://github.com/brendenlake/omniglot/raw/master/python/strokes_background_small1.zip",
        _members,
        "6aac9fcee3edccbe4e04cc9ae49d0679ed24d8c21dd6deff6a805b9ab8a1706a",
    ),
    "unipen": Source(
        "unipen_train_r01_v07_part.zip",
        "https://zenodo.org/api/records/1195803/files/unipen-CDROM-train_r01_v07.tgz/content",
        _characters,
        "2d109676b4129ab04146b25b7ecce63d495ef118ab4c068b719e242245c75a1a",
    ),
    "fashion-train-x": Source(
        "train-images-idx3-ubyte.gz",
        f"{FASHION}/train-images-idx3-ubyte.gz",
        Path.read_bytes,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "fashion-train-y": Source(
        "train-labels-idx1-ubyte.gz",
        f"{FASHION}/train-labels-idx1-ubyte.gz",
        Path.read_bytes,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "fashion-test-x": Source(
        "t10k-images-idx3-ubyte.gz",
        f"{FASHION}/t10k-images-idx3-ubyte.gz",
        Path.read_bytes,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "fashion-test-y": Source(
        "t10k-labels-idx1-ubyte.gz",
        f"{FASHION}/t10k-labels-idx1-ubyte.gz",
        Path.read_bytes,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


CREDITS = {
    "mnist": "MNIST: Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0",
    "pendigits": "Pen-Based Recognition of Handwritten Digits: E. Alpaydin, F. Alimoglu, UCI, 1998; CC BY 4.0",
    "unipen": "UNIPEN train_r01_v07: International Unipen Foundation, 1999, doi 10.5281/zenodo.1195803; CC BY 4.0",
    "omniglot": "Omniglot: B. Lake, R. Salakhutdinov, J. Tenenbaum, 2015; MIT",
    "noto": "Noto fonts, thinned to lines: Google; SIL Open Font License 1.1",
    "handwriting": "250 handwriting fonts, thinned: their designers; SIL Open Font License 1.1, Apache License 2.0",
    "fashion": "Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, Zalando; MIT",
    "feedback": "Drawings that people gave through the API, with their consent",
}


def cache() -> Path:
    """Where downloads and prepared pictures are kept: DATA_CACHE, or the user's cache folder."""
    return Path(os.environ.get("DATA_CACHE", Path.home() / ".cache" / "fullstack-model"))


def fetch(key: str) -> Path:
    """A checked file of SOURCES: from DATA_DIR if set, else from the cache, else downloaded. Raises DataError."""
    source = SOURCES[key]
    folder = os.environ.get("DATA_DIR")
    path = Path(folder or cache()) / source.name
    if not path.exists():
        if folder:
            raise DataError(f"{source.name} is not in DATA_DIR ({folder}). Put it there, or unset it.")
        path = cache() / Path(source.url).name  # the public home's own packing
        if not path.exists():
            _download(source, path)
    _check(source, path)
    return path


def _check(source: Source, path: Path) -> None:
    try:
        digest = hashlib.sha256(source.content(path)).hexdigest()
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and run again.") from error
    if digest != source.sha256:
        raise DataError(f"{path} has SHA-256 {digest}, not {source.sha256}. Delete it and run again.")


def _download(source: Source, path: Path) -> None:
    """Download beside, check, and only then give it its name: a broken download leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name("half-" + path.name)
    try:
        with requests.get(source.url, stream=True, timeout=(5, 60)) as response, half.open("wb") as file:
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0))
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                _progress(path.name, file.tell(), total)
            if file.tell() < total:
                raise DataError(f"{source.url} broke off after {file.tell()} of {total} bytes. Try again.")
        _check(source, half)
        half.replace(path)
    except requests.RequestException as error:
        raise DataError(
            f"{source.url} cannot be downloaded ({type(error).__name__}). Try again, or put {source.name} in a folder "
            "and set DATA_DIR to it."
        ) from error
    finally:
        half.unlink(missing_ok=True)


def _progress(name: str, done: int, total: int) -> None:
    share = f"{100 * done // total:3d} %" if total else f"{done >> 20} MB"
    print(f"\r{name}: {share}", end="", file=sys.stderr, flush=True)
