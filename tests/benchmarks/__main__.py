"""`python -m tests.benchmarks [PART...]`: measure, and write results/bench.{json,md,png}.

Parts measured before stay in the JSON, so that one can be repeated alone. --quick tries everything in two minutes; its
figures are not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.contenders import KERAS_MODEL, RIVAL_PYTHON, RIVALS, ROOT
from tests.benchmarks.drawings import drawings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.drawings import Drawn

RESULTS = Path(__file__).parent / "results"


def _race(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.race import race

    prepare()
    return race(drawn, quick=quick)


def _stages(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.stages import stages

    return stages(drawn, quick=quick)


def _cold(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.cold import cold

    return cold(drawn, quick=quick)


def _scale(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.scale import scale

    return scale(drawn, quick=quick)


def _learning(_: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.learning import learning

    return learning(quick=quick)


def _numbers(_: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    from tests.benchmarks.numbers import numbers

    return {"kinds": numbers(quick=quick)}


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "race": _race,
    "stages": _stages,
    "numbers": _numbers,
    "cold": _cold,
    "scale": _scale,
    "learning": _learning,
}


def prepare() -> None:
    """The rivals' own environment, and the network for keras.predict, each made once."""
    stamp = RIVAL_PYTHON.parents[1] / "requirements.txt"
    wanted = RIVALS / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        print("installing the rivals into build/rivals (1.5 GB, minutes)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(RIVAL_PYTHON.parents[1])], check=True)
        subprocess.run([str(RIVAL_PYTHON), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
        shutil.copyfile(wanted, stamp)
    trained = ROOT / "runs" / "digits" / "best.keras"
    if trained.exists():
        shutil.copyfile(trained, KERAS_MODEL)
    elif not KERAS_MODEL.exists():  # untrained weights take as long as trained ones
        code = f"from training.models import build_model; build_model('convnet', 10).save({str(KERAS_MODEL)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "cpu": cpu.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=str(__doc__).splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--quick", action="store_true", help="try everything, keep no figures")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    path = RESULTS / "bench.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    drawn = drawings()
    for part in options.parts or PARTS:
        print(f"{part} ...", flush=True)
        found = {"machine": machine(), **PARTS[part](drawn, quick=options.quick)}
        if options.quick:
            print(json.dumps(found, indent=1))
            continue
        kept[part] = found
        path.write_text(json.dumps(kept, indent=1) + "\n")
    if not options.quick:
        from tests.benchmarks import history
        from tests.benchmarks.report import measures, write

        write(kept, RESULTS)
        if not options.parts:
            history.add(measures(kept), kept["race"]["machine"]["date"], RESULTS)
        print((RESULTS / "bench.md").read_text())


if __name__ == "__main__":
    main()
