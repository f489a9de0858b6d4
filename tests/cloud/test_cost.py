"""`make cost` against figures worked out by hand, and the Price List API's answers read from a real server."""

from __future__ import annotations

import io
import json
import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import choices, cost, prices, watch
from backend.deploy.options import Options
from backend.deploy.refusals import StageError
from backend.deploy.stage import Stage
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stand_in import Handler

WAYS = {way.name: way for way in cost.ways()}


TRACE = 0.000005  # X-Ray, the first request of each second
REQUEST = 0.0000002 + 0.0000035 + 0.0000006  # Lambda, REST, 1.2 kB of log at 0.50/GB


def test_embedded_at_10000_a_day() -> None:
    """Alarms 3 x 0.10. A request: as above, 12 ms x 1 GB at 0.0000166667, and its trace."""
    request = REQUEST + 0.0000002 + TRACE
    assert WAYS["embedded in Lambda"].monthly(10_000) == pytest.approx(0.30 + 10_000 * 730 / 24 * request, rel=1e-4)
    assert WAYS["embedded in Lambda"].monthly(10_000) == pytest.approx(3.19, abs=0.005)


def test_serverless_at_1000_a_day() -> None:
    """Alarms 4 x 0.10. As embedded, but 60 ms of Lambda, and 34 ms x 2 GB x 0.00002 + 3.5 kB x 0.016/GB."""
    request = REQUEST + 0.000001000002 + 0.00000136 + 0.000000056 + TRACE
    assert WAYS["serverless endpoint"].monthly(1_000) == pytest.approx(0.40 + 30416.67 * request, rel=1e-4)
    assert WAYS["serverless endpoint"].monthly(1_000) == pytest.approx(0.76, abs=0.005)


def test_instance_at_rest_and_at_two_instances() -> None:
    """ml.m5.large: 0.115 x 730 = 83.95, 4 alarms autoscaling's 2. 2 million a day peak at 69 a second: two."""
    way = WAYS["endpoint on ml.m5.large"]
    assert way.monthly(0) == pytest.approx(83.95 + 0.60)
    traced = 86400 + 0.05 * (2_000_000 - 86400)
    requests = 730 / 24 * (2_000_000 * (REQUEST + 0.00000100000) + traced * TRACE)
    assert way.monthly(2_000_000) == pytest.approx(2 * 83.95 + 0.60 + requests, rel=1e-4)


def test_every_instance_is_counted_and_no_more_than_there_may_be() -> None:
    four = cost.Setup(instance_type="ml.m5.large", instances=4, max_instances=5)
    assert four.hourly == pytest.approx(0.46)
    assert four.monthly(1e8) - four.monthly(0) < 83.96 + 1e8 * 730 / 24 * 1.1e-5


def test_burstable_instances_stay_as_many_and_have_no_alarms_of_autoscaling() -> None:
    """0.056 x 730 = 40.88 and 4 alarms; AWS lets ml.t* not scale."""
    burstable = cost.Setup(instance_type="ml.t2.medium", max_instances=9)
    assert burstable.at_rest == pytest.approx(40.88 + 0.40)
    assert burstable.monthly(1e7) < 41.28 + 1e7 * 730 / 24 * 6e-6


def test_provisioned_concurrency_has_an_upper_price() -> None:
    """3 x 4 GB x 3600 s x 0.00002: what such capacity costs at work; held ready it costs less."""
    assert cost.Setup(provisioned=3, memory_mb=4096).hourly == pytest.approx(0.864)


def test_metrics_and_more_memory_are_on_the_bill() -> None:
    plain = cost.Setup("embedded")
    assert plain._replace(metrics=True).at_rest - plain.at_rest == pytest.approx(1.80)
    more = plain._replace(lambda_mb=1769).per_request - plain.per_request
    assert more == pytest.approx(0.012 * 745 / 1024 * 0.0000166667)


@pytest.mark.parametrize("mode", cost.ALARMS)
def test_as_many_alarms_are_priced_as_are_made(mode: str) -> None:
    stage = Stage("dev", None)
    assert len(watch.alarms(stage, Options(mode=mode))) == cost.ALARMS[mode]


def test_the_settings_of_the_stage_decide_its_bill() -> None:
    dev, production = (choices.setup(name, choices.DEFAULTS) for name in ("dev", "production"))
    assert (dev.lambda_mb, dev.metrics) == (1024, False)
    assert (production.lambda_mb, production.metrics) == (1769, True)


def test_break_even_is_where_both_cost_the_same() -> None:
    serverless, small = WAYS["serverless endpoint"], WAYS["endpoint on ml.t2.medium"]
    crossing = cost.break_even(serverless, small)
    assert crossing is not None
    assert serverless.monthly(crossing) == pytest.approx(small.monthly(crossing), rel=1e-6)
    assert serverless.monthly(crossing * 0.99) < small.monthly(crossing * 0.99)


def test_cheaper_at_rest_and_each_request_never_breaks_even() -> None:
    assert cost.break_even(WAYS["embedded in Lambda"], WAYS["serverless endpoint"]) is None


def test_old_prices_are_warned_of() -> None:
    made = date.fromisoformat(prices.book()["date"])
    assert prices.stale(made) == ""
    assert "--refresh" in prices.stale(made.replace(year=made.year + 1))


def test_report_names_every_way_and_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    deploy.main(["cost", "--requests-per-day", "5000"])
    printed = capsys.readouterr().out
    for name in (*WAYS, "Lightsail container 7.00", "5,000 a day"):
        assert name in printed


def test_chart_is_drawn(tmp_path: Path) -> None:
    deploy.main(["cost", "--chart", str(tmp_path / "cost.svg")])
    assert (tmp_path / "cost.svg").read_text().count("<path") > len(WAYS)


def ask(*given: str, region: str = "us-east-1", before: dict[str, Any] | None = None) -> None:
    options = deploy.parser().parse_args(["up", *given])
    place = type("Place", (), {"region_name": region})
    deploy.ask(Stage("dev", place), options, choices.chosen(before or {}, vars(options)), before or {})


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    """Somebody at the terminal; returns the questions that they are asked."""
    questions: list[str] = []
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    monkeypatch.setattr("builtins.input", lambda question: (questions.append(question), text)[1])
    return questions


def test_instance_without_price_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(StageError, match=r"ml\.m5\.large"):
        ask("--yes", "--instance-type", "ml.p5.48xlarge")


def test_nothing_goes_on_without_a_yes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody there to ask
    with pytest.raises(StageError, match="YES=1"):
        ask()
    assert "$0.40 a month at rest" in capsys.readouterr().out
    ask("--yes")


@pytest.mark.parametrize("kind", [["--instance-type", "ml.m5.large"], ["--provisioned", "1"]])
def test_yes_does_not_answer_for_what_bills_by_the_hour(monkeypatch: pytest.MonkeyPatch, kind: list[str]) -> None:
    questions = answer(monkeypatch, "n")
    with pytest.raises(StageError, match="ACCEPT_HOURLY=1"):
        ask("--yes", *kind)
    assert len(questions) == 1
    ask("--yes", "--accept-hourly", *kind)
    ask("--dry-run", *kind)
    assert len(questions) == 1


def test_the_hours_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    ask("--dry-run", "--instance-type", "ml.m5.large", "--instances", "4", "--max-instances", "4")
    assert "4 x ml.m5.large: $0.460 an hour, used or not, for 8 hours, $3.68" in capsys.readouterr().out
    ask("--dry-run", "--instance-type", "ml.m5.large", "--ttl-hours", "0")
    assert "until `make destroy`" in capsys.readouterr().out
    ask("--dry-run", "--provisioned", "2")
    assert "at most $0.288 an hour" in capsys.readouterr().out


def test_prices_of_another_region_are_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    ask("--dry-run", region="eu-west-1")
    assert "No prices of eu-west-1 are known here: these are of us-east-1" in capsys.readouterr().out


def test_the_pages_container_asks_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(StageError, match="ACCEPT_HOURLY=1"):
        deploy.page_up(stage, deploy.parser().parse_args(["page", "up", "--yes"]))


def price_list(handler: Handler, body: bytes) -> None:
    """Speaks the Price List API's wire: one product at 0.25 for ml.m5.large, nothing for the rest."""
    wanted = {item["Field"]: item["Value"] for item in json.loads(body)["Filters"]}
    tiers = {"a": {"beginRange": "0", "pricePerUnit": {"USD": "0.2500000000"}}}
    product = {"terms": {"OnDemand": {"x": {"priceDimensions": tiers}}}}
    found = [json.dumps(product)] if wanted == {"usagetype": "USE1-Host:ml.m5.large"} else []
    handler.send(200, {"FormatVersion": "aws_v1", "PriceList": found})


@pytest.fixture
def pricing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with StandIn(price_list) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", server.url)
        yield boto3.Session().client("pricing", region_name="us-east-1")


def test_refresh_writes_todays_prices(pricing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "prices.json"
    shutil.copyfile(prices.PRICES, copy)
    monkeypatch.setattr(prices, "PRICES", copy)
    changes = prices.refresh(pricing)
    assert "ml.m5.large: 0.115 -> 0.25" in changes
    assert prices.price("ml.m5.large") == 0.25
    assert prices.price("ml.c5.large") == 0.102
    assert any("ml.c5.large" in change and "kept" in change for change in changes)
