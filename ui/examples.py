"""Six drawings to try, shown while there is no answer yet: easy ones, doubtful ones, and two that are no digits."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from ui import strip, strokes
from ui.strokes import PEN, Stroke

if TYPE_CHECKING:
    from ui.strokes import Point
    from ui.visit import Picture, Visit

EXAMPLES: dict[str, tuple[tuple[Point, ...], ...]] = {
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
    """The example as the sheet would send it."""
    file = f"{name.strip('?').replace(' ', '-').lower()}.png"
    return strokes.picture(tuple(map(Stroke, EXAMPLES[name])), file)


@cache
def _thumbnail(name: str) -> str:
    """An SVG as a data: URL that draws itself once, stroke after stroke, unless motion is to be reduced."""
    lines = ""
    for n, points in enumerate(EXAMPLES[name]):
        d = " ".join(str(part) for command in strokes.commands(points) for part in command)
        lines += f'<path pathLength="1" style="animation-delay:{0.5 * n}s" d="{d}"/>'
    style = (
        f"path{{fill:none;stroke:#000;stroke-width:{PEN[-1]};stroke-linecap:round;stroke-linejoin:round}}"
        "@media(prefers-reduced-motion:no-preference){"
        "path{stroke-dasharray:1 1;animation:draw .9s ease-in-out backwards}}"
        "@keyframes draw{from{stroke-dashoffset:1}}"
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="40 20 320 360"><style>{style}</style>{lines}</svg>'
    return f"data:image/svg+xml,{quote(svg)}"
