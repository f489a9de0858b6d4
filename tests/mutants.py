"""`make mutants`: each module is changed in one place at a time, and the tests nearest to it are to notice.

The nearest tests alone, for a changed line that nobody notices runs every test there is: all of them would take a day.
"""

import argparse
import collections
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "mutants"
MUTMUT = Path(sys.executable).with_name("mutmut")
API = "contract/test_api.py"
NUMBERS = ("unit/test_numbers.py", "contract/test_numbers.py")
PICTURES = ("unit/test_seen.py", "unit/test_any_picture.py", "unit/test_surroundings.py", "unit/test_recipe.py")
NEAREST: dict[str, tuple[str, ...]] = {
    "backend/app.py": (API, "contract/test_canary.py", "contract/test_model_files.py", "contract/test_keys.py"),
    "backend/artifact.py": ("unit/test_card.py", "contract/test_model_files.py", "contract/test_models.py"),
    "backend/bounded.py": ("unit/test_bounded.py", "contract/test_hostile_server.py", "contract/test_faults.py"),
    "backend/canary.py": ("unit/test_canary.py",),
    "backend/canvas.py": ("unit/test_canvas.py",),
    "backend/catalogue.py": ("contract/test_models.py",),
    "backend/connections.py": ("contract/test_connections.py",),
    "backend/containers.py": ("unit/test_containers.py", "unit/test_any_picture.py"),
    "backend/contract.py": (
        "unit/test_answers.py",
        "unit/test_client.py",
        "contract/test_numbers.py",
        "contract/test_models.py",
        API,
    ),
    "backend/cors.py": ("contract/test_keys.py",),
    "backend/decoding.py": PICTURES,
    "backend/explanation.py": ("unit/test_answers.py", API),
    "backend/fallback.py": ("unit/test_fallback.py",),
    "backend/feedback.py": ("contract/test_feedback.py",),
    "backend/ink.py": PICTURES,
    "backend/intake.py": (API, "contract/test_client_and_api.py"),
    "backend/keys.py": ("contract/test_keys.py", "contract/test_connections.py"),
    "backend/meters.py": ("contract/test_meters.py",),
    "backend/numbers/answers.py": NUMBERS,
    "backend/numbers/borders.py": ("unit/test_cells.py", *NUMBERS),
    "backend/numbers/cuts.py": ("unit/test_cells.py", *NUMBERS),
    "backend/numbers/lattice.py": ("unit/test_cells.py", *NUMBERS),
    "backend/numbers/marks.py": NUMBERS,
    "backend/numbers/parts.py": NUMBERS,
    "backend/numbers/reading.py": NUMBERS,
    "backend/numbers/strokes.py": NUMBERS,
    "backend/numbers/views.py": NUMBERS,
    "backend/openapi.py": ("contract/test_openapi.py",),
    "backend/output.py": ("contract/test_output.py",),
    "backend/paper.py": PICTURES,
    "backend/predictions.py": ("unit/test_answers.py", API, "contract/test_telemetry.py", "unit/test_numbers.py"),
    "backend/predictors.py": ("unit/test_answers.py", "contract/test_model_files.py", "contract/test_faults.py"),
    "backend/preprocessing.py": ("unit/test_seen.py", "unit/test_canvas.py", "unit/test_numbers.py", API),
    "backend/problems.py": ("unit/test_answers.py", API, "contract/test_telemetry.py"),
    "backend/readiness.py": ("contract/test_readiness.py",),
    "backend/schemas.py": ("contract/test_openapi.py",),
    "backend/server.py": ("contract/test_server.py",),
    "backend/settings.py": ("unit/test_settings.py",),
    "backend/stores.py": ("contract/test_feedback.py",),
    "backend/surroundings.py": PICTURES,
    "backend/telemetry.py": ("contract/test_telemetry.py", "contract/test_meters.py", "unit/test_canary.py"),
    "backend/tracing.py": ("contract/test_telemetry.py",),
    "ui/answer.py": ("unit/test_answer.py",),
    "ui/client.py": ("unit/test_client.py", "contract/test_client_and_api.py"),
    "ui/visit.py": ("unit/test_visit.py",),
}
LIVED = {"survived", "no tests"}  # the second are run by tests in another process alone
SETTINGS = """
[tool.mutmut]
source_paths = ["backend", "ui"]
only_mutate = ["{module}"]
also_copy = ["training", "zappa_settings.json", ".streamlit", "Makefile"]
pytest_add_cli_args_test_selection = [{tests}]
pytest_add_cli_args = ["-m", "not slow", "-p", "no:cacheprovider", "--deselect={thousands}"]
"""
THOUSANDS = "tests/contract/test_openapi.py::test_the_live_api_is_as_it_describes_itself"  # of requests


def main(arguments: list[str] | None = None) -> None:
    """Prints a line for each module; the changes that lived stay in build/mutants/MODULE.txt."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", default=list(NEAREST), metavar="module", help="one of them; all where none is named"
    )
    parser.add_argument("--minutes", type=float, default=30, help="what is not tried by then is not counted")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.modules) - set(NEAREST)):
        parser.error(f"no tests are known for {', '.join(unknown)}; there are: {', '.join(NEAREST)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    for module in chosen.modules:
        counted = measure(module, chosen.minutes * 60)
        print(module, *(f"{verdict}: {count}" for verdict, count in sorted(counted.items())), sep="  ", flush=True)


def measure(module: str, seconds: float) -> dict[str, int]:
    """How many changes were killed, survived, or are run by tests in another process alone ("no tests")."""
    name = module.removesuffix(".py").replace("/", ".")
    tree = _copy(module, BUILD / name)
    with (BUILD / f"{name}.log").open("w") as log:
        command = [MUTMUT, "run", "--max-children", str(os.cpu_count())]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, cwd=tree, stdout=log, stderr=log, timeout=seconds, check=False)
    listed = subprocess.run([MUTMUT, "results", "--all", "1"], cwd=tree, stdout=subprocess.PIPE, text=True, check=True)
    verdicts = [line.strip().split(": ") for line in listed.stdout.splitlines() if ": " in line]
    with contextlib.chdir(tree):
        lived = [get_diff_for_mutant(mutant, path=module) for mutant, verdict in verdicts if verdict in LIVED]
    (BUILD / f"{name}.txt").write_text("\n".join(lived))
    return dict(collections.Counter(verdict for _, verdict in verdicts))


def _copy(module: str, tree: Path) -> Path:
    """The files that git knows, as they are now, with mutmut's settings for this one module."""
    shutil.rmtree(tree, ignore_errors=True)
    git = shutil.which("git") or "git"
    files = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, tree / file)
    tests = ", ".join(f'"tests/{test}"' for test in NEAREST[module])
    with (tree / "pyproject.toml").open("a") as settings:
        settings.write(SETTINGS.format(module=module, tests=tests, thousands=THOUSANDS))
    return tree


if __name__ == "__main__":
    main()
