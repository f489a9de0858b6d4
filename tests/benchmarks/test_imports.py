"""What importing each part may cost, in modules and in time: the failure names what is to blame."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {  # module -> what may never come with it
    "backend.contract": ("flask", "numpy", "PIL", "boto3", "requests", "msgspec"),
    "ui.client": ("flask", "numpy", "PIL", "boto3", "click", "streamlit", "pandas"),
    "backend.app": ("boto3", "botocore", "tensorflow", "flask_cors", "limits", "requests", "waitress", "asyncio"),
    "backend.preprocessing": ("flask", "boto3", "scipy", "matplotlib"),
}
MOST = 0.5  # of the import's whole time for one outside package; more names an offender


def imported(module: str) -> dict[str, int]:
    """Top-level package -> microseconds spent in its own modules, in a fresh interpreter."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    report = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    spent: dict[str, int] = {}
    for line in report.splitlines()[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        top = name.strip().partition(".")[0]
        spent[top] = spent.get(top, 0) + int(own)
    return spent


@pytest.mark.parametrize("module", HEAVY)
def test_importing_loads_nothing_that_it_can_do_without(module: str) -> None:
    spent = imported(module)
    offenders = {name: f"{spent[name] / 1000:.0f} ms" for name in HEAVY[module] if name in spent}
    assert not offenders, f"import {module} loads {offenders}"


def test_the_contract_and_the_client_take_a_small_part_of_the_apps_import() -> None:
    """Ratios of the least of five, for a busy machine's milliseconds say nothing."""
    app, wire = (
        min(sum(imported(module).values()) for _ in range(5)) for module in ("backend.app", "backend.contract")
    )
    assert wire < app / 2


def test_no_package_takes_most_of_the_apps_import() -> None:
    spent = imported("backend.app")
    outside = {name: us for name, us in spent.items() if name not in sys.stdlib_module_names and name != "backend"}
    worst = max(outside, key=lambda name: outside[name])
    assert outside[worst] < MOST * sum(spent.values()), f"{worst} takes {outside[worst] / 1000:.0f} ms of import"
