"""Jobs on SageMaker: the batch transform through the container's own contract, the training job as the SDK sends it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import images, parts
from backend.deploy import release as models
from backend.deploy.logs import JOB_LOGS, LOG_DAYS, TRAINING_JOBS, TRANSFORM_JOBS, ensure_job_logs
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError
from backend.deploy.stage import ARTIFACT, Stage
from tests.cloud.halves import model_parts, remove_model
from training import submit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.plan import Release
    from tests.conftest import Drawing


@pytest.fixture
def serving(stage: Stage, make_release: Callable[[str], Release]) -> Stage:
    models.up(stage, make_release("2026.1.1"), Plan())
    return stage


def play_the_container(stage: Stage) -> None:
    """Do a transform job's work when it is made: each input through the container's POST /invocations, to `.out`."""
    from training.serve import SavedModel, create_endpoint

    container = create_endpoint(SavedModel(ARTIFACT / "model.tar.gz"), "x").test_client()
    s3 = stage.client("s3")

    def work(params: dict[str, Any], **_: Any) -> None:
        job = json.loads(params["body"])
        bucket, _, prefix = job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"][5:].partition("/")
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            answer = container.post("/invocations", data=body, content_type=job["TransformInput"]["ContentType"])
            assert answer.status_code == 200, answer.data
            key = item["Key"].replace("/input/", "/output/") + ".out"
            s3.put_object(Bucket=bucket, Key=key, Body=answer.data)

    stage.client("sagemaker").meta.events.register("before-call.sagemaker.CreateTransformJob", work)


@pytest.fixture
def folder(tmp_path: Path, drawing: Drawing) -> Path:
    for digit in "0123456789":
        (tmp_path / f"{digit}.png").write_bytes(drawing(digit))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either, and not asked for")
    return tmp_path


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["picture"]: row for row in csv.DictReader(file)}


def test_batch_reads_a_folder_of_pictures_into_a_csv(
    serving: Stage, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "CHUNK", 4)  # three requests, one of them half full
    play_the_container(serving)
    submit.batch(serving, str(folder), tmp_path / "out.csv", "ml.m5.large")
    found = rows(tmp_path / "out.csv")
    assert {name: row["label"] for name, row in found.items()} == {f"{d}.png": d for d in "0123456789"} | {
        "broken.png": ""
    }
    assert found["broken.png"]["problem"]


def test_batch_reads_an_s3_prefix(serving: Stage, tmp_path: Path, drawing: Drawing) -> None:
    play_the_container(serving)
    bucket = serving.bucket("models")
    serving.client("s3").put_object(Bucket=bucket, Key="pictures/a/seven.png", Body=drawing("7"))
    submit.batch(serving, f"s3://{bucket}/pictures", tmp_path / "out.csv", "ml.m5.large")
    assert rows(tmp_path / "out.csv")["a/seven.png"]["label"] == "7"


def test_batch_without_an_endpoint_says_what_to_run(stage: Stage, folder: Path) -> None:
    with pytest.raises(StageError, match="make deploy"):
        submit.batch(stage, str(folder), folder / "out.csv", "ml.m5.large")


def test_batch_models_go_with_the_stage(serving: Stage, folder: Path, tmp_path: Path) -> None:
    play_the_container(serving)
    submit.batch(serving, str(folder), tmp_path / "out.csv", "ml.m5.large")
    remove_model(serving)
    assert model_parts(serving) == []


IMAGE_HAS = {"numpy", "keras", "tensorflow"}  # of what training.train imports
MODULES = {"pillow": "PIL", "zlib-ng": "zlib_ng"}  # where the package's name is not the module's
READ_ALL = """
import training.train
from training.data import doodles, glyphs, handwriting
doodles.turns("0"), glyphs.glyphs(), handwriting.digits()
"""
OWN_IMPORTS = """
import ast, json, pathlib, sys
names = set()
for module in [m for n, m in sys.modules.items() if n.partition(".")[0] in ("backend", "training")]:
    if getattr(module, "__file__", None):
        for node in ast.parse(pathlib.Path(module.__file__).read_text()).body:
            names |= {a.name.partition(".")[0] for a in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module.partition(".")[0]} if isinstance(node, ast.ImportFrom) and node.module else set()
print(json.dumps(sorted(names - sys.stdlib_module_names - {"backend", "training"})))
"""


def test_a_job_runs_in_its_folder_on_what_the_image_has_and_it_installs() -> None:
    """Every library that training.train imports there is the image's or in requirements.txt; the code is all there."""
    folder = submit.source()
    wanted = [line.partition(">")[0] for line in (folder / "requirements.txt").read_text().splitlines()]
    command = [sys.executable, "-P", "-c", READ_ALL + OWN_IMPORTS]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) <= IMAGE_HAS | {MODULES.get(name, name) for name in wanted}
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".py", ".json", ".npz", ".txt"}


def test_an_improvement_runs_in_its_folder_too_from_the_model_that_ships() -> None:
    """Nothing of the repository but what is there, and nothing installed but what is named beside the image's own."""
    folder = submit.source(improving=True)
    wanted = {line.partition(">")[0] for line in (folder / "requirements.txt").read_text().splitlines()}
    assert wanted >= {"flask", "msgspec", "ai-edge-litert", "boto3", "matplotlib"}
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "training.improve", "--feedback", "/nowhere"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not improved: 0 drawings are too few" in done.stderr


def test_run_is_fetched_from_the_jobs_output(stage: Stage, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("plan.json")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))
    s3 = stage.client("s3")
    s3.create_bucket(Bucket="out")
    s3.put_object(Bucket="out", Key="job/model.tar.gz", Body=packed.getvalue())
    run = submit.fetch(stage, "s3://out/job/model.tar.gz", tmp_path / "run")
    assert [path.name for path in run.iterdir()] == ["plan.json"]


def test_a_failed_training_job_is_one_sentence_with_its_reason_and_log() -> None:
    reason = "AlgorithmError: ExecuteUserScriptError:\nTraceback (most recent call last):\n  ...\nValueError: no data."
    said = submit.failure({"TrainingJobName": "job-1", "TrainingJobStatus": "Failed", "FailureReason": reason})
    assert said.startswith("The training job ended as Failed: ValueError: no data. Its log: `aws logs tail")
    assert "job-1" in said
    assert "\n" not in said


def test_a_job_may_read_the_data_that_it_is_given_and_no_other(stage: Stage) -> None:
    submit.job_role(stage, "b", images.uri(stage, images.TRAINING), ("s3://drawings/digits/", ""))
    given = stage.client("iam").get_role_policy(RoleName=stage.role("job"), PolicyName="stage")["PolicyDocument"]
    named = {statement["Sid"]: statement["Resource"] for statement in given["Statement"]}
    assert named["ReadTheData"] == ["arn:aws:s3:::drawings/digits/*"]
    assert named["FindTheData"] == ["arn:aws:s3:::drawings"]


def test_a_job_may_pull_the_image_that_it_runs_on(stage: Stage) -> None:
    submit.job_role(stage, "b", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/own:1")
    given = stage.client("iam").get_role_policy(RoleName=stage.role("job"), PolicyName="stage")["PolicyDocument"]
    pull = next(statement for statement in given["Statement"] if statement["Sid"] == "PullTheImage")
    assert pull["Resource"] == "arn:aws:ecr:eu-west-1:111122223333:repository/own"


# The SDK's own warnings: escapes in its docstrings, a folder that it leaves to the collector.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_a_training_job_is_made_awaited_and_fetched(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SageMaker's own SDK against the control plane; of the container's part, the run that it leaves is played."""
    pytest.importorskip("sagemaker.train", reason="needs the extra `sagemaker`: 0.9 GB that nothing else needs")
    monkeypatch.setattr(submit, "ROOT", tmp_path)
    monkeypatch.setattr(submit, "source", lambda **_: job_folder)
    jobs: list[dict[str, Any]] = []

    def work(params: dict[str, Any], **_: Any) -> None:
        job = json.loads(params["body"])
        jobs.append(job)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo("plan.json"))
        bucket, _, prefix = job["OutputDataConfig"]["S3OutputPath"][5:].partition("/")
        key = f"{prefix}/{job['TrainingJobName']}/output/model.tar.gz"
        stage.client("s3").put_object(Bucket=bucket, Key=key, Body=packed.getvalue())

    job_folder = tmp_path / "job"
    (job_folder / "training").mkdir(parents=True)
    (job_folder / "requirements.txt").write_text("pillow")
    (job_folder / "training" / "train.py").write_text("")
    stage.session.events.register("before-call.sagemaker.CreateTrainingJob", work)
    run = submit.train(stage, submit.Training(["--epochs", "1", "--model", "mlp"], spot=True))
    (job,) = jobs
    assert run == tmp_path / "runs" / job["TrainingJobName"]
    assert [path.name for path in run.iterdir()] == ["plan.json"]
    assert job["EnableManagedSpotTraining"] is True
    assert job["CheckpointConfig"]["S3Uri"].rpartition("/")[0].endswith("/jobs/checkpoints")
    assert job["RoleArn"] == stage.role_arn("job")
    assert {tag["Key"]: tag["Value"] for tag in job["Tags"]}.items() >= stage.tags.items()


def test_jobs_logs_end_and_go_with_the_stage(stage: Stage) -> None:
    """Every job of an account writes to one group: only our streams go, and the group where we made it."""
    logs, group = stage.client("logs"), TRAINING_JOBS
    ensure_job_logs(stage, group)
    [made] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert made["retentionInDays"] == LOG_DAYS
    for name in (f"{stage.prefix}-train-1/algo-1", f"{stage.prefix}-train-2/algo-1", "somebody-else/algo-1"):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
    assert [(row.kind, row.note) for row in JOB_LOGS.find(stage)] == [("job log", "2 streams")]
    assert parts.remove(stage, [JOB_LOGS]) == {}
    assert [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=group)["logStreams"]] == [
        "somebody-else/algo-1"
    ]
    logs.delete_log_stream(logGroupName=group, logStreamName="somebody-else/algo-1")
    logs.create_log_stream(logGroupName=group, logStreamName=f"{stage.prefix}-train-3/algo-1")
    assert parts.remove(stage, [JOB_LOGS]) == {}
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_a_group_that_was_there_keeps_its_retention_and_stays(stage: Stage) -> None:
    logs = stage.client("logs")
    logs.create_log_group(logGroupName=TRANSFORM_JOBS)
    ensure_job_logs(stage, TRANSFORM_JOBS)
    logs.create_log_stream(logGroupName=TRANSFORM_JOBS, logStreamName=f"{stage.prefix}-batch-1/i")
    assert parts.remove(stage, [JOB_LOGS]) == {}
    [there] = logs.describe_log_groups(logGroupNamePrefix=TRANSFORM_JOBS)["logGroups"]
    assert "retentionInDays" not in there
