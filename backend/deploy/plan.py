"""What is served and what it runs on: a release's files, and a plan, serverless or on instances."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.deploy import images
from backend.deploy.cost import Setup
from backend.deploy.refusals import StageError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.deploy.stage import Stage

RELEASE_FILES = ("model.tar.gz", "model.tflite", "card.json")
MAX_MS = 1000.0  # of an answer, warm, from the deploying machine: the backend's read timeout is 5 s
# oneDNN aborts the whole server on a tensor of a wrong shape (seen on TensorFlow 2.18 to 2.21)
ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "0"}


@dataclass(frozen=True)
class Plan:
    """How a release is served: serverless, or on instances that bill by the hour until their time to live ends."""

    memory_mb: int = 2048  # of 1024 to 6144; below 2048 the cold start doubles, above it nothing is gained
    concurrency: int = 5
    provisioned: int = 0
    instance_type: str = ""
    instances: int = 1
    max_instances: int = 2
    ttl_hours: float = 8

    def __post_init__(self) -> None:
        """Refuse what SageMaker would. Raises StageError."""
        if self.instance_type and self.max_instances < self.instances:
            raise StageError(f"--max-instances {self.max_instances} is below --instances {self.instances}.")
        if self.provisioned > self.concurrency:
            raise StageError(f"--provisioned {self.provisioned} is above --concurrency {self.concurrency}.")

    @property
    def variant(self) -> dict[str, Any]:
        """The part of a production variant that says what it runs on."""
        if self.instance_type:
            return {"InstanceType": self.instance_type, "InitialInstanceCount": self.instances}
        serverless = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.concurrency}
        if self.provisioned:
            serverless["ProvisionedConcurrency"] = self.provisioned
        return {"ServerlessConfig": serverless}

    def __str__(self) -> str:
        """What it runs on, in words."""
        if self.instance_type:
            return f"{self.instances} x {self.instance_type}"
        return f"serverless, {self.memory_mb} MB, {self.concurrency} at once, {self.provisioned} kept warm"

    @property
    def setup(self) -> Setup:
        """What of it decides the bill."""
        number = (self.instances, self.max_instances)
        return Setup("sagemaker", self.instance_type, *number, self.memory_mb, self.provisioned)

    @property
    def digest(self) -> str:
        """Six digits that differ where the variant does."""
        return hashlib.sha256(json.dumps(self.variant, sort_keys=True).encode()).hexdigest()[:6]


@dataclass(frozen=True)
class Release:
    """A trained model's files, ready to be served: the folder with model.tar.gz, model.tflite and card.json."""

    folder: Path
    image: str

    @classmethod
    def load(cls, folder: Path, stage: Stage, image: str = "") -> Release:
        """Check that the folder holds all three. Raises StageError."""
        missing = [name for name in RELEASE_FILES if not (folder / name).is_file()]
        if missing:
            raise StageError(f"{folder} lacks {', '.join(missing)}: run `make export` first.")
        return cls(folder, image or images.uri(stage, images.SERVING))

    @property
    def card(self) -> dict[str, Any]:
        """What card.json says: name, version, labels, threshold, metrics."""
        card: dict[str, Any] = json.loads((self.folder / "card.json").read_text())
        return card

    @property
    def version(self) -> str:
        """The model's version, as it answers it."""
        return str(self.card["version"])

    @property
    def name(self) -> str:
        """Version and eight digits of everything that decides what is served: unchanged means nothing to do."""
        content = hashlib.sha256((self.folder / "model.tar.gz").read_bytes())
        content.update(json.dumps([self.image, ENVIRONMENT]).encode())
        return f"{self.version.replace('.', '-')}-{content.hexdigest()[:8]}"
