"""The folder that Zappa zips for Lambda: the backend's code, and its libraries built for Lambda's Python and Linux.

Zappa takes all of the current folder and all of a virtual environment, so both are made here: build/lambda/<mode>/app
and build/lambda/<mode>/runtime. Used by function.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.deploy.refusals import StageError, explain_text
from backend.deploy.stage import ARTIFACT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD = Path("build") / "lambda"
PYTHON = "3.13"  # 3.11 on Lambda is Amazon Linux 2 with glibc 2.26, for which NumPy has no wheels any more
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")  # Lambda has glibc 2.34
NOT_ON_LAMBDA = ("boto3", "waitress")  # the runtime brings the one, API Gateway does the other's work
NOT_SERVED = ("deploy", "server.py", "connections.py", "Dockerfile")  # of backend/: the deployers and the local server
OTHERS = ARTIFACT.parent  # what ?model= names beside the deployed model, where the function has LiteRT
MODEL_FILES = ("model.tflite", "card.json")
PRUNED = (  # never imported when a drawing is answered; each decoder is tried from the zip in tests/cloud
    "**/tests",
    "**/testing",
    "numpy/f2py",
    "numpy/distutils",
    "numpy/typing",
    "numpy/_pyinstaller",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/**/*_tests*.so",
    "numpy/_core/_simd*.so",
    "numpy/random",
    "numpy/fft",
    "numpy/polynomial",
    "numpy/ma/mrecords.py",  # the rest of numpy.ma is imported by unique and quantile when they are called
    "numpy/ma/testutils.py",
    "numpy/conftest.py",
    "**/*.pxd",
    "numpy/core",
    "numpy/ctypeslib",
    "numpy/lib/recfunctions.py",
    "**/*.pyi",
    "**/*.c",
    "**/*.h",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/[!_j]*",
    "PIL/_avif*",
    "PIL/[!BGJMPTW]*ImagePlugin.py",
    "PIL/[BG][!mi]*Plugin.py",  # all of B and G but BMP and GIF
    "PIL/P[!n]*Plugin.py",
    "PIL/Pdf*.py",
    "PIL/ImageCms.py",
    "PIL/ImageText.py",
    "werkzeug/debug",
    "werkzeug/middleware",
    "PIL/ImageDraw*.py",
    "PIL/ImageFont.py",
    "PIL/ImageQt.py",
    "PIL/_imagingtk*",
    "PIL/_imagingft*",
    "PIL/_imagingcms*",
    "pillow.libs/libavif*",
    "pillow.libs/libfreetype*",
    "pillow.libs/liblcms2*",
    "pillow.libs/libharfbuzz*",
    "pillow.libs/libbrotli*",
    "zappa/cli.py",
    "zappa/core.py",
    "zappa/letsencrypt.py",
    "zappa-*.dist-info/METADATA",  # its README
    "ai_edge_litert/libLiteRt*",  # of its newer API; the interpreter's is libpywrap_litert_common.so
    "ai_edge_litert/vendors",
    "ai_edge_litert/aot",
    "ai_edge_litert/tools",
    "ai_edge_litert/tflite",
    "ai_edge_litert/schema_py_generated.py",
    "ai_edge_litert/descriptor_pb2.py",
    "flatbuffers",  # these four: of LiteRT's tools
    "google",
    "ml_dtypes",
    "tqdm",
    "packaging/[!_v]*",  # limits compares versions, no more
    "zlib_ng/gzip_ng*",
    "*-stubs",
    "*.dist-info/RECORD",
    "bin",
    "**/__pycache__",
)
DOCUMENTATION = "numpy/_core/_add_newdocs*.py"  # imported always, for help() alone: 7 ms and 0.1 MB


def requirements(*, embedded: bool) -> list[str]:
    """What the deployed backend needs, from pyproject.toml's extras, and Zappa's own parser of durations."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = extras["backend"] + extras["metrics"] + (extras["embedded"] if embedded else [])
    return ["durationpy", *(line for line in needed if not line.startswith(NOT_ON_LAMBDA))]


def build(name: str, *, embedded: bool, model: Path = ARTIFACT) -> Path:
    """Make build/lambda/<name>/{app,runtime}; the libraries only where they have changed. Returns the folder."""
    folder = ROOT / BUILD / name
    _build_runtime(folder / "runtime", requirements(embedded=embedded))
    shutil.rmtree(folder / "app", ignore_errors=True)
    shutil.copytree(
        ROOT / "backend", folder / "app" / "backend", ignore=shutil.ignore_patterns("__pycache__", *NOT_SERVED)
    )
    if embedded:
        _copy_model(model, folder / "app" / "model")
        for card in OTHERS.glob("*/card.json"):
            if card.parent != model:
                _copy_model(card.parent, folder / "app" / card.parent.relative_to(ROOT))
    compile_all(folder / "app")
    return folder


def _copy_model(source: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for file in MODEL_FILES:
        shutil.copyfile(source / file, place / file)


def site_packages(runtime: Path) -> Path:
    """Where Zappa, run by this Python, looks for libraries in a virtual environment."""
    return runtime / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _build_runtime(runtime: Path, needed: list[str]) -> None:
    stamp, target = runtime / "stamp.json", site_packages(runtime)
    wanted = json.dumps(
        [needed, PLATFORMS, PRUNED, DOCUMENTATION, version("zappa"), target.parent.name, lambda_python()]
    )
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print("  installing the backend's libraries for Lambda", flush=True)
    shutil.rmtree(runtime, ignore_errors=True)
    _install(target, needed)
    _install(target, ["--no-deps", f"zappa=={version('zappa')}"])
    prune(target)
    strip(target)
    compile_all(target)
    stamp.write_text(wanted)


def _run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one of our own commands, without a shell."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # noqa: S603 - no input of others


def _install(target: Path, packages: list[str]) -> None:
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    options = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", *platforms]
    silent = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    done = _run(sys.executable, "-m", "pip", "install", *silent, f"--target={target}", "--upgrade", *options, *packages)
    if done.returncode:
        raise StageError(f"pip cannot install the backend's libraries for Lambda: {done.stderr.strip()[-500:]}")


def prune(target: Path) -> None:
    """Take out what Lambda never imports."""
    for pattern in PRUNED:
        for path in list(target.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for path in target.glob(DOCUMENTATION):
        path.write_text("")


def strip(target: Path) -> None:
    """Take the symbols that only a debugger reads out of libraries, where there is a `strip`: 1.3 MB of a zip.

    A library that cannot be loaded afterwards stays as it was: `strip` moves segments that auditwheel has added.
    """
    found = shutil.which("strip")
    for path in target.rglob("*.so*") if found else ():
        before = path.read_bytes()
        _run(str(found), "--strip-unneeded", str(path))
        if not _loads(path.read_bytes()):
            path.write_bytes(before)


def _loads(elf: bytes) -> bool:
    """Whether each segment stands in the file where the loader can map it: at its address, but for whole pages."""
    (table,), (size, n) = struct.unpack_from("<Q", elf, 32), struct.unpack_from("<HH", elf, 54)
    headers = [struct.unpack_from("<II6Q", elf, table + size * i) for i in range(n)]
    return all((address - offset) % align == 0 for kind, _, offset, address, *_, align in headers if kind == 1)


def lambda_python() -> str:
    """A Python of Lambda's version on this machine, or empty."""
    found = [sys.executable, shutil.which(f"python{PYTHON}"), *_pyenv()]
    for python in filter(None, found):
        answer = _run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        if answer.stdout.strip() == PYTHON:
            return str(python)
    return ""


def _pyenv() -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(root.glob(f"versions/{PYTHON}*/bin/python")))


def compile_all(folder: Path) -> None:
    """Compile to .pyc in place of the .py: a cold start takes half the CPU, the zip 2 MB less."""
    python = lambda_python()
    if not python:
        print(f"  no Python {PYTHON} here to compile with: cold starts will take about 450 ms longer")
        return
    always = ["-b", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash"]
    for part, level in ((folder / "numpy", "2"), (folder, "0")):  # 2: without docstrings, which are half of NumPy's
        _run(python, "-m", "compileall", *always, "-o", level, str(part))
        for source in part.rglob("*.py"):
            if source.with_suffix(".pyc").is_file():
                source.unlink()


def zappa(folder: Path, settings: dict[str, Any], *arguments: str) -> str:
    """Run Zappa's command in the app folder, on the runtime's libraries; returns what it printed. Raises StageError."""
    app = folder / "app"
    app.mkdir(parents=True, exist_ok=True)
    (app / "zappa_settings.json").write_text(json.dumps(settings, indent=2))
    environment = {**os.environ, "VIRTUAL_ENV": str(folder / "runtime")}
    done = _run(sys.executable, "-m", "zappa.cli", *arguments, cwd=app, env=environment)
    if done.returncode:
        raise StageError(f"zappa {arguments[0]} failed: {_reason(done.stdout + done.stderr)}")
    return done.stdout


def _reason(output: str) -> str:
    """What of Zappa's output says what is wrong: AWS's refusal, else its last line but for the decoration."""
    if refused := explain_text(output):
        return refused
    lines = [line.strip() for line in output.splitlines() if line.strip(" ~!=-><")]
    told = [line for line in lines if not line.startswith(("Need help", "http", "Love", "or "))]
    return (told or ["it said nothing"])[-1][:600]


def package(folder: Path, settings: dict[str, Any], stage: str) -> Path:
    """Zip app and runtime with Zappa; returns build/lambda/<name>/package.zip. Raises StageError."""
    (folder / "package.zip").unlink(missing_ok=True)
    handler = site_packages(folder / "runtime") / "zappa" / "handler.pyc"
    if handler.is_file():
        shutil.copy(handler, folder / "app")  # beside the source that Zappa puts there
    zappa(folder, settings, "package", stage, "-o", "package.zip")
    made = folder / "app" / "package.zip"
    if not made.is_file():  # Zappa's exit code is 0 whatever happened
        raise StageError("zappa package made no zip: run `make deploy` again.")
    return _pack_tighter(made, folder / "package.zip")


def _pack_tighter(made: Path, place: Path) -> Path:
    """Without what is there compiled: Zappa adds its handler's source, and an empty __init__.py where it finds none."""
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(place, "w") as new:
        compiled = {name.removesuffix("c") for name in old.namelist() if name.endswith(".pyc")}
        for entry in old.infolist():
            if entry.filename not in compiled:
                new.writestr(entry, old.read(entry), zipfile.ZIP_DEFLATED, compresslevel=9)
    made.unlink()
    return place
