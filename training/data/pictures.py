"""A clean drawing -> a picture as it reaches the API: a photo of paper, another colour, another format."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter, ImageOps


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
    noise = rng.normal(0, rng.uniform(1, 9), (h, w, 1)) + rng.normal(0, 2, (h, w, 3))
    noisy = np.clip(np.asarray(blurred, np.float32) + noise, 0, 255).astype(np.uint8)
    return encode(Image.fromarray(noisy), "JPEG", quality=int(rng.integers(40, 90)))


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

    What is narrower than 1 to 3, such as a bar, is not made wider than half the box. A pixel or more around is paper.
    """
    box = ImageOps.invert(drawing).getbbox() or (0, 0, *drawing.size)
    ink = drawing.crop(box)
    margin = int(rng.integers(1, 2 + side // 10))
    room = side - 2 * margin
    ratio = ink.width / ink.height
    width = room if ratio > 0.33 else max(1, round(room * rng.uniform(ratio, 0.5)))
    small = ink.resize((width, room), Image.Resampling.BOX if rng.random() < 0.7 else Image.Resampling.BILINEAR)
    levels = rng.choice([17, 256] if side < 12 else [2, 17, 256])
    grey = np.round(np.asarray(small, np.float32) / 255 * (levels - 1)) * (255 / (levels - 1))
    sheet = Image.new("L", (side, side), 255)
    sheet.paste(Image.fromarray(grey.astype(np.uint8)), ((side - width) // 2, margin))
    return sheet


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
