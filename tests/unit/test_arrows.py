"""Who imports whom: each part in a fresh interpreter, then what it loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for part in ("ui", "backend", "training")
    for path in (ROOT / part).rglob("*.py")
    if "artifacts" not in path.parts
)

PACKAGES = ["backend.deploy", "backend.numbers", "training.data"]


def loaded_by(module: str) -> set[str]:
    """Names of all modules in memory after `import module`."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def imports_of(module: str) -> set[str]:
    """What the file imports anywhere, inside functions and for types too."""
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def reaches(names: set[str], package: str) -> set[str]:
    return {name for name in names if name == package or name.startswith(f"{package}.")}


SERVES = [name for name in MODULES if name.startswith("backend.") and not name.startswith("backend.deploy")]
DEPLOYS = [name for name in MODULES if name.startswith("backend.deploy")]
TRAINS = [name for name in MODULES if name.startswith("training.")]
JOBS = tuple(
    f"backend.deploy.{part}" for part in ("stage", "refusals", "buckets", "roles", "images", "choices", "logs")
)
GATE = ("backend.deploy.gate",)  # one gate for what is exported, improved and deployed
MORE = {  # what one module may take beyond its room's rule
    "ui.local_stack": ("backend.app", "backend.server"),  # the page starts the API itself, lazily
    "training.data.numbers": ("backend.numbers",),  # pieces are taught as the API cuts them
    "training.evaluate": ("backend.app", "backend.predictors"),  # it measures what people meet
    "training.borders": ("backend.numbers",),  # it learns what the API cuts with
    "training.lattice": (
        "backend.numbers",
        "backend.predictors",
        "backend.artifact",
    ),  # it learns what the API reads with
    "training.numbers": ("backend.app", "backend.predictors"),  # it measures what people meet
    "training.submit": JOBS,  # a job belongs to a stage
    "training.data.feedback": ("backend.stores",),  # it reads what the API keeps
    "training.versions": ("backend.stores",),  # and says beside it what was learnt
    "training.export": GATE,
    "training.paired": GATE,
    "training.findings": GATE,
    "training.screening": ("backend.predictors",),  # the networks judge as they answer
    "training.drift": ("backend.stores", "backend.settings", "backend.artifact", "backend.predictors"),
    "training.campaign": (*GATE, "backend.stores", "backend.app", "backend.predictors"),  # people give through the API
    "training.improve": (*GATE, "backend.stores", "backend.settings", "backend.artifact", "backend.predictors"),
}


def others(module: str, room: str, *allowed: str) -> set[str]:
    """What the module imports of a room beyond `allowed` and its own line in MORE."""
    names = (*allowed, *MORE.get(module, ()))
    imported = {name for name in reaches(imports_of(module), room) if name != room and name in (*MODULES, *PACKAGES)}
    return {name for name in imported if not any(name == each or name.startswith(f"{each}.") for each in names)}


@pytest.mark.parametrize("module", SERVES)
def test_what_serves_imports_neither_deployment_nor_other_rooms(module: str) -> None:
    assert not reaches(imports_of(module), "ui") | reaches(imports_of(module), "training")
    assert not reaches(imports_of(module), "backend.deploy")


@pytest.mark.parametrize("module", DEPLOYS)
def test_deployment_imports_of_the_product_only_itself_and_the_contract(module: str) -> None:
    assert not reaches(imports_of(module), "ui") | reaches(imports_of(module), "training")
    assert not others(module, "backend", "backend.deploy", "backend.contract")


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("ui.")])
def test_ui_imports_only_the_contract(module: str) -> None:
    assert not reaches(imports_of(module), "training")
    assert not others(module, "backend", "backend.contract")


@pytest.mark.parametrize("module", TRAINS)
def test_training_imports_only_the_wire_and_the_preprocessing(module: str) -> None:
    assert not reaches(imports_of(module), "ui")
    assert not others(module, "backend", "backend.contract", "backend.preprocessing")


def test_no_module_imports_itself_through_others() -> None:
    """No circle anywhere, inside functions and for types neither."""
    graph = {module: imports_of(module) & set(MODULES) - {module} for module in MODULES}
    order = TopologicalSorter(graph)
    order.prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("training.")])
def test_tensorflow_is_imported_in_training_alone(module: str) -> None:
    assert not reaches(imports_of(module), "tensorflow")
    assert not reaches(imports_of(module), "keras")


def test_the_contract_needs_the_standard_library_alone() -> None:
    known = sys.stdlib_module_names | {"backend", "__main__", "sitecustomize", "usercustomize"}
    strangers = {name for name in loaded_by("backend.contract") if name.partition(".")[0] not in known}
    strangers = {
        name for name in strangers if not name.startswith(("__editable__", "_distutils_hack", "mpl", "google"))
    }
    assert strangers == set()


@pytest.mark.parametrize("heavy", ["flask", "numpy", "boto3", "PIL"])
def test_the_client_loads_neither_flask_nor_numpy_nor_boto3(heavy: str) -> None:
    assert not reaches(loaded_by("ui.client"), heavy)


def test_the_app_loads_what_it_always_needs_and_no_more() -> None:
    """Each of these is loaded only when a setting asks for it: Lambda starts 0.4 s of processor time sooner."""
    loaded = loaded_by("backend.app")
    monitors = ("aws_lambda_powertools", "prometheus_client", "opentelemetry")
    for later in ("boto3", "botocore", "ai_edge_litert", "limits", "flask_cors", "waitress", *monitors):
        assert not reaches(loaded, later), later


def test_importing_the_app_reads_no_setting() -> None:
    """A setting that would stop the start does not stop the import; create_app() reads it."""
    code = "import os; os.environ['BACKEND_FALLBACK'] = 'nonsense'; import backend.app; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "imported\n"
