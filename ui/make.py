"""The project's commands on every platform, `python -m ui.make TARGET`: makes .venv, installs what is needed, runs it.

Standard library only. The Makefile calls it too, so that there is one way. Python 3.8 can read this file, and finds a
newer one or says that one is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PROJECT = ROOT / "pyproject.toml"
OLDEST, NEWEST = (3, 11), (3, 14)
EXTRAS = {
    "run": "ui,backend,embedded",
    "deploy": "backend,embedded,metrics,deploy",
    "test": "ui,backend,embedded,metrics,training,deploy,dev",
}
NEEDS = {"ui": "run", "backend": "deploy", "training": "test", "tests": "test"}  # a package's modules -> EXTRAS
USAGE = """python -m ui.make TARGET [ARGUMENTS]

run          the page on http://localhost:8501; PORT=9000 in the environment chooses another
test         every test but the slow ones; ARGUMENTS are pytest's
test-slow    what takes minutes
stack        endpoint :8080, API :8000 relaying by boto3, page :8501; Ctrl-C stops all three
lint         ruff, mypy and vulture
install WHAT run, test or deploy: only makes .venv
MODULE       any command of the project, such as backend.server --port 8000 or training.train --quick"""


def main() -> None:
    """Do what the command line asks."""
    target, *rest = sys.argv[1:] or ["help"]
    if not PROJECT.is_file():
        sys.exit(f"{PROJECT} is missing: this command works in the repository.")
    if target in COMMANDS:
        COMMANDS[target](rest)
    elif target.partition(".")[0] in NEEDS:
        install([NEEDS[target.partition(".")[0]]])
        execute("-m", target, *rest)
    else:
        print(USAGE)
        sys.exit(0 if target == "help" else 2)


def run(arguments: list[str]) -> None:
    """The page, with nothing configured."""
    install(["run"])
    execute("-m", "ui.serve", *arguments)


def test(arguments: list[str]) -> None:
    """Every test but the slow ones, once there is a browser."""
    workers = min(8, 1 + (os.cpu_count() or 1))  # half of the time is waiting, most of it for pages
    _pytest("-m", "not slow", "-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder", *arguments)


def test_slow(arguments: list[str]) -> None:
    """Only the slow tests."""
    _pytest("-m", "slow", *arguments)


def _pytest(*arguments: str) -> None:
    install(["test"])
    found = subprocess.run([str(PYTHON), "-m", "tests.browser.chromium"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if found.returncode:
        sys.exit(found.returncode)
    os.environ["CHROMIUM"] = found.stdout.decode().strip()
    subprocess.run([str(PYTHON), "-m", "tests.browser.firefox"], cwd=ROOT, check=False)  # of one test alone
    execute("-m", "pytest", *arguments)


def lint(_: list[str]) -> None:
    """Whatever one of them finds fails it."""
    install(["test"])
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["vulture"])
    sys.exit(max(subprocess.run([str(PYTHON), "-m", *check], cwd=ROOT, check=False).returncode for check in checks))


def stack(_: list[str]) -> None:
    """What runs on AWS, as three processes; when one of them ends, or on Ctrl-C, all end."""
    install(["test"])
    aws = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:8080",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "SAGEMAKER_ENDPOINT_NAME": "digits",
    }
    parts: list[tuple[list[str], dict[str, str]]] = [
        (["-m", "training.serve", "--port", "8080"], {}),
        (["-m", "backend.server", "--port", "8000"], aws),
        (["-m", "ui.serve"], {"API_URL": "http://127.0.0.1:8000"}),
    ]
    signal.signal(signal.SIGTERM, _leave)
    processes = [
        subprocess.Popen([str(PYTHON), *command], cwd=ROOT, env={**os.environ, **new}) for command, new in parts
    ]
    try:
        sys.exit(_first_to_end(processes))
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _leave(*_: int | FrameType | None) -> None:
    sys.exit(0)


def _first_to_end(processes: list[subprocess.Popen[bytes]]) -> int:
    """Wait -> the exit code of whichever ends first."""
    while True:
        for process in processes:
            try:
                return process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue


def install(what: list[str]) -> None:
    """Make .venv and install these EXTRAS, unless that was done with this pyproject.toml in this folder."""
    if len(what) != 1 or what[0] not in EXTRAS:
        sys.exit(f"install takes one of {', '.join(EXTRAS)}.")
    extras = EXTRAS[what[0]]
    stamp, wanted = VENV / f"installed-{what[0]}", hashlib.sha256(bytes(ROOT) + PROJECT.read_bytes()).hexdigest()
    if PYTHON.exists() and stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    _make_venv()
    say(f"Installing {extras} into .venv, once: a minute or several.")
    pip = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    # pip 23, which Debian 12 and Python 3.12 bring, finds no way through the extras
    wishes = (["pip>=25.1"], ["-e", f".[{extras}]"])
    if any(subprocess.run([*pip, *wish], cwd=ROOT, check=False).returncode for wish in wishes):
        sys.exit("The packages could not be installed; pip says why above. Without a network, try again with one.")
    stamp.write_text(wanted, encoding="ascii")


def _make_venv() -> None:
    """With the first Python that will do, unless there is one that can install."""
    if PYTHON.exists() and _succeeds(str(PYTHON), "-m", "pip", "--version"):
        return
    python = next(filter(_fits, _pythons()), None)
    if python is None and debian("python3-venv"):
        python = next(filter(_fits, _pythons()), None)
    if python is None:
        sys.exit(_why_not())
    for stamp in VENV.glob("installed-*"):
        stamp.unlink()
    if subprocess.run([python, "-m", "venv", str(VENV)], check=False).returncode:
        sys.exit(f"{VENV} could not be made; Python says why above.")


def _pythons() -> Iterator[str]:
    """This one, then those on the PATH, then those that Windows' launcher knows, the most tried ones first."""
    yield sys.executable
    for minor in (13, 12, 11, 14):
        yield from filter(None, [shutil.which(f"python3.{minor}")])
        if os.name == "nt" and shutil.which("py"):
            asked = [shutil.which("py") or "py", f"-3.{minor}", "-c", "import sys; print(sys.executable)"]
            yield subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _fits(python: str) -> bool:
    """Whether it runs, is of a version that all packages know, and can make environments (Debian's may not)."""
    check = f"import sys, venv, ensurepip; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    return bool(python) and _succeeds(python, "-c", check)


def _succeeds(*command: str) -> bool:
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        return False


def _why_not() -> str:
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return "This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv"
    versions = " to ".join(f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
    return f"Python {versions} is needed; {sys.executable} is {sys.version.split()[0]}, and no other is on the PATH."


def debian(package: str) -> bool:
    """Install a package of Debian's where that is possible without asking anybody -> whether it did."""
    if os.name == "nt" or os.geteuid() or not shutil.which("apt-get"):
        return False
    say(f"Installing Debian's {package}.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        apt = ["apt-get", "-qq", *command]
        done = subprocess.run(apt, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return not done.returncode


def execute(*arguments: str) -> None:
    """Become the environment's Python with these arguments, so that signals and the exit code are its own."""
    os.chdir(ROOT)
    if os.name != "nt":
        os.execv(str(PYTHON), [str(PYTHON), *arguments])
    try:
        sys.exit(subprocess.call([str(PYTHON), *arguments]))
    except KeyboardInterrupt:
        sys.exit(130)


def say(sentence: str) -> None:
    """To whoever waits."""
    print(sentence, file=sys.stderr, flush=True)


COMMANDS = {"run": run, "test": test, "test-slow": test_slow, "lint": lint, "stack": stack, "install": install}


if __name__ == "__main__":
    main()
