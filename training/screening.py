"""What people gave -> what is learnt, what is held out to judge, what a person should look at, and what is left out.

Labels come from strangers. So content counts once, a flood of alike drawings counts for a few, and a label that every
network contradicts goes onto a sheet for a person's eyes, and not into training.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backend import contract
from training.data.datasets import label_index
from training.data.makers import NOT_A_DIGIT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from backend.predictors import Answers, Predictor
    from training.data.feedback import Given, Kept

SURE = 0.99  # a network contradicts a label that it gives less than 1 % to, by probability or by score
ALIKE = 0.95  # cosine of two blurred drawings; 1,500 drawings of six people have 0.2 % of pairs of a digit above it
MOST_ALIKE = 10  # drawings of one cluster that are learnt
HELD_OUT = ((150, 5), (0, 3))  # from so many drawings on one in so many judges


class Screened(NamedTuple):
    """Each drawing is in one of these. `review` and `left_out` say why, by id or by file's name."""

    learn: list[Given]
    held_out: list[Given]
    review: dict[str, str]
    left_out: dict[str, str]

    @property
    def contradicted(self) -> float:
        """The share of usable drawings that went to review."""
        return len(self.review) / max(1, len(self.learn) + len(self.held_out) + len(self.review))


def screen(
    kept: Kept, judges: Sequence[Predictor], accepted: Collection[str] = (), without: Collection[str] = ()
) -> Screened:
    """Sort what a store holds; `accepted` are ids that a person looked at and believes, `without` those to forget."""
    left_out = dict(kept.left_out) | {each.id: "taken back" for each in kept.given if each.id in without}
    given, review = _once([each for each in kept.given if each.id not in left_out], left_out)
    doubted = contradicted(given, judges) if given else []
    for each, doubt in zip(given, doubted, strict=True):
        if doubt and each.id not in accepted:
            review[each.id] = doubt
    usable = [each for each in given if each.id not in review]
    learn, held_out = _part(usable, left_out)
    return Screened(learn, held_out, review, left_out)


def _once(given: list[Given], left_out: dict[str, str]) -> tuple[list[Given], dict[str, str]]:
    """The same picture counts once; one that was called two things goes to review."""
    first: dict[bytes, Given] = {}
    review: dict[str, str] = {}
    for each in sorted(given, key=lambda one: (one.created, one.id)):
        known = first.setdefault(each.x.tobytes(), each)
        if known is not each and known.label == each.label:
            left_out[each.id] = f"the same as {known.id}"
        elif known is not each:
            review[each.id] = review[known.id] = f"called {known.label} and {each.label}"
    return [each for each in first.values() if each.id not in review], review


def ask(judge: Predictor, x: NDArray[np.uint8]) -> Answers:
    """A judge's answers to any number of pictures; a thousand at a time, for each takes half a megabyte."""
    parts = [judge.predict(x[start : start + 1000]) for start in range(0, len(x), 1000)]
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("probabilities", "scores")}
    return replace(parts[0], **rows)


def answered(judge: Predictor, x: NDArray[np.uint8]) -> list[str]:
    """The label of each picture as the API answers it, "not_a_digit" where it is rejected."""
    said = ask(judge, x)
    rejected = said.scores < said.threshold
    best = said.probabilities.argmax(axis=1)
    return [contract.NOT_A_DIGIT if none else said.labels[label] for none, label in zip(rejected, best, strict=True)]


def contradicted(given: Sequence[Given], judges: Sequence[Predictor]) -> list[str]:
    """For each drawing why its label cannot be believed, or nothing: all judges must be SURE of something else."""
    x = np.stack([each.x for each in given])
    answers = [ask(judge, x) for judge in judges]
    y = label_index([each.label for each in given], answers[0].labels)
    sure = np.all([_contradicts(each, y) for each in answers], axis=0)
    said = zip(given, answered(judges[0], x), sure, strict=True)
    return [f"called {each.label}, read as {read} by all" if doubted else "" for each, read, doubted in said]


def _contradicts(answers: Answers, y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a network is SURE that a label is wrong: another label, none of them, or one where none was said."""
    sure = answers.probabilities.max(axis=1) > SURE
    digit = sure & (answers.scores > SURE)
    other = digit & (answers.probabilities.argmax(axis=1) != y)
    return np.asarray(np.where(y == NOT_A_DIGIT, digit, other | (answers.scores < 1 - SURE)))


def _part(given: list[Given], left_out: dict[str, str]) -> tuple[list[Given], list[Given]]:
    """What is learnt and what judges: whole clusters, so that no drawing is judged by its twin; floods are cut.

    Clusters judge in the order of their digests, so that most of those that judged once do so again with more drawings.
    """
    found = sorted(clusters(given), key=lambda cluster: sha256(cluster[0].x.tobytes()).digest())
    for cluster in found:
        for each in cluster[MOST_ALIKE:]:
            left_out[each.id] = f"one of {len(cluster)} that are alike; {MOST_ALIKE} are enough"
    few = [cluster[:MOST_ALIKE] for cluster in found]
    parts = next(parts for least, parts in HELD_OUT if len(given) >= least)
    wanted = sum(map(len, few)) // parts
    learn: list[Given] = []
    held_out: list[Given] = []
    for cluster in few:
        (held_out if len(held_out) < wanted else learn).extend(cluster)
    return learn, held_out


def clusters(given: Sequence[Given]) -> list[list[Given]]:
    """Drawings of one label that look alike, by the first of each cluster (leader clustering)."""
    found: list[list[Given]] = []
    for label in sorted({each.label for each in given}):
        mine = [each for each in given if each.label == label]
        leaders = np.zeros((0, 14 * 14), np.float32)
        groups: list[list[Given]] = []
        for each, look in zip(mine, _blurred(np.stack([one.x for one in mine])), strict=True):
            near = leaders @ look
            if len(near) and near.max() > ALIKE:
                groups[int(near.argmax())].append(each)
            else:
                leaders = np.vstack([leaders, look])
                groups.append([each])
        found += groups
    return found


def _blurred(x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 28, 28) -> (n, 196) of length 1: what is left where a pixel more or less does not count."""
    padded = np.pad(x.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    soft = sum(padded[:, 1 + dy : 29 + dy, 1 + dx : 29 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    flat = soft.reshape(-1, 14, 2, 14, 2).sum(axis=(2, 4)).reshape(len(x), -1)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))
