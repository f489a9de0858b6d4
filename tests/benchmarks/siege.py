"""`make siege`: hostile pictures, slow sockets, faults, kills and SIGTERM against the API; their cost as one table.

Exits with 1 where a row is over its limit. Ten minutes on two cores; `--minutes` is how long the soak goes on.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import requests

from backend import contract
from tests.benchmarks import soak
from tests.benchmarks.drawings import drawings
from tests.contract import hostile
from tests.contract.process import Cost, Process
from tests.contract.test_connections import end_under_load, slow_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = ("PNG", "JPEG", "GIF", "WebP", "TIFF")
WRECKS = 100_000
ROUNDS = 3


class Row(NamedTuple):
    """One attack: what came of it, what it may be, and whether it is."""

    attack: str
    measured: str
    limit: str
    met: bool


def main() -> None:
    """Run every attack and print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.siege", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=4, help="how long the soak goes on (4)")
    parser.add_argument("--wrecks", type=int, default=WRECKS, help=f"how many wrecked pictures ({WRECKS:,})")
    chosen = parser.parse_args()
    print("| attack | measured | limit | |\n|---|---|---|---|", flush=True)
    met = True
    for row in rows(chosen.minutes, chosen.wrecks):
        print(f"| {row.attack} | {row.measured} | {row.limit} | {'met' if row.met else '**missed**'} |", flush=True)
        met &= row.met
    sys.exit(not met)


def rows(minutes: float, wrecks: int) -> Iterator[Row]:
    """One after the other, so that none disturbs the next."""
    yield from pictures()
    yield fuzz(wrecks)
    yield slow_sockets()
    yield ends()
    yield lasting(minutes)


def pictures() -> Iterator[Row]:
    """Each picture of hostile.py in a request of its own; the worst of each format."""
    worst: dict[str, list[Cost]] = defaultdict(list)
    strange: dict[str, list[int]] = defaultdict(list)
    api = Process()
    with requests.Session() as session:
        for allowed, group in ((True, hostile.ALLOWED), (False, hostile.REFUSED)):
            for name, make in group.items():
                status, cost = ask(api, session, make())
                kind = next((kind for kind in FORMATS if kind in name), "others")
                worst[kind].append(cost)
                if (status == 200) != allowed or status >= 500:
                    strange[kind].append(status)
    api.stop()
    for kind, costs in worst.items():
        yield picture_row(kind, costs, strange[kind])


def ask(api: Process, session: requests.Session, picture: bytes) -> tuple[int, Cost]:
    """The status, and what the answer cost."""
    url, kind = api.url + contract.PREDICTIONS, {"Content-Type": "image/png"}
    return api.cost(lambda: session.post(url, data=picture, headers=kind, timeout=120).status_code)


def picture_row(kind: str, costs: list[Cost], strange: list[int]) -> Row:
    seconds, megabytes = max(cost.seconds for cost in costs), max(cost.megabytes for cost in costs)
    measured = f"{seconds:.2f} s of the processor, {megabytes:.0f} MB" + (f", answered {strange}" if strange else "")
    met = seconds < 1 and megabytes < 150 and not strange
    return Row(f"{len(costs)} hostile pictures, {kind}: the worst", measured, "1 s, 150 MB", met)


def fuzz(count: int) -> Row:
    """In this process: an error that nobody expects ends the siege with its trace."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # Pillow on what it reads all the same
        read, worst = hostile.read_wrecks(count)
    measured = f"{read:,} read, {count - read:,} refused, 0 uncaught; the worst {worst:.2f} s"
    return Row(f"{count:,} wrecked pictures", measured, "0 uncaught, 1 s", worst < 1)


def slow_sockets() -> Row:
    """Of one address."""
    api = Process()
    seconds, files = slow_connections(api)
    api.stop()
    measured = f"`/health` in {1000 * seconds:.0f} ms (median), {files} open files"
    return Row("1,000 slow sockets", measured, "100 ms", seconds < 0.1)


def ends() -> Row:
    """SIGTERM while eight clients ask, some rounds of it."""
    seven = next(drawn.png for drawn in drawings(10) if drawn.label == "7")
    rounds = [end_under_load(seven) for _ in range(ROUNDS)]
    answered, unanswered = sum(each[0] for each in rounds), sum(each[1] for each in rounds)
    measured = f"{answered:,} answered, {unanswered} unanswered; ends in {max(each[2] for each in rounds):.1f} s"
    return Row(f"SIGTERM under load, {ROUNDS} rounds", measured, "0 unanswered", unanswered == 0)


def lasting(minutes: float) -> Row:
    """The soak."""
    figures = soak.run(60 * minutes)
    attack, _, measured = str(figures).partition(": ")
    grown = figures.memory[1] - figures.memory[0]
    met = figures.counts["wrong"] == figures.counts["lost"] == 0 and grown < 10
    return Row(attack, measured, "0 wrong, 0 lost, 10 MB more", met)


if __name__ == "__main__":
    main()
