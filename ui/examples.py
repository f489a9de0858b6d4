"""Six drawings to try, shown while there is no answer yet: easy ones, doubtful ones, and two that are no digits."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image, ImageDraw

from ui import strip
from ui.visit import Picture

if TYPE_CHECKING:
    from ui.visit import Visit

SIDE, WIDTH = 400, 22  # pixels of the sheet and of the pen
Stroke = tuple[tuple[float, float], ...]  # points in pixels of the sheet, y downwards
EXAMPLES: dict[str, tuple[Stroke, ...]] = {
    "An easy 3": (
        (
            *((135, 110), (165, 82), (205, 76), (243, 92), (254, 125), (240, 158), (208, 180), (184, 188)),
            *((222, 194), (256, 216), (268, 256), (252, 298), (212, 322), (168, 318), (132, 292)),
        ),
    ),
    "A crossed 7": (
        ((126, 92), (190, 90), (272, 84), (246, 146), (216, 220), (188, 322)),
        ((158, 206), (210, 202), (266, 196)),
    ),
    "A 1 or a 7?": (((152, 132), (186, 106), (226, 84), (222, 160), (216, 240), (212, 322)),),
    "A 4 or a 9?": (
        ((196, 84), (158, 120), (148, 170), (166, 204), (210, 204), (248, 184)),
        ((250, 90), (248, 190), (242, 328)),
    ),
    "A letter": (
        ((140, 84), (138, 200), (136, 318)),
        ((138, 208), (196, 204), (254, 202)),
        ((258, 82), (258, 200), (260, 318)),
    ),
    "A scribble": (
        (
            *(
                (92, 210),
                (130, 120),
                (150, 280),
                (190, 110),
                (200, 300),
                (236, 120),
                (244, 290),
                (284, 130),
                (290, 270),
            ),
            *((310, 180), (120, 240), (300, 236), (130, 160), (280, 150)),
        ),
    ),
}


def show(visit: Visit) -> None:
    """The row of examples; a press puts one on a new sheet and reads it."""
    items = [strip.Item(name, _thumbnail(name), name, f"Try {name[0].lower()}{name[1:]}") for name in EXAMPLES]
    strip.show("examples", items, lambda name: _try(visit, name))


def _try(visit: Visit, name: str) -> None:
    visit.take_sheet(picture(name))
    visit.ask()


@cache
def picture(name: str) -> Picture:
    """The example as the sheet would send it: PNG, 400x400, black on white."""
    scale = 2  # drawn larger and reduced: smooth edges
    sheet = Image.new("L", (scale * SIDE, scale * SIDE), 255)
    pen = ImageDraw.Draw(sheet)
    for stroke in map(_smooth, EXAMPLES[name]):
        for (x, y), (u, v) in pairwise(stroke):
            pen.line((scale * x, scale * y, scale * u, scale * v), 0, scale * WIDTH)
        for x, y in stroke:
            r = WIDTH / 2
            pen.ellipse([scale * edge for edge in (x - r, y - r, x + r, y + r)], 0)
    buffer = BytesIO()
    sheet.reduce(scale).save(buffer, "PNG")
    return Picture(buffer.getvalue(), _on_canvas(name), name=f"{name.strip('?').replace(' ', '-').lower()}.png")


def _smooth(stroke: Stroke) -> list[tuple[float, float]]:
    """The stroke along quadratic curves through the middles of its sides, as the canvas' brush draws it."""
    middles = [((x + u) / 2, (y + v) / 2) for (x, y), (u, v) in pairwise(stroke)]
    points = [stroke[0]]
    for (x, y), (u, v), (z, w) in zip(middles, stroke[1:-1], middles[1:], strict=False):
        for t in (k / 8 for k in range(9)):
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            points.append((a * x + b * u + c * z, a * y + b * v + c * w))
    return [*points, stroke[-1]]


def _commands(stroke: Stroke) -> list[list[Any]]:
    """The same curve as an SVG path's commands."""
    middles = [((x + u) / 2, (y + v) / 2) for (x, y), (u, v) in pairwise(stroke)]
    curves = [["Q", *control, *end] for control, end in zip(stroke[1:-1], middles[1:], strict=True)]
    return [["M", *stroke[0]], ["L", *middles[0]], *curves, ["L", *stroke[-1]]]


def _on_canvas(name: str) -> dict[str, Any]:
    """The example as the canvas keeps a drawing: one of Fabric's paths a stroke."""
    return {"version": "7.4.0", "background": "#ffffff", "objects": [_path(stroke) for stroke in EXAMPLES[name]]}


def _path(stroke: Stroke) -> dict[str, Any]:
    xs, ys = zip(*_smooth(stroke), strict=True)
    return {
        "type": "Path",
        "originX": "center",
        "originY": "center",
        "left": (min(xs) + max(xs)) / 2,
        "top": (min(ys) + max(ys)) / 2,
        "fill": None,
        "stroke": "#000000",
        "strokeWidth": WIDTH,
        "strokeLineCap": "round",
        "strokeLineJoin": "round",
        "path": _commands(stroke),
    }


@cache
def _thumbnail(name: str) -> str:
    """An SVG as a data: URL that draws itself once, stroke after stroke, unless motion is to be reduced."""
    lines = ""
    for n, stroke in enumerate(EXAMPLES[name]):
        d = " ".join(str(part) for command in _commands(stroke) for part in command)
        lines += f'<path pathLength="1" style="animation-delay:{0.5 * n}s" d="{d}"/>'
    style = (
        f"path{{fill:none;stroke:#000;stroke-width:{WIDTH};stroke-linecap:round;stroke-linejoin:round}}"
        "@media(prefers-reduced-motion:no-preference){"
        "path{stroke-dasharray:1 1;animation:draw .9s ease-in-out backwards}}"
        "@keyframes draw{from{stroke-dashoffset:1}}"
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="40 20 320 360"><style>{style}</style>{lines}</svg>'
    return f"data:image/svg+xml,{quote(svg)}"
