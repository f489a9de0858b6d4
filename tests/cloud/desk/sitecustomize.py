"""Loaded by every Python that the tests start: no waiting for a simulated AWS, and what Zappa's process meets there.

CRASH_FILE   how many calls that write are still carried out; the process dies right after the last of them
CALLS_FILE   gets a line for each call: service, operation, HTTP method
REFUSE_FILE  JSON [operation, code, message, times]: how often that operation is refused
"""

import json
import os
import time
from pathlib import Path

time.sleep = float  # type: ignore[assignment]
CRASH, CALLS, REFUSE = (Path(os.environ.get(f"{name}_FILE", "/nonexistent")) for name in ("CRASH", "CALLS", "REFUSE"))


def _count(model, **_):  # type: ignore[no-untyped-def]
    if model.name.startswith(("Describe", "Get", "List", "Head", "Invoke")):
        return
    left = int(CRASH.read_text()) - 1
    CRASH.write_text(str(left))
    if left == 0:
        os._exit(77)


def _note(model, **_):  # type: ignore[no-untyped-def]
    with CALLS.open("a") as file:
        file.write(f"{model.service_model.service_name} {model.name} {model.http['method']}\n")


def _refuse(model, **_):  # type: ignore[no-untyped-def]
    operation, code, message, times = json.loads(REFUSE.read_text())
    if model.name != operation or not times:
        return None
    REFUSE.write_text(json.dumps([operation, code, message, times - 1]))
    answer = type("Answer", (), {"status_code": 400, "headers": {}})
    return answer, {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}


HOOKS = [("after-call", CRASH, _count), ("before-call", CALLS, _note), ("before-call", REFUSE, _refuse)]
WANTED = [(event, hook) for event, file, hook in HOOKS if file.is_file()]
if WANTED:
    import boto3.session

    _init = boto3.session.Session.__init__

    def _watched(self, *arguments, **named):  # type: ignore[no-untyped-def]
        _init(self, *arguments, **named)
        for event, hook in WANTED:
            self.events.register(event, hook)

    boto3.session.Session.__init__ = _watched
