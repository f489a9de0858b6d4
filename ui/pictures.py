"""Whatever Python holds a picture in -> the bytes of a picture file: paths, files, bytes, Pillow images, arrays."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backend import contract

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

MIB = 1024 * 1024
ENOUGH = 1000  # pixels: the longer side of what had to be made smaller; as RGBA it has 4 MB even before it is packed
ORIENTATION = 0x0112  # EXIF's tag
TURNS = {  # EXIF's value -> the name of Pillow's transposition that sets the picture upright
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
ON_THEIR_SIDE = (5, 6, 7, 8)  # of these, where width and height change places
PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")
ARRAY = "An array is (height, width), or with 1, 3 or 4 colours (height, width, colours)"


class NotAPicture(ValueError):
    """What was given cannot be sent as a picture; the message says why."""


class TooManyBytes(NotAPicture):
    """A file over the API's limit."""


@runtime_checkable
class PillowImage(Protocol):
    """What of `PIL.Image.Image` is used, so that Pillow need not be installed here."""

    def save(self, fp: BytesIO, format: str) -> None:  # noqa: A002 - Pillow's own name
        """Encode."""

    def getexif(self) -> Any:
        """What the camera wrote."""


@runtime_checkable
class OpenFile(Protocol):
    """A file opened for reading bytes, or BytesIO."""

    def read(self, size: int) -> bytes:
        """At most that many bytes."""


Picture = str | Path | bytes | bytearray | memoryview | OpenFile | PillowImage | Any  # the last: an array


def encode(picture: Picture) -> bytes:
    """Any Picture -> its file's bytes, at most contract.MAX_BODY_BYTES. Raises NotAPicture, OSError for a path."""
    if isinstance(picture, str | Path):
        return _from_path(Path(picture))
    if isinstance(picture, bytes | bytearray | memoryview):
        return _bounded(bytes(picture))
    if isinstance(picture, OpenFile):
        return _from_file(picture)
    if isinstance(picture, PillowImage):
        return _from_pillow(picture)
    if hasattr(picture, "__array__") or hasattr(picture, "__array_interface__"):
        return _from_array(picture)
    raise NotAPicture(
        f"A {type(picture).__name__} is no picture: give a path, bytes, an open file, a PIL image or an array."
    )


def upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. `ImageOps.exif_transpose` writes EXIF anew and so fails where a phone's is odd."""
    orientation = _orientation(image)
    if orientation not in TURNS:
        return image
    from PIL import Image

    return image.transpose(Image.Transpose[TURNS[orientation]])


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height once it is turned, by the file's head: nothing is decoded."""
    width, height = image.size
    return (height, width) if _orientation(image) in ON_THEIR_SIDE else (width, height)


def _orientation(image: Image.Image) -> int | None:
    if getattr(image, "format", None) == "TIFF":
        return None  # Pillow turns a TIFF by itself, and counts its size so
    try:
        orientation: int | None = image.getexif().get(ORIENTATION)
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything where EXIF is damaged; the picture is still good
        return None
    return orientation


def _bounded(data: bytes) -> bytes:
    """Raises TooManyBytes."""
    if len(data) > contract.MAX_BODY_BYTES:
        raise _too_many(len(data))
    return data


def _too_many(size: int) -> TooManyBytes:
    most = contract.MAX_BODY_BYTES // MIB
    return TooManyBytes(f"The picture has {size / MIB:.1f} MiB; the API takes {most} MiB at most.")


def _from_path(path: Path) -> bytes:
    """Raises OSError, NotAPicture."""
    status = path.stat()
    if not S_ISREG(status.st_mode):  # to read a pipe may wait for ever
        raise NotAPicture("This is not a file.")
    if status.st_size > contract.MAX_BODY_BYTES:
        raise _too_many(status.st_size)
    return path.read_bytes()


def _from_file(file: OpenFile) -> bytes:
    """The whole file, wherever it was read up to: BytesIO stands at its end after writing. Raises NotAPicture."""
    if hasattr(file, "seekable") and file.seekable():
        file.seek(0)  # type: ignore[attr-defined]
    data = file.read(contract.MAX_BODY_BYTES + 1)
    if not isinstance(data, bytes):
        raise NotAPicture('The file is open as text; open it with mode "rb".')
    return _bounded(data)


def _from_pillow(image: Any) -> bytes:
    """Raises NotAPicture."""
    try:
        turned = upright(image)
        if turned.mode in ("I", "F"):
            return _from_array(turned)
        return _png(turned if turned.mode in PNG_MODES else turned.convert("RGB"))
    except (OSError, SyntaxError, ValueError, SystemError) as error:  # a file that Pillow has not read to its end
        raise NotAPicture(f"Pillow cannot read this image: {error}.") from None


def _png(image: Image.Image) -> bytes:
    """A PNG within the API's limits, smaller than the image only where it has to be."""
    if image.width * image.height > contract.SURE_PIXELS:
        return _png(_smaller(image))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue() if buffer.tell() <= contract.MAX_BODY_BYTES else _png(_smaller(image))


def _smaller(image: Image.Image) -> Image.Image:
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((ENOUGH, ENOUGH))
    return small


def _from_array(array: Any) -> bytes:
    """Raises NotAPicture."""
    import numpy as np  # only who has arrays needs these
    from PIL import Image

    x = np.asarray(array)
    if x.dtype.kind not in "buif":
        raise NotAPicture(f"An array of {x.dtype} is no picture: it takes numbers.")
    return _png(Image.fromarray(_depth(_shape(x))))


def _shape(x: NDArray[Any]) -> NDArray[Any]:
    """(h, w), (h, w, 1), (1, h, w), (3, h, w), (1, h, w, 1) ... -> (h, w) or (h, w, 2 to 4). Raises NotAPicture."""
    shape = x.shape
    if x.ndim == 4 and len(x) == 1:  # a batch of one
        x = x[0]
    if x.ndim == 3 and x.shape[0] in (1, 3, 4) and x.shape[2] > 4:  # colours first, as PyTorch has them
        x = x.transpose(1, 2, 0)
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[:, :, 0]
    if not x.size or not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (2, 3, 4))):
        raise NotAPicture(f"{ARRAY}; this one is {shape}.")
    return x


def _depth(x: NDArray[Any]) -> NDArray[Any]:
    """Truth values, 0 to 1, 0 to 255, 0 to 65535 -> uint8 or, in grey, uint16. Raises NotAPicture."""
    import numpy as np

    low, high = float(x.min()), float(x.max())
    if (x.dtype.kind == "f" and high <= 1.001) or x.dtype.kind == "b":  # some resizing overshoots a little
        high, x = 255 * high, 255 * x.astype(np.float32)
    if not (low >= -0.001 and high <= (255.5 if x.dtype.kind == "f" else 65535)):  # NaN is neither
        raise NotAPicture(f"An array holds 0 to 1, 0 to 255 or, in whole numbers, 0 to 65535; here: {low} to {high}.")
    if high <= 255.5:
        x = np.clip(np.rint(x), 0, 255)
    elif x.ndim == 3:
        x = x >> 8
    return x.astype(np.uint16 if x.max() > 255 else np.uint8)
