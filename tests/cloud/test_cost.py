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
from backend.deploy import cost
from backend.deploy.refusals import StageError
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stand_in import Handler

WAYS = {way.name: way for way in cost.ways()}


def test_embedded_at_10000_a_day() -> None:
    """Alarms 3 x 0.10. A request: Lambda 2e-7, REST 3.5e-6, 1.2 kB of log at 0.50/GB, 12 ms x 1 GB at 0.0000166667."""
    request = 0.0000002 + 0.0000035 + 0.0000006 + 0.0000002
    assert WAYS["embedded in Lambda"].monthly(10_000) == pytest.approx(0.30 + 10_000 * 730 / 24 * request, rel=1e-4)
    assert WAYS["embedded in Lambda"].monthly(10_000) == pytest.approx(1.67, abs=0.005)


def test_serverless_at_1000_a_day() -> None:
    """As embedded, but 60 ms of Lambda, and 34 ms x 2 GB x 0.00002 + 3.5 kB x 0.016/GB of the endpoint."""
    request = 0.0000002 + 0.0000035 + 0.0000006 + 0.000001000002 + 0.00000136 + 0.000000056
    assert WAYS["serverless endpoint"].monthly(1_000) == pytest.approx(0.30 + 30416.67 * request, rel=1e-4)
    assert WAYS["serverless endpoint"].monthly(1_000) == pytest.approx(0.50, abs=0.005)


def test_instance_at_rest_and_at_two_instances() -> None:
    """ml.m5.large: 0.115 x 730 = 83.95, and alarms. 2 million a day peak at 69 a second: two instances of 50."""
    way = WAYS["endpoint on ml.m5.large"]
    assert way.monthly(0) == pytest.approx(83.95 + 0.30)
    requests = 2_000_000 * 730 / 24 * (0.0000002 + 0.0000035 + 0.0000006 + 0.00000100000)
    assert way.monthly(2_000_000) == pytest.approx(2 * 83.95 + 0.30 + requests, rel=1e-4)


def test_break_even_is_where_both_cost_the_same() -> None:
    serverless, small = WAYS["serverless endpoint"], WAYS["endpoint on ml.t2.medium"]
    crossing = cost.break_even(serverless, small)
    assert crossing is not None
    assert serverless.monthly(crossing) == pytest.approx(small.monthly(crossing), rel=1e-6)
    assert serverless.monthly(crossing * 0.99) < small.monthly(crossing * 0.99)


def test_cheaper_at_rest_and_each_request_never_breaks_even() -> None:
    assert cost.break_even(WAYS["embedded in Lambda"], WAYS["serverless endpoint"]) is None


def test_old_prices_are_warned_of() -> None:
    made = date.fromisoformat(cost.book()["date"])
    assert cost.stale(made) == ""
    assert "--refresh" in cost.stale(made.replace(year=made.year + 1))


def test_report_names_every_way_and_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    deploy.main(["cost", "--requests-per-day", "5000"])
    printed = capsys.readouterr().out
    for name in (*WAYS, "Lightsail container 7.00", "5,000 a day"):
        assert name in printed


def test_chart_is_drawn(tmp_path: Path) -> None:
    deploy.main(["cost", "--chart", str(tmp_path / "cost.svg")])
    assert (tmp_path / "cost.svg").read_text().count("<path") > len(WAYS)


def ask(*options: str) -> None:
    deploy.ask(deploy.parser().parse_args(["up", *options]))


def test_instance_without_price_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(StageError, match=r"ml\.m5\.large"):
        ask("--yes", "--instance-type", "ml.p5.48xlarge")


def test_nothing_goes_on_without_a_yes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody there to ask
    with pytest.raises(StageError, match="YES=1"):
        ask("--instance-type", "ml.m5.large")
    assert "$0.115 an hour" in capsys.readouterr().out
    ask("--yes")


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
    shutil.copyfile(cost.PRICES, copy)
    monkeypatch.setattr(cost, "PRICES", copy)
    changes = cost.refresh(pricing)
    assert "ml.m5.large: 0.115 -> 0.25" in changes
    assert cost.hourly_price("ml.m5.large") == 0.25
    assert cost.hourly_price("ml.c5.large") == 0.102
    assert any("ml.c5.large" in change and "kept" in change for change in changes)
