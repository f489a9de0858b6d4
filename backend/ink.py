"""A picture -> how much ink each of its pixels holds: the distance from the paper's colour or, on a photo, darkness.

A frame, a box, a scan's dark edge and a ruled line are no ink; backend/surroundings.py tells them from a digit.
"""

from __future__ import annotations

from math import ceil, floor, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from backend import beside, surroundings
from backend.decoding import BlankPicture
from backend.paper import median, paper_of, prevailing, ring, without_strokes
from backend.surroundings import TOUCHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_CONTRAST = 24  # of 255: less than this between paper and ink is a blank sheet, unless the paper has less noise yet
NOISE = 0.08  # of the darkest ink: JPEG ringing at quality 40 stays below it
EDGE = 0.25  # of the darkest ink: where the bounding box begins
BLANK = "The sheet is empty: there is nothing drawn on it."
CROPPED = 128  # pixels of the longer side: a larger picture may show light that falls off, or a sheet on a table
BETWEEN = 0.2  # of a larger picture's pixels once it is reduced: more tones between ink and paper are a shadow
TINY = 20  # pixels of the shorter side: too few to show a shadow
DARK = 0.75  # of the darkest ink: the border of a photo is not as dark unless a stroke reaches it
EVEN = 0.2  # of the darkest ink: by how much paper in one light may differ between quarters
NARROW = 2  # times as high as wide
BORDER = 0.5  # what the border counts against the skew, which alone is wrong of 43 in 1,000 digits that fill a picture
PARTED = 0.1  # of the way from dark to light: what a part more of one of them weighs, two parts at most
PAPER = 0.9  # the quantile of a quarter's light pixels that is paper: below are the strokes' soft edges
SOLID = 0.5  # of its box: strokes cover less
WITHIN = 0.8  # of what is not exactly paper: strokes in less of it may be on a faint sheet
BAR = 0.4  # of its length: a 1 is narrower, a sheet is wider
SHARP = 0.6  # of the step from table to paper: what two pixels at a sheet's outline make; a shadow's edge is softer
SHARPEST = 1.6  # of the same: what is steeper is the edge of a stroke whose soft rim is one of the two tones
AS_PLAIN = 0.7  # of the contrast of a sheet at whose edge ink is: with less, one with none is the paper's grain
COLOURED = 6  # of 255: by how much a band differs from the greys, its mean aside; in tinted light it is 4
SHEET = 128  # pixels of the longer side: enough to see where a sheet ends
NARROWEST = 8  # pixels: no digit is told in less
SMALLEST_SHEET = 64  # pixels of the shorter side of a picture that may have one: in less an 8 is as straight
COVERING = 0.4  # of the sheet: what covers more may be the sheet itself, on something dark
SMALLEST, SMALLEST_ON_SHEET = 0.15, 0.08  # of the longer side of a box, of a sheet: what is smaller in it is no digit
PALEST = 0.1  # of the paper's light: what is paler is no rule, or is gone with the paper's grain
SPREAD = 0.8  # of both sides of a picture: specks that go over more may be a pattern


class Ink(NamedTuple):
    """(h, w) uint8, 0 for paper; where its left upper corner is in the picture; the most in columns, rows and all.

    sheet: left, top, right and bottom in the picture of the sheet that it is on, where that is not all of the picture.
    """

    pixels: NDArray[np.uint8]
    left: int
    top: int
    columns: NDArray[np.uint8]
    rows: NDArray[np.uint8]
    peak: int
    sheet: tuple[int, int, int, int] | None = None

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], left: int = 0, top: int = 0) -> Ink:
        """Measure the columns and rows."""
        rows = pixels.max(axis=1)
        return cls(pixels, left, top, pixels.max(axis=0), rows, int(rows.max()))

    @property
    def size(self) -> int:
        """The longer side of the bounding box."""
        left, top, right, bottom = self.box(EDGE * self.peak)
        return max(right - left, bottom - top)

    def is_solid(self, runs_out: bool) -> bool:
        """Whether it may be a sheet: it covers more of its box than strokes do, told by each 16th pixel.

        It is no bar, but where it `runs_out` of the picture. A sheet may also be far fainter than what is on it.
        """
        strong, faint = self.box(EDGE * self.peak), NOISE * self.peak
        if self._covers(strong, EDGE * self.peak, self.peak, runs_out):
            return True
        left, top, right, bottom = strong
        within = (right - left) * (bottom - top) < WITHIN * self.pixels.size
        return within and self._covers(self.box(faint), faint, EDGE * self.peak, runs_out)

    def _covers(self, box: tuple[int, int, int, int], level: float, most: float, runs_out: bool) -> bool:
        left, top, right, bottom = box
        some = self.pixels[top:bottom:4, left:right:4]
        short, long = sorted((right - left, bottom - top))
        covered = np.count_nonzero((some > level) & (some <= most))
        return (runs_out or short > BAR * long) and bool(covered > SOLID * some.size)

    def box(self, level: float) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in `pixels`, of what is above a level."""
        x, y = np.flatnonzero(self.columns > level), np.flatnonzero(self.rows > level)
        return int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1

    def part(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the picture, where this ink is."""
        h, w = self.pixels.shape
        return mask[self.top : self.top + h, self.left : self.left + w]

    def only(self, mask: NDArray[np.bool_]) -> Ink:
        """What is where a mask of the picture is set."""
        return Ink.of(np.where(self.part(mask), self.pixels, 0).astype(np.uint8), self.left, self.top)

    def on(self, size: tuple[int, int]) -> Image.Image:
        """L, the whole picture's ink."""
        sheet = Image.new("L", size)
        sheet.paste(Image.fromarray(self.pixels), (self.left, self.top))
        return sheet

    def within(self, box: tuple[int, int, int, int]) -> Ink:
        """What a box holds."""
        left, top, right, bottom = box
        return Ink.of(self.pixels[top:bottom, left:right], self.left + left, self.top + top)


def find(image: Image.Image, *, laid: bool = True) -> Ink:
    """L, RGB or opaque RGBA -> a digit's ink, without what surrounds it. Raises BlankPicture.

    laid: whether it may be on a sheet that lies on something.
    """
    border, small = ring(image), max(image.size) <= CROPPED
    colour, away, spread, noise = paper_of(border)
    looked = shaded = False
    if colour:
        ink = _away(image, colour)
        if ink.peak < max(MIN_CONTRAST, 1.5 * noise):
            told = _told_from_noise(ink, noise)
            ink = told if ink.peak < MIN_CONTRAST else ink
        plain = spread <= NOISE * ink.peak
        beyond = spread > TOUCHING * ink.peak
        looked = not (plain or beyond) or ink.is_solid(not small and beyond)
        if laid and looked and (on_sheet := _on_sheet(image, held=not plain)):
            return on_sheet
        if turned := _turned(image, ink):
            return _cleared(turned, image.size, NOISE)
        shaded = not (plain or small) and surroundings.is_shaded(_sides(away, image.size), NOISE * ink.peak, ink.peak)
        if plain or (not shaded and _runs_out(ink, away, spread, image.size)):
            return on_clean_paper(ink, spread, image)
    colour = prevailing(image, border, colour) or (() if shaded else colour)
    cropped = _cropped(image.convert("L")) if small and not colour else None
    if laid and not (looked or cropped or (small and colour)) and (on_sheet := _on_sheet(image, held=True)):
        return on_sheet
    if colour:
        return unboxed(_cleared(_away(image, colour), image.size, NOISE), image)
    grey = image.convert("L")
    cropped = cropped if small else _cropped(grey)
    return unboxed(_cleared(cropped or Ink.of(_photo(grey)), image.size, EDGE), image)


def alone(ink: Ink, size: tuple[int, int], *, pattern: bool = False) -> Ink:
    """A digit's ink without what reaches into the picture beside it, without dirt and the dots of a dotted sheet.

    size: the picture's. pattern: whether there are known to be such dots, or what a screen shows beside a drawing.
    """
    ink = without_strangers(ink, size)
    level = EDGE * ink.peak
    inked = [np.flatnonzero(line > level) for line in (ink.columns, ink.rows)]
    spans = [int(places[-1] - places[0]) + 1 for places in inked]
    blank = any(span > len(places) + 1 for span, places in zip(spans, inked, strict=True))
    all_over = spans[0] > SPREAD * size[0] and spans[1] > SPREAD * size[1]
    if not (blank or all_over):  # as of nearly every drawing
        return ink
    return _without(ink, beside.specks(ink.pixels, level, pattern=pattern))


def without_strangers(ink: Ink, size: tuple[int, int], *, several: bool = False) -> Ink:
    """The ink without the parts that reach in over the border of a picture of this size, as a pen beside the digit.

    several: whether there may be more than one digit.
    """
    (h, w), level = ink.pixels.shape, EDGE * ink.peak
    at = ink.top == 0, ink.top + h == size[1], ink.left == 0, ink.left + w == size[0]
    ends = ink.rows[0], ink.rows[-1], ink.columns[0], ink.columns[-1]
    if not any(near and end > level for near, end in zip(at, ends, strict=True)):
        return ink
    return _without(ink, beside.strangers(ink.pixels > level, at, several=several))


def _without(ink: Ink, parts: NDArray[np.bool_] | None) -> Ink:
    """The ink without some of it and its soft rim."""
    if parts is None:
        return ink
    others = (ink.pixels > EDGE * ink.peak) & ~parts
    pixels = np.where(surroundings.grown(parts) & ~others, 0, ink.pixels).astype(np.uint8)
    return Ink.of(pixels, ink.left, ink.top)._replace(sheet=ink.sheet)


def _turned(image: Image.Image, ink: Ink) -> Ink | None:
    """The ink on a sheet that lies aslant on something of another colour."""
    level = EDGE * ink.peak
    if ink.pixels.size < COVERING * image.width * image.height or ink.peak < MIN_CONTRAST:
        return None
    sheet = ink.within(ink.box(level))
    if np.count_nonzero(sheet.pixels > level) < COVERING * image.width * image.height:
        return None
    if not surroundings.is_turned(sheet.pixels, level):
        return None
    h, w = sheet.pixels.shape
    on_it = np.asarray(image.crop((sheet.left, sheet.top, sheet.left + w, sheet.top + h)))[sheet.pixels > level]
    return _away(image, tuple(median(np.ascontiguousarray(on_it.reshape(len(on_it), -1).T[:3])).tolist()))


def _runs_out(ink: Ink, away: NDArray[np.int16], spread: int, size: tuple[int, int]) -> bool:
    """Whether what is at the sheet's border is only a digit's strokes that run out of it."""
    covers = spread > TOUCHING * ink.peak and np.count_nonzero(ink.pixels > NOISE * ink.peak) > COVERING * prod(size)
    return not covers and not surroundings.is_suspicious(_sides(away, size), NOISE * ink.peak, ink.peak)


def _sides(border: NDArray[np.int16], size: tuple[int, int]) -> tuple[NDArray[np.int16], ...]:
    """A picture's border, as `ring` has it -> its top, bottom, left and right."""
    w, h = size
    return border[:w], border[w : 2 * w], border[2 * w : 2 * w + h], border[2 * w + h :]


def find_faint(image: Image.Image) -> Ink:
    """As `find`, of a picture that was stretched from dark to light, so that noise looks like ink."""
    paper = paper_of(ring(image))
    if not paper.colour:
        raise BlankPicture(BLANK)
    return unboxed(_told_from_noise(_away(image, paper.colour), paper.noise), image)


def on_clean_paper(ink: Ink, spread: int = 0, image: Image.Image | None = None) -> Ink:
    """A digit's ink of a sheet without ink at its edge, where the paper varies by `spread`. Raises BlankPicture."""
    if ink.peak < MIN_CONTRAST:
        ink = _told_from_noise(ink)
    level = NOISE * ink.peak
    plain = spread == 0 and not surroundings.has_corners(ink.pixels, level)
    if plain and (image is None or not surroundings.framed(ink.pixels, level)):
        return ink  # as of nearly every drawing
    return unboxed(ink, image)


def unboxed(ink: Ink, image: Image.Image | None = None) -> Ink:
    """The ink inside a box, a frame or a mat, where its corners show that there may be one; else the same ink."""
    for level in (NOISE * ink.peak, EDGE * ink.peak):  # a grey box is below the one, a frame's JPEG ringing the other
        outline = ink.box(level)
        around = ink.within(outline)
        if not surroundings.has_corners(around.pixels, level):
            if not (frame := surroundings.framed(around.pixels, level)):
                return ink
            around = around.within(frame)
        if inside := surroundings.inside_box(around.pixels, level):
            return unboxed(around.within(inside))
        if image and (rim := surroundings.mat(around.pixels, level)):
            h, w = around.pixels.shape
            box = (around.left + rim, around.top + rim, around.left + w - rim, around.top + h - rim)
            if found := _inside(image, box):
                return found
    return ink


def _on_sheet(image: Image.Image, *, held: bool) -> Ink | None:
    """The ink on a sheet that lies on something else, as on a table, or may be `held`; None where there is none."""
    if min(image.size) < SMALLEST_SHEET:
        return None
    doubtful, most = None, 0
    for tones in _views(image):
        for sheet in _sheets(tones, held=held):
            ink, whole = _on_this_sheet(image, tones, sheet)
            contrast = int(np.ptp(tones[sheet]))
            if whole and contrast >= AS_PLAIN * most:
                return ink
            if ink and not doubtful:
                doubtful, most = ink, contrast
    return doubtful


def _views(image: Image.Image) -> Iterator[NDArray[np.uint8]]:
    """A small copy's greys, then each band that differs from them: a yellow note on a white desk is as light."""
    small = _reduced(image, SHEET)
    grey = np.asarray(small.convert("L"))
    yield grey
    for band in small.split()[:3] if image.mode != "L" else ():
        tones = np.asarray(band)
        if np.std(tones - grey.astype(np.float32)) > COLOURED:
            yield tones


def _sheets(tones: NDArray[np.uint8], *, held: bool) -> Iterator[NDArray[np.bool_]]:
    """What of one tone may lie on another; first where more stands out, for ink does more than the grain of wood."""
    for level, step, either in _steps(tones):
        light = tones > level
        masks = (light, ~light) if either else (light,)
        # A dark sheet is none that is held: it may be a thick 0.
        laid = [surroundings.laid(mask, held=held and mask is light) for mask in masks]
        found = [sheet for sheet in laid if sheet is not None]
        sharp = [sheet for sheet in found if SHARP * step <= surroundings.sharpness(tones, sheet) <= SHARPEST * step]
        yield from sorted(sharp, key=lambda sheet: int(np.ptp(tones[sheet])), reverse=True)


def _steps(tones: NDArray[np.uint8]) -> Iterator[tuple[float, float, bool]]:
    """Between which two tones a sheet may end: the level, how far they are apart; if it may be either.

    First those of all, then those of its larger part, as a white note's on a grey desk. At last a sheet that stands out
    as far as the first two are apart, but is lighter than the rest of what is light: than a hand that holds it.
    """
    counts, levels = np.bincount(tones.reshape(-1), minlength=256), np.arange(256)
    low, high = _otsu(counts, levels)
    yield (low + high) / 2, high - low, True
    light = levels > (low + high) / 2
    brighter = 2 * counts[light].sum() > tones.size
    for part in (light,) if brighter else (~light, light):
        lower, higher = _otsu(np.where(part, counts, 0), levels)
        if higher - lower > MIN_CONTRAST:
            held = part is light and not brighter
            yield (lower + higher) / 2, high - low if held else higher - lower, not held


def _on_this_sheet(image: Image.Image, tones: NDArray[np.uint8], sheet: NDArray[np.bool_]) -> tuple[Ink | None, bool]:
    """The ink on a sheet, if it ends with it, and whether none is at its edge; `tones` is the picture in its size."""
    inner, (h, w) = surroundings.shrunk(sheet), sheet.shape
    painted, inside = surroundings.spread(image, inner)
    found = _inside(painted, surroundings.box(inside), laid=False)
    if not found or (kept := found.only(inside)).peak < found.peak:
        return None, False
    rim = kept.part(surroundings.rim(inside))
    kept = _without(kept, beside.fingers(kept.pixels > EDGE * kept.peak, rim))
    strokes = np.asarray(kept.on(image.size).resize((w, h), Image.Resampling.BOX)) > EDGE * kept.peak
    if surroundings.goes_on(tones, sheet, strokes) or beside.is_lit(tones, sheet):
        return None, False
    whole = not (rim & (kept.pixels > EDGE * kept.peak)).any()
    return _bounded(kept, inner, image.width / w, image.height / h), whole


def _bounded(ink: Ink, sheet: NDArray[np.bool_], across: float, down: float) -> Ink:
    """The ink with the upright part of its sheet, for who looks closer; the picture is so much larger than `sheet`."""
    left, top, right, bottom = ink.box(EDGE * ink.peak)
    around = (ink.left + left) / across, (ink.top + top) / down, (ink.left + right) / across, (ink.top + bottom) / down
    box = surroundings.upright(sheet, (floor(around[0]), floor(around[1]), ceil(around[2]), ceil(around[3])))
    scale = np.array([across, down, across, down])
    return ink._replace(sheet=tuple(np.round(box * scale).astype(int).tolist()))


def _inside(image: Image.Image, box: tuple[int, int, int, int], *, laid: bool = True) -> Ink | None:
    """The ink within a box, if there is a digit's worth of it."""
    left, top, right, bottom = box
    if min(right - left, bottom - top) < NARROWEST:
        return None
    try:
        ink = find(image.crop(box), laid=laid)
    except BlankPicture:
        return None
    if ink.size < (SMALLEST if laid else SMALLEST_ON_SHEET) * max(right - left, bottom - top):
        return None
    inner = ink.sheet or (0, 0, right - left, bottom - top)
    sheet = (left + inner[0], top + inner[1], left + inner[2], top + inner[3])
    return ink._replace(left=ink.left + left, top=ink.top + top, sheet=sheet)


def _away(image: Image.Image, colour: tuple[int, ...]) -> Ink:
    """How far each pixel is from the paper, cut to what is not exactly paper."""
    away = ImageChops.difference(image, Image.new(image.mode, image.size, colour if len(colour) > 1 else colour[0]))
    box = away.getbbox(alpha_only=False)
    if not box:
        raise BlankPicture(BLANK)
    first, *rest = away.crop(box).split()[:3]  # on a drawing a quarter of the pixels is left
    for band in rest:
        first = ImageChops.lighter(first, band)
    return Ink.of(np.asarray(first), box[0], box[1])


def _cleared(ink: Ink, size: tuple[int, int], level: float) -> Ink:
    """The ink without what lies along the sheet's edges."""
    sheet = np.asarray(ink.on(size))
    sides = sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]
    if not surroundings.is_suspicious(sides, level * ink.peak, ink.peak):
        return ink
    if rules := surroundings.pale_rules(sheet, level * ink.peak):
        sheet = (np.maximum(sheet - rules, 0) * (ink.peak / (ink.peak - rules))).astype(np.uint8)
        ink = Ink.of(sheet)
    cleared = surroundings.cleared(sheet, level * ink.peak)
    return ink if cleared is None else Ink.of(cleared)


def _told_from_noise(ink: Ink, noise: float = 0) -> Ink:
    """Ink of less contrast than is plain, stretched, if it stands out from what may be noise. Raises BlankPicture."""
    pixels = ink.pixels
    if noise and min(pixels.shape) > 2:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3)))
    peak = int(pixels.max())
    if peak <= noise:
        raise BlankPicture(BLANK)
    stretched = np.clip((pixels - noise) * (255 / (peak - noise)), 0, 255).astype(np.uint8)
    return Ink.of(stretched, ink.left, ink.top)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """A copy whose longer side has so many pixels at most."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small


def _cropped(grey: Image.Image) -> Ink | None:
    """The ink of a picture that a digit fills, so that its border has two tones; None where it may be another photo.

    Most of the border is paper even then, and evenly lit. In a large picture, which may show a shadow, hardly any tone
    is between the two.
    """
    small = _reduced(grey, CROPPED)
    if _paper_is_dark(np.asarray(small)):
        grey, small = ImageOps.invert(grey), ImageOps.invert(small)
    tones = np.asarray(small).astype(np.int16)
    light = tones > (int(tones.min()) + int(tones.max())) / 2
    if not light.any():  # two colours of one grey
        return None
    paper = int(np.median(tones[light]))
    away = np.maximum(paper - tones, 0)
    peak = int(away.max())
    runs_out = np.mean(surroundings.outermost(away) > DARK * peak) > 0.01
    shaded = small.size != grey.size and np.mean((away > EDGE * peak) & (away < DARK * peak)) > BETWEEN
    plain = min(grey.size) <= TINY or (runs_out and not shaded and _is_even(tones, light, peak))
    if peak < MIN_CONTRAST or not plain:
        return None
    return Ink.of(np.maximum(paper - np.asarray(grey).astype(np.int16), 0).astype(np.uint8))


def _is_even(tones: NDArray[np.int16], light: NDArray[np.bool_], peak: int) -> bool:
    """Whether the light is the same in all four quarters: the tone of the paper there."""
    h, w = (side // 2 for side in tones.shape)
    quarters = [(rows, columns) for rows in (slice(h), slice(h, None)) for columns in (slice(w), slice(w, None))]
    levels = [np.quantile(tones[each][light[each]], PAPER) for each in quarters if light[each].any()]
    return bool(np.ptp(levels) <= EVEN * peak)


def _paper_is_dark(tones: NDArray[np.uint8]) -> bool:
    """Whether the paper is the darker of two tones: that of the most, of the corners, and in more parts.

    A digit is in one part and parts its paper. In a narrow picture a 1 may cover more than its paper does.
    """
    low, high = int(tones.min()), int(tones.max())
    light = (tones - float(low)) / max(1, high - low)
    h, w = light.shape
    whole = light.mean() - 0.5 if h <= NARROW * w else 0
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]].mean() - 0.5
    parts = surroundings.parts(light <= 0.5) - surroundings.parts(light > 0.5)
    return bool(whole + corners < PARTED * min(2, max(-2, parts)))


def _photo(grey: Image.Image) -> NDArray[np.uint8]:
    """L -> (h, w): ink on unevenly lit paper, as darkness relative to the paper around it.

    The paper is the picture at 64 pixels `without_strokes`. Ink is told from noise by Otsu's threshold (1979). Raises
    BlankPicture.
    """
    if _light_on_dark(grey):
        grey = ImageOps.invert(grey)
    grey = grey.filter(ImageFilter.MedianFilter(3))
    paper = Image.fromarray(without_strokes(np.asarray(grey.resize((64, 64), Image.Resampling.BOX))))
    light = np.asarray(paper.filter(ImageFilter.BoxBlur(2)).resize(grey.size, Image.Resampling.BILINEAR), np.float32)
    ink = np.clip(1 - np.asarray(grey, np.float32) / np.maximum(light, 1), 0, 1)
    low, high = _paper_and_ink(ink)
    faint = high if high - low < MIN_CONTRAST / 255 else 0.0  # rules on nearly all of the paper, or nothing at all
    if rules := surroundings.pale_rules(ink, min((low + high) / 2, PALEST)) or faint:
        strokes = np.maximum(ink - rules, 0)
        least, most = _paper_and_ink(strokes)
        if most - least >= MIN_CONTRAST / 255:  # else it was noise, or a scribble
            ink, low, high = strokes, least, most
    if high - low < MIN_CONTRAST / 255:
        raise BlankPicture(BLANK)
    sharpened = np.clip((ink - low) / (high - low) * 1.5 - 0.45, 0, 1)
    pixels: NDArray[np.uint8] = (sharpened * 255).astype(np.uint8)
    return pixels


def _paper_and_ink(ink: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """How dark each of the two is on average."""
    counts, edges = np.histogram(ink, bins=64, range=(0, 1))
    return _otsu(counts, (edges[:-1] + edges[1:]) / 2)


def _light_on_dark(grey: Image.Image) -> bool:
    """Whether the strokes are lighter than what is around them: the sign of the skew once the lighting is out.

    A digit that fills its picture has little skew, but its border is paper for the most part.
    """
    small = grey.resize((64, 64), Image.Resampling.BOX)
    detail = np.asarray(small, np.float32) - np.asarray(small.filter(ImageFilter.BoxBlur(10)), np.float32)
    detail /= max(1e-6, float(np.sqrt((detail**2).mean())))
    return bool((detail**3).mean() > BORDER * surroundings.outermost(detail).mean())


def _otsu(counts: NDArray[np.intp], middle: NDArray[Any]) -> tuple[float, float]:
    """A histogram and its bins' values -> the mean of each of the two classes that Otsu's threshold makes."""
    below, mass = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    low, high = mass / np.maximum(below, 1), (mass[-1] - mass) / np.maximum(above, 1)
    best = np.argmax(below * above * (high - low) ** 2)
    return float(low[best]), float(high[best])
