"""Teach the model what people corrected: `python -m training.improve --feedback FOLDER_OR_S3`, or `make improve`.

Screens what people gave, fine-tunes the last network that was trained in full with a replay of its old data, measures
it against what stands, on every gate of training.evaluate and on drawings held out, and lets it take that one's place
only where the gate (backend/deploy/gate.py) finds nothing. Interrupted, the same command goes on. Fine-tuning starts
from the full training each time, so that a drawing that is taken back is in no later model.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.artifact import ArtifactError
from backend.deploy.gate import refusals
from backend.predictors import EmbeddedPredictor
from backend.settings import SettingsError
from backend.stores import open_store
from training import findings, versions
from training.cases import Outcome
from training.data import feedback
from training.data.datasets import REPLAY, label_index, replay
from training.data.makers import NOT_A_DIGIT
from training.data.readers import TEST
from training.data.sources import DataError
from training.evaluate import folds_of, measure_all
from training.export import (
    ARTIFACT,
    card_text,
    export,
    next_version,
    read_card,
    recalibrate,
    unfolded,
    write,
)
from training.paired import changes
from training.screening import Screened, answered, screen
from training.train import logits_of
from training.tuning import RATE, STEPS, Lesson, tune

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.data.feedback import Given

RUNS = Path("runs") / "improve"
SHARE = 0.25  # of each gate's pictures: 22,000, a minute on two cores for each of the two models
ROOT = Path(__file__).parents[1]
LATER = 3  # what `canary judge` exits with while it waits for more traffic
SERVES = "has the stage's traffic already"  # of `canary start`, once the candidate was promoted


@dataclass(frozen=True)
class Wanted:
    """What one improvement is asked for: where the drawings are, what stands, and what it starts from."""

    feedback: str
    standing: Path = ARTIFACT
    base: Path = ARTIFACT
    judges: tuple[Path, ...] = ()  # networks that screen; the base alone where there are none
    accepted: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    share: float = SHARE
    held_out_fold: int = TEST  # of the old data; for a base that never saw it


@dataclass(frozen=True)
class Round:
    """One improvement's drawings, and the folder that holds what is done of it."""

    wanted: Wanted
    screened: Screened
    started: float = field(default_factory=time.monotonic)

    @cached_property
    def manifest(self) -> str:
        """The digests of all that is learnt, a line each; its own SHA-256 stands in the card."""
        return "".join(f"{digest}\n" for digest in sorted(each.digest for each in self.screened.learn))

    @cached_property
    def digest(self) -> str:
        """The manifest's SHA-256."""
        return sha256(self.manifest.encode()).hexdigest()

    @cached_property
    def folder(self) -> Path:
        """Another one for whatever changes the result."""
        wanted = self.wanted
        held_out = [each.digest for each in self.screened.held_out]
        cards = [read_card(folder) for folder in (wanted.base, against(wanted))]
        parts = [self.digest, sorted(held_out), cards, wanted.share, wanted.held_out_fold, STEPS, RATE, REPLAY]
        return RUNS / sha256(json.dumps(parts).encode()).hexdigest()[:12]

    @property
    def candidate(self) -> Path:
        """Where the new model is, in the form in which models ship."""
        return self.folder / "candidate"

    def say(self, text: str) -> None:
        """A line of progress, with the seconds so far."""
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)


def against(wanted: Wanted) -> Path:
    """Whose place the candidate is measured for: forgetting must not be refused for what was to be forgotten."""
    return wanted.base if wanted.without else wanted.standing


def begin(wanted: Wanted) -> Round:
    """Read and screen what people gave. Raises DataError where nothing is left to learn from."""
    kept = feedback.look(open_store(wanted.feedback))
    judges = [EmbeddedPredictor(folder) for folder in wanted.judges or (wanted.base,)]
    this = Round(wanted, screen(kept, judges, wanted.accepted, wanted.without))
    found = this.screened
    this.say(
        f"{len(kept.given) + len(kept.left_out):,} drawings or files: {len(found.learn):,} to learn, "
        f"{len(found.held_out):,} held out, {len(found.review):,} to review, {len(found.left_out):,} left out"
    )
    this.folder.mkdir(parents=True, exist_ok=True)
    (this.folder / "learnt.txt").write_text(this.manifest)
    findings.review(kept.given, found, this.folder)
    if not found.learn or not found.held_out:
        raise DataError(f"{len(found.learn) + len(found.held_out)} drawings are too few to learn from and to judge by")
    return this


def teach(this: Round) -> None:
    """The base, fine-tuned, in this round's folder; nothing where it is there."""
    if (this.candidate / "card.json").exists():
        return
    wanted, learn = this.wanted, this.screened.learn
    old = replay()
    old = old.where((old.fold != TEST) & (old.fold != wanted.held_out_fold))
    network, card = unfolded(wanted.base), read_card(wanted.base)
    fifth = np.arange(len(old.y)) % 5 == 0  # calibrates, so that it is not taught
    shown, kept = old.where(~fifth), old.where(fifth)
    before = logits_of(network, kept)
    this.say(f"learning {len(learn):,} drawings beside {len(shown.y):,} old pictures, from {card['version']}")
    y = label_index([each.label for each in learn], card["labels"])
    y[y == NOT_A_DIGIT] = len(card["labels"])
    tune(network, Lesson(findings.stacked(learn), y), shown.x, this.folder / "steps")
    again = recalibrate(card, kept.y, before, logits_of(network, kept))
    export(network, _card(this, {**card, **again}), this.candidate)


def _card(this: Round, base: Mapping[str, Any]) -> dict[str, Any]:
    """The base's card with the new version and its lineage; calibrated anew."""
    wanted, learn = this.wanted, this.screened.learn
    today = datetime.datetime.now(datetime.UTC).date()
    by_version: dict[str, int] = {}
    for each in learn:
        if each.corrects:
            by_version[each.version or "unknown"] = by_version.get(each.version or "unknown", 0) + 1
    lineage = {
        "parent": base["version"],
        "instead_of": read_card(against(wanted))["version"],
        "feedback": this.digest,
        "learnt": len(learn),
        "corrections": sum(each.corrects for each in learn),
    }
    return {
        **base,
        "version": next_version(today, versions.known(wanted.standing)),
        "date": today.isoformat(),
        "lineage": lineage,
        "corrections_by_version": by_version,
        "screened_by": f"the networks of {len(wanted.judges)} folds" if wanted.judges else f"{base['version']} alone",
        "improved_by": shlex.join(["python", "-m", "training.improve", *sys.argv[1:]]),
    }


def measured(this: Round, folder: Path, name: str) -> list[Outcome]:
    """What a model makes of every gate's pictures; kept, for the standing model's serves the next round too."""
    digest = read_card(folder)["sha256"]["model.tflite"][:12]
    path = RUNS / "measured" / f"{digest}-{this.wanted.share:g}.json"
    if not path.exists():
        this.say(f"measuring {name}")
        outcomes = measure_all(folder, (), this.wanted.share)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(outcomes, default=float).encode())
    return [Outcome(*each) for each in json.loads(path.read_text())]


def judge(this: Round) -> dict[str, Any]:
    """Measure both on the gates and on what was held out, note it in the candidate's card, write the report."""
    place = against(this.wanted)
    before, after = measured(this, place, "what stands"), measured(this, this.candidate, "the candidate")
    gates = changes(before, after)
    judged = [findings.Reading(each, *pair) for each, *pair in _readings(this, place)]
    right = [(reading.before_right, reading.after_right) for reading in judged]
    card = read_card(this.candidate)
    card["improved"] = {
        "instead_of": read_card(place)["version"],
        "gates": [change._asdict() for change in gates],
        "feedback": {
            "n": len(judged),
            "gained": sum(now and not then for then, now in right),
            "lost": sum(then and not now for then, now in right),
            "contradicted": round(this.screened.contradicted, 4),
        },
    }
    reads = {"read": sum(then for then, _ in right) / len(right), "reads": sum(now for _, now in right) / len(right)}
    card["lineage"] |= {name: round(share, 4) for name, share in reads.items()} | {"judged_on": len(right)}
    write(this.candidate / "card.json", card_text(card))
    found = findings.Measured(before, after, judged)
    findings.report(this.folder, card, this.screened, found, refusals(card, read_card(place)))
    return card


def _readings(this: Round, place: Path) -> list[tuple[Given, str, str]]:
    held_out = this.screened.held_out
    reads = [answered(EmbeddedPredictor(folder), findings.stacked(held_out)) for folder in (place, this.candidate)]
    return list(zip(held_out, *reads, strict=True))


def improve(wanted: Wanted, stage: str = "", *, place: bool = True) -> bool:
    """Whether a better model took the standing one's place, or stands there already. Raises DataError and others."""
    versions.heal(wanted.standing)
    this = begin(wanted)
    if read_card(wanted.standing).get("lineage", {}).get("feedback") == this.digest:
        card = read_card(wanted.standing)
        print(f"{card['version']} has learnt all of this: nothing to do.")
        versions.tell(wanted.feedback, card, _roles(this))
        return True
    teach(this)
    card = judge(this)
    refused = refusals(card, read_card(against(wanted)))
    this.say(f"report: {this.folder / 'report.md'}")
    if refused:
        print("\n".join(("Nothing was changed. The candidate breaks these rules:", *refused)))
        return False
    if not place:
        print("The candidate passes the gate.")
        return True
    if stage and not promoted(stage, this.candidate):
        return False
    take_place(this, card)
    return True


def take_place(this: Round, card: Mapping[str, Any]) -> None:
    """Put the candidate where the standing model is, which is kept, and say so beside the drawings."""
    versions.keep(this.wanted.base)
    versions.keep(this.wanted.standing)
    versions.put(this.candidate, this.wanted.standing)
    versions.tell(this.wanted.feedback, dict(card), _roles(this))
    lineage, reads = card["lineage"], [f"{card['lineage'][name]:.0%}" for name in ("reads", "read")]
    this.say(
        f"{card['version']} stands in place of {lineage['instead_of']}, learnt from {lineage['corrections']} "
        f"corrections: of {lineage['judged_on']} drawings held out it reads {' where that read '.join(reads)}. "
        "To take it back: python -m training.improve --undo"
    )


def _roles(this: Round) -> dict[str, str]:
    learnt = {each.id: "learnt" for each in this.screened.learn}
    return learnt | {each.id: "judged" for each in this.screened.held_out}


def promoted(stage: str, candidate: Path) -> bool:
    """Send the candidate onto a stage as a canary and judge it; whether it was promoted.

    While the stage waits for traffic the same command asks again. Raises DataError where the stage does not take it.
    """
    deploy = [sys.executable, "-m", "backend.deploy", "canary"]
    start = [*deploy, "start", "--stage", stage, "--artifact", str(candidate.resolve()), "--yes"]
    begun = subprocess.run(start, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    if begun.returncode and SERVES in begun.stderr:
        return True  # promoted, and then this command was stopped
    if begun.returncode:
        raise DataError(
            f"the stage {stage} did not take the candidate; nothing was changed here. {begun.stderr.strip()}"
        )
    verdict = subprocess.run([*deploy, "judge", "--stage", stage], cwd=ROOT, check=False).returncode  # noqa: S603 - ours
    if verdict == LATER:
        print(f"The canary on {stage} waits for more traffic. The same command again judges it; nothing changed here.")
    return verdict == 0


def undo(standing: Path, place: str) -> None:
    """Put back the model of before, and say so beside the drawings. Raises DataError."""
    versions.heal(standing)
    gone, back = versions.undo(standing)
    if place:
        versions.tell(place, read_card(standing), taken_back=gone)
    print(f"{back} stands again; {gone} is kept in {versions.KEPT}.")


def forget(wanted: Wanted, stage: str = "") -> None:
    """Train without some drawings, delete them, and prove that no model that stands here has learnt from them.

    Where the new model does not pass, the full training before all feedback takes the place: it never saw them.
    """
    gone = [each for each in feedback.look(open_store(wanted.feedback)).given if each.id in wanted.without]
    if not improve(wanted, stage):
        versions.put(wanted.base, wanted.standing)
        versions.tell(wanted.feedback, read_card(wanted.standing))
    card = read_card(wanted.standing)
    lines = begin(wanted).manifest.splitlines() if "lineage" in card else []
    for each in gone:
        if each.digest in lines:
            raise DataError(f"{each.id} is still in what {card['version']} learnt from")
    store = open_store(wanted.feedback)
    for each in wanted.without:
        for kind in ("png", "json"):
            store.delete(f"{each}.{kind}")
    versions.tell(wanted.feedback, card)
    learnt = card.get("lineage", {}).get("feedback", "of no drawing at all")
    print(f"{card['version']} learnt from {len(lines)} drawings, manifest {learnt}; not in it, and deleted:")
    for each in gone:
        print(f"  {each.id}  digest {each.digest}")


def _wanted(options: argparse.Namespace) -> Wanted:
    """Raises DataError."""
    card = read_card(options.artifact)
    base = options.base or card.get("lineage", {}).get("parent") or card.get("version", "")
    folds = tuple(options.folds) or folds_of(options.artifact)
    if not folds:
        print("No networks of the folds (make train, or --folds): the base alone screens, and the report says so.")
    return Wanted(
        options.feedback,
        options.artifact,
        versions.find(base, options.artifact),
        folds,
        tuple(options.accept),
        tuple(options.without),
        options.share,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; exits with 1 where nothing took the model's place, and says why."""
    options = _parser().parse_args(arguments)
    try:
        if options.undo:
            undo(options.artifact, options.feedback)
            return
        if not options.feedback:
            raise DataError(
                "--feedback or BACKEND_FEEDBACK says where the drawings are: a folder, or s3://bucket/prefix"
            )
        wanted = _wanted(options)
        stage = options.stage if options.deploy else ""
        if wanted.without:
            forget(wanted, stage)
        elif not improve(wanted, stage, place=not options.measure_only) and not options.measure_only:
            sys.exit(1)
    except (DataError, ArtifactError, SettingsError, OSError) as error:
        sys.exit(f"not improved: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.improve", description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    add("--feedback", default=os.environ.get("BACKEND_FEEDBACK", ""), help="folder or s3://bucket/prefix of drawings")
    add("--base", default="", help="version to start from; the last full training where not given")
    add("--artifact", type=Path, default=ARTIFACT, help="the model that stands, and is replaced")
    add("--folds", type=Path, nargs="*", default=[], help="networks that screen; runs/fold-*/artifact where they are")
    add("--accept", nargs="*", default=[], metavar="ID", help="drawings of the review sheet whose label is right")
    add("--without", nargs="*", default=[], metavar="ID", help="drawings to forget: retrains, proves it, deletes them")
    add("--share", type=float, default=SHARE, help="of each gate's pictures that are measured")
    add("--measure-only", action="store_true", help="let nothing take its place: a job does that, elsewhere")
    add("--undo", action="store_true", help="put the model of before back")
    add("--stage", default="dev")
    add("--deploy", action="store_true", help="onto the stage first, as a canary")
    return parser


if __name__ == "__main__":
    main()
