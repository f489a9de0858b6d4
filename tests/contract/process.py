"""The API in its own process, as `make stack` starts it, and what the kernel says about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
TICK = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What something made of a process: seconds of the processor, and megabytes at the peak above those before."""

    seconds: float
    megabytes: float


class Process:
    """`python -m backend.server` on this port (0: a free one), with these settings and no others."""

    def __init__(self, port: int = 0, **environment: str) -> None:
        clean = {name: v for name, v in os.environ.items() if not name.startswith(("BACKEND_", "SAGEMAKER_"))}
        command = [sys.executable, "-m", "backend.server", "--port", str(port)]
        # Into a file: a pipe that nobody empties would stop the server after 64 kB of warnings.
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115 - closed by stop()
        self.popen = subprocess.Popen(command, env=clean | environment, stderr=self.log, text=True)
        self.url = self._await_url()

    def _await_url(self) -> str:
        for _ in range(300):
            if found := re.search(r"http://\S+", Path(self.log.name).read_text(encoding="utf-8")):
                return found[0]
            assert self.popen.poll() is None, Path(self.log.name).read_text(encoding="utf-8")
            time.sleep(0.1)
        raise TimeoutError("the API did not start within 30 s")

    def kernel(self, name: str) -> float:
        """A line of /proc/<pid>/status, in MB."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def forget_peak(self) -> None:
        """Let VmHWM begin anew."""
        Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5", encoding="ascii")

    def seconds(self) -> float:
        """Processor time that it has had, in user and in system mode."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def cost(self, ask: Callable[[], T]) -> tuple[T, Cost]:
        """What `ask` returns, and what it cost this process."""
        self.forget_peak()
        before, started = self.kernel("VmRSS"), self.seconds()
        result = ask()
        return result, Cost(self.seconds() - started, self.kernel("VmHWM") - before)

    def kill(self) -> None:
        """As a machine that is switched off."""
        self.popen.kill()
        self.popen.wait(timeout=10)
        self.log.close()

    def stop(self) -> int:
        """Ask it to leave, and return how it left."""
        self.popen.terminate()
        status = self.popen.wait(timeout=10)
        self.log.close()
        return status
