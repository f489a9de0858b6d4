"""Jobs on SageMaker: `python -m training.submit train|improve|batch --stage dev`: training and batch transform.

`train` (needs the extra `sagemaker`) runs training.train unchanged in AWS' TensorFlow image, fetches the run and has it
measured here; `improve` does the same with training.improve on an S3 prefix of feedback, so that the command here has
only to let the candidate take its place; `batch` classifies a folder or an S3 prefix of pictures with the model that
the stage serves.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.contract import NOT_A_DIGIT
from backend.deploy.buckets import ensure_bucket
from backend.deploy.choices import settle
from backend.deploy.images import TRAINING, place, uri
from backend.deploy.logs import TRAINING_JOBS, TRANSFORM_JOBS, ensure_job_logs
from backend.deploy.refusals import StageError, attempt, command, pages, patiently
from backend.deploy.roles import ensure_role, policy
from backend.deploy.stage import open_stage
from backend.preprocessing import PictureError, normalise
from training.archive import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backend.deploy.stage import Stage

ROOT = Path(__file__).parents[1]
CHUNK = 200  # pictures in one request to the container: 28 x 28 numbers each, half a megabyte in all
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
NEEDED = ("pillow", "zlib-ng", "unlzw3", "requests")  # of the extras: what training.train imports, AWS' image may lack
ASKED = ("flask", "msgspec", "ai-edge-litert", "boto3", "matplotlib")  # training.improve, which asks the API, too
ROOMS = ("backend", "backend/numbers", "training", "training/data")  # training.train's
RUNNING = ("InProgress", "Stopping")
MAX_HOURS = 6


CHECKPOINTS = "/opt/ml/checkpoints"  # SageMaker copies it to S3 while the job runs, and back after an interruption


def job_role(stage: Stage, bucket: str, image: str, data: Sequence[str] = ()) -> str:
    """Make the jobs' execution role: read models, inputs and `data`, write results and logs, pull this image."""
    document = policy(stage, "job", bucket=bucket, **place(image))
    places = [each.removeprefix("s3://").rstrip("/") for each in data if each.startswith("s3://")]
    if places:
        where = [f"arn:{stage.partition}:s3:::{each}" for each in places]
        read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"{each}/*" for each in where]}
        find = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": [each.partition("/")[0] for each in where]}
        document["policy"]["Statement"] += [{"Sid": "ReadTheData", **read}, {"Sid": "FindTheData", **find}]
    return ensure_role(stage, "job", document)


@dataclass(frozen=True)
class Training:
    """A training job: what training.train is given, and what it runs on."""

    arguments: Sequence[str] = ()
    instance_type: str = "ml.m5.xlarge"
    image: str = ""  # URI; AWS' TensorFlow training image without
    data: str = ""  # folder or s3:// prefix that becomes SM_CHANNEL_TRAINING; the job downloads the datasets without
    spot: bool = False
    feedback: str = ""  # s3:// prefix of drawings: the job improves the model that ships, instead of training one

    @property
    def resumes(self) -> bool:
        """Whether an interrupted job starts again and goes on with the run that it finds."""
        return self.spot and not self.feedback


def train(stage: Stage, plan: Training) -> Path:
    """Run training.train in a training job, following its log; returns the run's folder, fetched. Raises StageError."""
    ensure_job_logs(stage, TRAINING_JOBS)
    trainer = _trainer(stage, ensure_bucket(stage, "models"), plan)
    try:
        trainer.train(input_data_config=_channel(plan.data), wait=True, logs=True)
    except Exception as error:
        # the SDK raises a job's failure as one of its own, with forty lines; what failed before there was a job goes on
        if not type(error).__module__.startswith("sagemaker") or trainer._latest_training_job is None:
            raise
    started = trainer._latest_training_job.training_job_name
    job = stage.client("sagemaker").describe_training_job(TrainingJobName=started)
    if job["TrainingJobStatus"] != "Completed":
        raise StageError(failure(job))
    return fetch(stage, job["ModelArtifacts"]["S3ModelArtifacts"], ROOT / "runs" / started)


def failure(job: dict[str, Any]) -> str:
    """Why a training job ended, and where its log is: the last line of SageMaker's reason is the program's own."""
    lines = [line.strip() for line in job.get("FailureReason", "").splitlines() if line.strip()]
    reason = lines[-1] if lines else "SageMaker gave no reason"
    log = f"aws logs tail {TRAINING_JOBS} --log-stream-name-prefix {job['TrainingJobName']} --since 1d"
    return f"The training job ended as {job['TrainingJobStatus']}: {reason.rstrip('.')}. Its log: `{log}`."


def _channel(data: str) -> list[Any] | None:
    from sagemaker.core.training.configs import InputData

    return [InputData(channel_name="training", data_source=data)] if data else None


def _command(plan: Training) -> str:
    """What the job runs; in the end all that is to be fetched stands in SM_MODEL_DIR."""
    if plan.feedback:
        data = 'DATA_DIR="$SM_CHANNEL_TRAINING" ' if plan.data else ""
        asked = shlex.join(("--feedback", plan.feedback, "--measure-only", *plan.arguments))
        return f'{data}python -m training.improve {asked} && cp -r runs/. "$SM_MODEL_DIR"'
    run = f"python -m training.train {shlex.join(plan.arguments)}".strip()
    return f'{run} --run {CHECKPOINTS} && cp -r {CHECKPOINTS}/. "$SM_MODEL_DIR"' if plan.resumes else run


def _trainer(stage: Stage, bucket: str, plan: Training) -> Any:
    try:
        from sagemaker.core.helper.session_helper import Session
        from sagemaker.core.training import configs
        from sagemaker.train import ModelTrainer
    except ImportError:
        raise StageError("A training job needs SageMaker's SDK: pip install '.[sagemaker]'.") from None
    # The SDK refuses a role that may not make network interfaces in a VPC, which a job outside one never does.
    os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")
    seconds = MAX_HOURS * 3600
    waiting = {"max_wait_time_in_seconds": 2 * seconds} if plan.spot else {}
    kept: dict[str, Any] = {}
    if plan.resumes:
        own = f"s3://{bucket}/jobs/checkpoints/{time.time():.0f}"
        kept = {"checkpoint_config": configs.CheckpointConfig(s3_uri=own, local_path=CHECKPOINTS)}
    image = plan.image or uri(stage, TRAINING)
    return ModelTrainer(
        sagemaker_session=Session(stage.session, default_bucket=bucket, default_bucket_prefix="jobs"),
        role=job_role(stage, bucket, image, (plan.data, plan.feedback)),
        base_job_name=f"{stage.prefix}-{'improve' if plan.feedback else 'train'}",  # the SDK adds the time
        training_image=image,
        source_code=configs.SourceCode(
            source_dir=str(source(improving=bool(plan.feedback))),
            requirements="requirements.txt",
            command=_command(plan),
        ),
        compute=configs.Compute(
            instance_type=plan.instance_type, instance_count=1, enable_managed_spot_training=plan.spot
        ),
        stopping_condition=configs.StoppingCondition(max_runtime_in_seconds=seconds, **waiting),
        output_data_config=configs.OutputDataConfig(s3_output_path=f"s3://{bucket}/jobs"),
        tags=[configs.Tag(key=key, value=value) for key, value in stage.tags.items()],
        **kept,
    )


def source(*, improving: bool = False) -> Path:
    """The folder that a training job runs in: the code of training and backend, and what to install for it.

    An improvement asks the whole API, starts from the model that ships and screens with the folds' networks.
    """
    folder = ROOT / "build" / "job"
    shutil.rmtree(folder, ignore_errors=True)
    for room in (*ROOMS, *(("backend/deploy",) if improving else ())):
        (folder / room).mkdir(parents=True)
        files = [file for file in (ROOT / room).iterdir() if file.suffix in (".py", ".json", ".npz")]
        for file in files:
            shutil.copyfile(file, folder / room / file.name)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    if improving:
        models = (ROOT / "training" / "artifacts" / "digits", *(ROOT / "runs").glob("fold-*/artifact"))
        for place in (ROOT / "backend" / "templates", *models):
            shutil.copytree(place, folder / place.relative_to(ROOT))
    wanted = (*NEEDED, *(ASKED if improving else ()))
    needed = [line for part in ("backend", "embedded", "training") for line in extras[part] if line.startswith(wanted)]
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n")
    return folder


def fetch(stage: Stage, url: str, folder: Path) -> Path:
    """Unpack a job's model.tar.gz, the run's folder as training.train left it, into `folder`."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / "model.tar.gz"
    packed.write_bytes(stage.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    unpack(packed, folder)
    packed.unlink()
    return folder


def measure(run: Path) -> None:
    """Export the run beside the shipped model and measure it; shipping it is another command. Raises StageError."""
    candidate = ROOT / "build" / "candidates" / run.name
    steps = (
        ("training.export", "--run", str(run), "--out", str(candidate)),
        ("training.evaluate", "--artifact", str(candidate), "--out", str(candidate / "evaluation")),
    )
    for step in steps:
        if subprocess.run([sys.executable, "-m", *step], cwd=ROOT, check=False).returncode:  # noqa: S603 - ours
            raise StageError(f"python -m {' '.join(step)} failed: the model stays a candidate.")
    print(f"To ship it, if it is better than what ships: python -m training.export --run {run}")


def take_over(run: Path) -> None:
    """Put what a job did of an improvement where training.improve looks for it, which then has only its end to do."""
    shutil.copytree(run / "improve", ROOT / "runs" / "improve", dirs_exist_ok=True)
    print("To let it take the model's place, where it passed the gate: the same `make improve` here.")


def batch(stage: Stage, pictures: str, out: Path, instance_type: str) -> None:
    """Classify a folder or s3:// prefix of pictures by Batch Transform into a CSV. The same again costs nothing new."""
    model = _batch_model(stage)
    bucket = stage.bucket("models")
    names, instances, problems = read(stage, pictures)
    if not instances:
        raise StageError(f"{pictures} holds no readable picture ({', '.join(SUFFIXES)}).")
    content = hashlib.sha256(json.dumps([model, instances]).encode()).hexdigest()[:8]
    job = _job_name(stage, f"{stage.prefix}-batch-{content}")
    prefix = f"jobs/{job}"
    for start in range(0, len(instances), CHUNK):
        body = json.dumps({"instances": instances[start : start + CHUNK]})
        stage.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/input/{start:09}.json", Body=body.encode())
    _transform(stage, job, model, f"s3://{bucket}/{prefix}", instance_type)
    write(out, names, _results(stage, bucket, prefix, len(instances)), problems)
    print(f"{len(instances)} pictures read, {len(problems)} not readable: {out}")


def _batch_model(stage: Stage) -> str:
    """The live model under the jobs' role, as which a transform then runs. Raises StageError without endpoint."""
    sagemaker = stage.client("sagemaker")
    live = attempt(sagemaker.describe_endpoint, EndpointName=stage.prefix)
    if live is None:
        raise StageError(f"Stage {stage.name} serves no model: run `make deploy STAGE={stage.name}` first.")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=live["EndpointConfigName"])
    served = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    name, container = f"{served['ModelName']}-batch", served["PrimaryContainer"]
    if attempt(sagemaker.describe_model, ModelName=name) is None:
        kept = {key: container[key] for key in ("Image", "ModelDataUrl", "Environment")}
        role = job_role(stage, stage.bucket("models"), kept["Image"])
        patiently(
            sagemaker.create_model,
            ModelName=name,
            PrimaryContainer=kept,
            ExecutionRoleArn=role,
            Tags=stage.tag_list(),
        )
    return name


def _job_name(stage: Stage, name: str) -> str:
    """The first of name, name-2, name-3 ... that did not fail: a job's name is used for ever."""
    describe, n, candidate = stage.client("sagemaker").describe_transform_job, 1, name
    while (job := attempt(describe, TransformJobName=candidate)) and job["TransformJobStatus"] in ("Failed", "Stopped"):
        n += 1
        candidate = f"{name}-{n}"
    return candidate


def read(stage: Stage, pictures: str) -> tuple[list[str], list[list[list[int]]], dict[str, str]]:
    """Names and 28x28 instances of the readable pictures, in order, and what is wrong with the others by name."""
    names, instances, problems = [], [], {}
    for name, content in _pictures(stage, pictures):
        try:
            instances.append(normalise(content).tolist())
            names.append(name)
        except PictureError as error:
            problems[name] = str(error)
    return names, instances, problems


def _pictures(stage: Stage, where: str) -> Iterator[tuple[str, bytes]]:
    if not where.startswith("s3://"):
        for path in sorted(path for path in Path(where).rglob("*") if path.suffix.lower() in SUFFIXES):
            yield str(path.relative_to(where)), path.read_bytes()
        return
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    for item in pages(stage.client("s3"), "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix):
        if item["Key"].lower().endswith(SUFFIXES):
            body = stage.client("s3").get_object(Bucket=bucket, Key=item["Key"])["Body"]
            yield item["Key"].removeprefix(prefix).lstrip("/"), body.read()


def _transform(stage: Stage, job: str, model: str, url: str, instance_type: str) -> None:
    """Start the job unless it is there, and wait until it is done. Raises StageError."""
    sagemaker = stage.client("sagemaker")
    if attempt(sagemaker.describe_transform_job, TransformJobName=job) is None:
        ensure_job_logs(stage, TRANSFORM_JOBS)
        where = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{url}/input/"}}
        sagemaker.create_transform_job(
            TransformJobName=job,
            ModelName=model,
            MaxPayloadInMB=6,
            TransformInput={"DataSource": where, "ContentType": "application/json", "SplitType": "None"},
            TransformOutput={"S3OutputPath": f"{url}/output/"},
            TransformResources={"InstanceType": instance_type, "InstanceCount": 1},
            Tags=stage.tag_list(),
        )
    started = time.monotonic()
    while (state := sagemaker.describe_transform_job(TransformJobName=job))["TransformJobStatus"] in RUNNING:
        print(f"  {job} {state['TransformJobStatus']} for {time.monotonic() - started:.0f} s", flush=True)
        time.sleep(15)
    if state["TransformJobStatus"] != "Completed":
        reason = state.get("FailureReason", "SageMaker gave no reason")
        raise StageError(f"The batch job ended as {state['TransformJobStatus']}: {reason}")


def _results(stage: Stage, bucket: str, prefix: str, n: int) -> list[dict[str, Any]]:
    """The container's answers, one for each picture, in order. Raises StageError where some are missing."""
    answers: list[dict[str, Any]] = []
    for start in range(0, n, CHUNK):
        key = f"{prefix}/output/{start:09}.json.out"
        answers += json.loads(stage.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())["predictions"]
    if len(answers) != n:
        raise StageError(f"The batch job answered {len(answers)} of {n} pictures: see its log in CloudWatch.")
    return answers


def write(out: Path, names: list[str], answers: list[dict[str, Any]], problems: dict[str, str]) -> None:
    """One line a picture: its name, label (empty if rejected), confidence, score, and the problem if it has one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["picture", "label", "confidence", "score", "problem"])
        for name, answer in zip(names, answers, strict=True):
            best = max(range(len(answer["probabilities"])), key=answer["probabilities"].__getitem__)
            label = answer["labels"][best] if answer["score"] >= answer["threshold"] else ""
            confidence = f"{answer['probabilities'][best]:.4f}"
            table.writerow([name, label, confidence, f"{answer['score']:.4f}", "" if label else NOT_A_DIGIT])
        table.writerows([name, "", "", "", problem] for name, problem in problems.items())


def _confirm(kind: str, *, yes: bool) -> None:
    """Ask: a job's instance bills by the second while it runs."""
    print(f"The job runs on one {kind}, which bills by the second while it runs ({MAX_HOURS} hours at most).")
    if not yes and (not sys.stdin.isatty() or input("Go on? [y/N] ").lower() != "y"):
        raise StageError("Nothing was started: say y, or run with --yes.")


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m training.submit", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "improve", "batch"):
        each = commands.add_parser(name)
        each.add_argument("--stage", default="dev")
        each.add_argument("--instance-type", default="ml.m5.large" if name == "batch" else "ml.m5.xlarge")
        each.add_argument("--yes", action="store_true", help="do not ask")
        if name == "improve":
            each.add_argument("--feedback", required=True, help="s3:// prefix of the drawings")
        if name != "batch":
            each.add_argument("--image", default="", help="URI of the TensorFlow training image")
            each.add_argument("--data", default="", help="folder or s3:// prefix with the datasets")
            each.add_argument("--spot", action="store_true", help="cheaper, and may be interrupted")
        else:
            each.add_argument("pictures", help="folder or s3:// prefix")
            each.add_argument("--out", type=Path, default=Path("build/batch.csv"))
    options, rest = parser.parse_known_args()
    stage = open_stage(options.stage)
    settle(stage, {})
    _confirm(options.instance_type, yes=options.yes)
    if options.command == "batch":
        batch(stage, options.pictures, options.out, options.instance_type)
    else:
        given = getattr(options, "feedback", "")
        plan = Training(rest, options.instance_type, options.image, options.data, options.spot, given)
        run = train(stage, plan)
        take_over(run) if given else measure(run)


if __name__ == "__main__":
    command(main)
