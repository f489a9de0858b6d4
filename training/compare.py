"""Every network on every dataset: `python -m training.compare` trains what is missing and prints the README's table.

The accuracy is on pictures of people whom the network never saw: the official test set, or the writers and alphabets of
one fold; with all classes that the dataset has, "none of the labels" among them. `--ship` makes of each network a model
for `?model=`, calibrated on that fold.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from training.data.datasets import PLANS
from training.data.readers import NEVER_HELD_OUT, TEST
from training.data.sources import DataError
from training.export import ARTIFACT, calibrated, export, judge, make_card, read_run, to_lite
from training.models import BODIES
from training.train import Plan, logits_of, targets, train

if TYPE_CHECKING:
    from training.export import Run

HAVE_TEST_SETS = ("mnist", "fashion_mnist")  # of the others fold 0 is held out


class Row(NamedTuple):
    """A line of the table: percent read rightly, the LiteRT file in kB, ms for one picture on one thread."""

    dataset: str
    network: str
    accuracy: float
    parameters: int
    kilobytes: float
    ms: float


def measure(run: Run) -> Row:
    """What a trained network is worth, and what it costs."""
    plan, model, dataset = run
    unseen = dataset.where(dataset.fold == (TEST if plan.fold == NEVER_HELD_OUT else plan.fold))
    accuracy = np.mean(logits_of(model, unseen).argmax(axis=1) == targets(unseen))
    lite = to_lite(calibrated(model, 1.0))
    return Row(plan.dataset, plan.model, 100 * float(accuracy), model.count_params(), len(lite) / 1000, _ms(lite))


def _ms(lite: bytes) -> float:
    """The median of 300 single pictures, after 50 to warm up."""
    interpreter = Interpreter(model_content=lite, num_threads=1)
    interpreter.allocate_tensors()
    times = []
    for _ in range(350):
        started = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times[50:]))


def ship(run: Run, name: str) -> None:
    """Put the network beside the deployed model, by this name; without SageMaker's file, for it is only embedded."""
    folder = ARTIFACT.parent / name
    card = make_card(run, judge(run), folder)
    command = shlex.join(["python", "-m", "training.compare", *sys.argv[1:]])
    export(run.model, card | {"name": name, "trained_by": command, "exported_by": command}, folder, endpoint=False)


def markdown(rows: list[Row]) -> str:
    """The table as the README carries it."""
    lines = ["| dataset | network | read rightly | parameters | kB | ms |", "|---|---|---:|---:|---:|---:|"]
    for row in rows:
        cells = (f"{row.accuracy:.2f} %", f"{row.parameters:,}", f"{row.kilobytes:.0f}", f"{row.ms:.3f}")
        lines.append(f"| {row.dataset} | {row.network} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command line; a dataset that cannot be had is left out, and said."""
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--datasets", nargs="*", choices=PLANS, default=["mnist", "pendigits", "digits", "fashion_mnist"]
    )
    parser.add_argument("--models", nargs="*", choices=BODIES, default=list(BODIES))
    parser.add_argument("--epochs", type=float, default=2.0, help="of each training")
    parser.add_argument("--bfloat16", action="store_true", help="see training.train")
    parser.add_argument("--quick", action="store_true", help="3 %% of the pictures: a test, not a comparison")
    parser.add_argument("--ship", action="store_true", help="put each beside the deployed model, for ?model=")
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"))
    options = parser.parse_args(arguments)
    rows = []
    for dataset in options.datasets:
        try:
            for model in options.models:
                fold = NEVER_HELD_OUT if dataset in HAVE_TEST_SETS else 0
                folder = options.runs / f"{dataset}-{model}"
                train(Plan(dataset, model, options.epochs, 1, fold, options.quick, options.bfloat16), folder)
                run = read_run(folder)
                rows.append(measure(run))
                if options.ship:
                    ship(run, model)
        except DataError as error:
            print(f"{dataset} is left out: {error}", file=sys.stderr)
    print(markdown(rows))


if __name__ == "__main__":
    main()
