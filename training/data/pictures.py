"""A clean drawing -> a picture as it reaches the API: a photo of paper, another colour, another format."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

BAR = 115  # of 255: the mean tone of what would be a block if it were stretched; a 1 with a flag is lighter
FAINT = 60  # of 255: lighter ink is cut off where a digit is cut out
NOTES = ((250, 225, 90), (250, 150, 180), (130, 190, 235), (150, 215, 130), (190, 190, 190), (235, 235, 235))
DESKS = ((240, 240, 238), (200, 200, 200), (215, 185, 145))
SKINS = ((205, 150, 125), (230, 185, 160), (140, 95, 70), (90, 60, 45))
# Where fingers hold a note: across and down, of its sides, and from where they come, degrees from below.
HOLDS = (
    ((0.0, 0.6, -70), (1.0, 0.6, 70)),
    ((1.0, 0.6, 70),),
    ((0.5, 1.0, 0),),
    ((0.05, 1.0, -30), (0.95, 1.0, 30)),
    ((0.35, 1.0, 0), (0.5, 1.0, 0), (0.65, 1.0, 0)),
)
# Tone -> colour, between five colours of the map "viridis" (S. van der Walt and N. Smith, 2015; CC0)
VIRIDIS = np.stack(
    [
        np.interp(np.arange(256), np.linspace(0, 255, 5), band)
        for band in ((68, 59, 33, 94, 253), (1, 82, 145, 201, 231), (84, 139, 140, 98, 37))
    ],
    axis=1,
).astype(np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of `image` in one of Pillow's formats."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photograph(drawing: Image.Image, rng: np.random.Generator) -> bytes:
    """L drawing, black on white -> JPEG of the same on off-white paper: gradient, shadow, blur, noise, compression."""
    ink = 1 - np.asarray(drawing, np.float32) / 255
    h, w = ink.shape
    y, x = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
    angle, steepness = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    light = rng.uniform(0.6, 0.95) * (1 - steepness * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)))
    light = light * _shadow(x, y, rng)
    paper = np.array([1.0, rng.uniform(0.93, 1), rng.uniform(0.8, 1)], np.float32)
    pen = rng.uniform(0.1, 0.4) * rng.uniform(0.4, 1.0, 3)
    picture = light[..., None] * (paper * (1 - ink[..., None]) + pen * ink[..., None])
    blurred = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(rng.uniform(0, 1.5))
    )
    grain, tint = (rng.standard_normal((h, w, bands), np.float32) for bands in (1, 3))
    noise = rng.uniform(1, 9) * grain + 2 * tint
    return encode(_image(np.asarray(blurred, np.float32) + noise), "JPEG", quality=int(rng.integers(40, 90)))


def scan(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L drawing, black on white -> the same scanned: uneven ink, a soft edge, grain, an off-white or grey paper."""
    ink = 1 - np.asarray(drawing.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.0))), np.float32) / 255
    h, w = ink.shape
    coarse = Image.fromarray(rng.uniform(0.55, 1.0, (max(h // 4, 2), max(w // 4, 2))).astype(np.float32))
    ink = ink * np.asarray(coarse.resize((w, h), Image.Resampling.BILINEAR))
    paper, pen = rng.uniform(190, 255), rng.uniform(0, 110)
    grey = paper + (pen - paper) * ink + rng.normal(0, rng.uniform(0.5, 12), (h, w))
    return Image.fromarray(np.clip(grey, 0, 255).round().astype(np.uint8))


def stretch(drawing: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """L drawing -> `side` x `side`, its ink stretched to fill the box: in black and white, in greys, or 17 levels.

    A bar, which would be a block, is not made wider than half the box. No paper is around, or some pixels of it.
    """
    box = ImageOps.invert(drawing).getbbox() or (0, 0, *drawing.size)
    ink = drawing.crop(box)
    margin = int(rng.integers(0, 2 + side // 10))
    room = side - 2 * margin
    width = max(1, round(room * rng.uniform(ink.width / ink.height, 0.5))) if _is_bar(ink) else room
    small = ink.resize((width, room), Image.Resampling.BOX if rng.random() < 0.7 else Image.Resampling.BILINEAR)
    levels = rng.choice([17, 256] if side < 12 else [2, 17, 256])
    grey = np.round(np.asarray(small, np.float32) / 255 * (levels - 1)) * (255 / (levels - 1))
    sheet = Image.new("L", (side, side), 255)
    sheet.paste(Image.fromarray(grey.astype(np.uint8)), ((side - width) // 2, margin))
    return sheet


def _is_bar(ink: Image.Image) -> bool:
    """Whether L ink, dark on white and nothing around it, is a fifth as wide as tall, or a third and fills its box.

    Made wider, what is left of a narrower one is how the hand shook: an S or a C.
    """
    ratio = ink.width / ink.height
    return ratio < 0.2 or (ratio < 0.34 and float(np.mean(ink)) < BAR)


def cut_out(digit: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> its ink alone, `side` tall, as a program cuts it out that looks for digits; some with grain.

    Half of them are dark on light.
    """
    tones = np.asarray(ink_alone(digit, side), float)
    if rng.random() < 0.5:
        tones = 225 - 0.7 * tones
    if rng.random() < 0.3:
        tones = tones + rng.normal(0, 10, tones.shape)
    return _image(tones)


def close_up(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB photo of it on paper, cut close to the ink or a little into it, as people do."""
    ink = ImageOps.invert(ink_alone(digit, 160))
    photo = Image.open(BytesIO(photograph(ImageOps.expand(ink, 60, 255), rng)))
    left, top, right, bottom = 60 - rng.integers(-2, 15, 4)
    return photo.crop((left, top, photo.width - right, photo.height - bottom))


def ink_alone(digit: Image.Image, side: int) -> Image.Image:
    """L, ink on black -> its ink without paper around it, `side` tall."""
    cut = digit.crop(digit.point(lambda tone: 255 * (tone > FAINT)).getbbox())
    return cut.resize((max(2, round(side * cut.width / cut.height)), side), Image.Resampling.BICUBIC)


def _image(tones: np.ndarray) -> Image.Image:
    """(h, w) or (h, w, 3) of any numbers -> L or RGB, cut off at 0 and 255."""
    return Image.fromarray(np.clip(tones, 0, 255).astype(np.uint8))


def plot(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> a figure as plotting programs show a picture: one of three colour maps, labelled axes."""
    tones = np.asarray(digit.resize((368, 368), Image.Resampling.NEAREST))
    kind = rng.integers(3)
    colours = VIRIDIS[tones] if kind == 2 else np.repeat((tones if kind else 255 - tones)[..., None], 3, axis=2)
    figure = Image.new("RGB", (640, 480), "white")
    figure.paste(Image.fromarray(colours), (144, 58))
    pen = ImageDraw.Draw(figure)
    pen.rectangle((143, 57, 512, 426), outline="black")
    for pixel in range(0, 28, 5):
        at = round((pixel + 0.5) * 368 / 28)
        pen.line((144 + at, 427, 144 + at, 430), fill="black")
        pen.line((139, 58 + at, 142, 58 + at), fill="black")
        pen.text((144 + at, 434), str(pixel), fill="black", anchor="ma")
        pen.text((134, 58 + at), str(pixel), fill="black", anchor="rm")
    return figure


def on_table(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> a note of it, turned by up to 20 degrees, on a darker table of one tone or of wood; noise."""
    table, side = _table(rng), int(rng.integers(180, 320))
    note = _written(np.asarray(digit.resize((side, side), Image.Resampling.BICUBIC), float), rng)
    return _anywhere(_turned(note, rng), table, rng)


def beyond(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> as `on_table`, a sheet of which one to three sides are outside of the picture."""
    table, side, far = _table(rng), int(rng.integers(140, 260)), 640
    written = np.asarray(digit.resize((side, side), Image.Resampling.BICUBIC), float)
    sheet = _written(np.pad(written, far), rng)
    size = far + side + far
    ends = rng.integers(0, side // 4, 4) * (-1, -1, 1, 1) + far + np.array([0, 0, side, side])
    outside = np.isin(np.arange(4), rng.permutation(4)[: rng.integers(1, 4)])
    alpha = Image.new("L", sheet.size)
    alpha.paste(255, tuple(np.where(outside, (0, 0, size, size), ends).tolist()))
    sheet.putalpha(alpha)
    sheet = sheet.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC)
    reach = 0.8 * side
    middle = rng.uniform(reach, 640 - reach), rng.uniform(reach, 480 - reach)
    corner = tuple(int(at - size / 2) for at in middle)
    table.paste(sheet.getchannel("L"), corner, sheet.getchannel("A"))
    return table


def on_desk(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB, 640x480: a turned note of some colour on a desk about as light, in uneven light."""
    side = int(rng.integers(150, 250))
    ink = digit.resize((side, side), Image.Resampling.BICUBIC)
    note = Image.new("RGB", ink.size, NOTES[rng.integers(len(NOTES))])
    note.paste(tuple(rng.integers(20, 60, 3).tolist()), mask=ink)
    note = _turned(note, rng)
    desk = _anywhere(note, Image.new("RGB", (640, 480), DESKS[rng.integers(len(DESKS))]), rng)
    light = _light(rng)
    return _image(np.asarray(desk) * light + rng.normal(0, 3, (480, 640, 1)))


def on_rules(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB, 640x480: a photo of it on ruled, squared or dotted paper, some lines nearly as dark."""
    step, pale = int(rng.integers(20, 60)), tuple(int(tone) for tone in rng.integers((90, 110, 150), (210, 215, 240)))
    side = int(min(step * rng.uniform(2, 6), 360))
    page = Image.new("RGB", (800, 800), (235, 234, 228))
    pen, kind, width = ImageDraw.Draw(page), rng.integers(3), int(rng.integers(1, 3))
    for at in range(step // 2, 800, step):
        for other in range(step // 2, 800, step) if kind == 2 else ():
            pen.ellipse((at - 1, other - 1, at + 1, other + 1), fill=pale)
        if kind < 2:
            pen.line((0, at, 800, at), fill=pale, width=width)
        if kind == 1:
            pen.line((at, 0, at, 800), fill=pale, width=width)
    ink = digit.resize((side, side), Image.Resampling.BICUBIC)
    corner = int(rng.integers(120, 680 - side)), int(rng.integers(200, 600 - side))
    page.paste(tuple(rng.integers(20, 60, 3).tolist()), corner, ink)
    photo = page.rotate(rng.uniform(-5, 5), Image.Resampling.BICUBIC).crop((80, 160, 720, 640))
    light = _light(rng)
    return _seen(photo, rng.uniform(0.3, 1.2), light, 3, rng)


def on_screen(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB, 540x960: what a telephone shows of a drawing program, with the time and a palette."""
    dark, side = rng.random() < 0.5, int(rng.integers(200, 400))
    ink, paper = ("white", (20, 20, 20)) if dark else ("black", "white")
    screen = Image.new("RGB", (540, 960), paper)
    pen = ImageDraw.Draw(screen)
    pen.text((20, 12), f"{rng.integers(1, 12)}:{rng.integers(10, 60)}", fill=ink, font_size=18)
    pen.rectangle((480, 14, 515, 28), fill=ink)
    for k in range(int(rng.integers(4, 8))):
        pen.ellipse((30 + 68 * k, 890, 66 + 68 * k, 926), fill=tuple(rng.integers(0, 256, 3).tolist()))
    corner = int(rng.integers(0, 540 - side)), int(rng.integers(60, 860 - side))
    screen.paste(ink, corner, digit.resize((side, side), Image.Resampling.BICUBIC))
    return screen


def in_hands(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB, 640x480: a note of it that somebody holds to the camera in one or two hands."""
    side, skin = int(rng.integers(140, 220)), SKINS[rng.integers(len(SKINS))]
    w, h = int(side * rng.uniform(1.4, 1.9)), int(side * rng.uniform(1.4, 1.9))
    note = Image.new("RGB", (w, h), tuple(rng.integers(222, 250, 3).tolist()))
    corner = (w - side) // 2 + int(rng.integers(-12, 13)), (h - side) // 2 + int(rng.integers(-25, 6))
    note.paste(tuple(rng.integers(20, 60, 3).tolist()), corner, digit.resize((side, side), Image.Resampling.BICUBIC))
    note = _turned(note, rng, 8)
    room = _room(rng)
    if rng.random() < 0.5:
        pen = ImageDraw.Draw(room)
        pen.rectangle((150, 230, 490, 480), fill=tuple(rng.integers(20, 200, 3).tolist()))
        pen.ellipse((230, 10, 410, 240), fill=skin)
    left, top = int(rng.integers(60, 580 - note.width)), int(rng.integers(10, max(11, 450 - note.height)))
    room.paste(note.convert("RGB"), (left, top), note.getchannel("A"))
    for x, y, angle in HOLDS[rng.integers(len(HOLDS))]:
        _hold(room, (left + x * note.width, top + y * note.height), angle + rng.uniform(-15, 15), skin)
    return _seen(room, rng.uniform(0.5, 1.5), _light(rng), 4, rng)


def _room(rng: np.random.Generator) -> Image.Image:
    """RGB, 640x480: blurred, dark or half light."""
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    return _image(rng.uniform(40, 150) + (np.asarray(coarse, float) - 128) * rng.uniform(0.1, 0.5))


def _hold(room: Image.Image, tip: tuple[float, float], angle: float, skin: tuple[int, int, int]) -> None:
    """A finger on it, whose tip is a little beyond a point; at 0 degrees it comes from below."""
    hand = Image.new("L", (240, 240))
    ImageDraw.Draw(hand).rounded_rectangle((92, 85, 148, 240), 28, fill=255)
    hand = hand.rotate(angle, Image.Resampling.BICUBIC, center=(120, 120))
    room.paste(skin, (int(tip[0]) - 120, int(tip[1]) - 120), hand)


def shaded(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, dark on white -> RGB photo of it with a sharp or soft shadow beyond a straight line across the picture."""
    photo = Image.open(BytesIO(photograph(drawing, rng)))
    (w, h), ends = photo.size, rng.uniform(0, 1, 2)
    corners = [(ends[0] * w, 0), (2 * w, 0), (2 * w, h), (ends[1] * w, h)]
    if rng.random() < 0.5:
        corners = [(0, ends[0] * h), (0, 2 * h), (w, 2 * h), (w, ends[1] * h)]
    light = Image.new("L", photo.size, 255)
    ImageDraw.Draw(light).polygon(corners, fill=int(255 * rng.uniform(0.45, 0.8)))
    soft = light.filter(ImageFilter.GaussianBlur(max(photo.size) * rng.uniform(0.002, 0.02)))
    return _image(np.asarray(photo, float) * np.asarray(soft, float)[..., None] / 255)


def with_things(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L, ink on black -> RGB, 640x480: a photo of it beside a pencil, a hand, punched holes, a line or in a shadow."""
    side, kind = int(rng.integers(160, 300)), rng.integers(5)
    page = Image.new("RGB", (640, 480), (238, 236, 230))
    corner = int(rng.integers(90, 440 - side)), int(rng.integers(20, 400 - side))
    ink = digit.resize((side, side), Image.Resampling.BICUBIC)
    page.paste(tuple(rng.integers(20, 60, 3).tolist()), corner, ink)
    pen, light = ImageDraw.Draw(page), _light(rng)
    if kind == 0:
        slant = rng.integers(-40, 40, 2)
        pen.line((560 + slant[0], -20, 560 + slant[1], 500), fill=tuple(rng.integers(20, 180, 3).tolist()), width=26)
    if kind == 1:
        pen.ellipse((430, 390, 790, 690), fill=SKINS[rng.integers(len(SKINS))])
    for y in (120, 360) if kind == 2 else ():
        pen.ellipse((18, y - 15, 48, y + 15), fill=(60, 60, 60))
    if kind == 3:
        bottom = corner[1] + side + int(rng.integers(0, 20))
        pen.line((corner[0], bottom, corner[0] + side, bottom + 3), fill=(30, 30, 50), width=6)
    if kind == 4:
        shade = Image.new("L", (640, 480), 255)
        ImageDraw.Draw(shade).polygon(
            [(150, 480), (240, 120), (520, 150), (560, 480)], fill=int(rng.integers(150, 200))
        )
        shade = shade.filter(ImageFilter.GaussianBlur(rng.uniform(8, 20)))
        light = light * np.asarray(shade, float)[..., None] / 255
    return _seen(page, rng.uniform(0.3, 1.2), light, 3, rng)


def _seen(page: Image.Image, blur: float, light: np.ndarray, grain: float, rng: np.random.Generator) -> Image.Image:
    """RGB, 640x480, as a camera sees it: `blur` in pixels, `grain` in tones."""
    soft = np.asarray(page.filter(ImageFilter.GaussianBlur(blur)))
    return _image(soft * light + rng.normal(0, grain, (480, 640, 1)))


def _light(rng: np.random.Generator) -> np.ndarray:
    """(640, 1) factor: 1 at one side, 0.7 to 1 at the other."""
    falling = 1 - rng.uniform(0, 0.3) * np.linspace(0, 1, 640)[:: rng.choice([-1, 1])]
    return falling[:, None]


def _turned(note: Image.Image, rng: np.random.Generator, most: float = 20) -> Image.Image:
    """A note, turned by up to `most` degrees, and see-through around it."""
    note.putalpha(255)
    return note.rotate(rng.uniform(-most, most), Image.Resampling.BICUBIC, expand=True)


def _anywhere(note: Image.Image, table: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A turned note somewhere on a table of its own mode but for the alpha, 640x480."""
    corner = int(rng.integers(640 - note.width)), int(rng.integers(480 - note.height))
    table.paste(note.convert(table.mode), corner, note.getchannel("A"))
    return table


def _table(rng: np.random.Generator) -> Image.Image:
    """L, 640x480: dark, of one tone or of wood."""
    y, x = np.mgrid[0:480, 0:640]
    grain = rng.uniform(0, 30) * np.sin(y / rng.uniform(4, 12) + 2 * np.sin(x / rng.uniform(40, 90)))
    return _image(rng.uniform(60, 120) + grain + rng.normal(0, rng.uniform(1, 12), y.shape))


def _written(ink: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """(h, w), ink 255 on 0 -> dark on light paper, with noise."""
    return _image(rng.uniform(190, 245) - 0.75 * ink + rng.normal(0, 4, ink.shape))


def _shadow(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(h, w) factor: 1 in the light, 0.55 to 1 beyond a soft straight edge."""
    angle, depth, softness = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45), rng.uniform(0.01, 0.15)
    side = np.cos(angle) * (x - rng.uniform(0.2, 0.8)) + np.sin(angle) * (y - rng.uniform(0.2, 0.8))
    return 1 - depth / (1 + np.exp(-side / softness))


def bend(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """L of 28x28, ink on black -> 140x140: turned, slanted, stretched, bent on a coarse grid (Simard et al. 2003)."""
    sheet = Image.new("L", (140, 140))
    sheet.paste(image.resize((84, 84), Image.Resampling.BICUBIC), (28, 28))
    turn, slant, stretch = rng.normal(0, 0.12), rng.normal(0, 0.12), np.exp(rng.normal(0, 0.1))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    grid = np.stack(np.meshgrid(*[np.linspace(0, 140, 5)] * 2), axis=-1)
    moved = (grid - 70) @ (rotation @ [[stretch, slant], [0, 1 / stretch]]).T + 70 + rng.normal(0, 2.6, grid.shape)
    mesh = [
        (
            (*grid[r, c].astype(int), *grid[r + 1, c + 1].astype(int)),
            (*moved[r, c], *moved[r + 1, c], *moved[r + 1, c + 1], *moved[r, c + 1]),
        )
        for r in range(4)
        for c in range(4)
    ]
    return sheet.transform((140, 140), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


# Where people's pictures are taken: each makes one of L, ink on black, square
AROUND = {
    "note on a table": on_table,
    "coloured note": on_desk,
    "sheet beyond the picture": beyond,
    "ruled paper": on_rules,
    "screenshot": on_screen,
    "held to the camera": in_hands,
    "things beside it": with_things,
}
