"""What a stage costs a month, from prices.json without the free tier, so a bill is this or less.

`make cost` prints the table; `make deploy` shows the sentence for its stage before it asks. Standard library only, but
for the chart's matplotlib.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from backend.deploy.refusals import StageError

PRICES = Path(__file__).parent / "prices.json"
STALE_DAYS = 183  # six months
HOURS = 730  # a month, as AWS bills it
DAYS = HOURS / 24
LAMBDA_GB = 1.0  # zappa_settings.json: memory_size 1024
RELAY_SECONDS = 0.060  # Lambda, warm: 10 ms of its own and the wait for the endpoint
EMBEDDED_SECONDS = 0.012  # Lambda, warm: decode, normalise, LiteRT
ENDPOINT_GB = 2.0
ENDPOINT_SECONDS = 0.034  # a serverless endpoint's billed time for one picture
PAYLOAD_GB = 3.5e-6  # 28x28 numbers as JSON and the answer: 3.5 kB
LOG_GB = 1.2e-6  # our line and Lambda's own REPORT
ALARMS = 3
PEAK = 3  # the busiest minutes against the average; autoscaling follows the rest of the day
INSTANCE_RATE = 50  # requests a second that one instance takes: two cores at ENDPOINT_SECONDS


class Way(NamedTuple):
    """One way to run the product: USD a month at rest, and USD for each request; `instance` bills by the hour."""

    name: str
    fixed: float
    per_request: float
    instance: str = ""

    def monthly(self, requests_per_day: float) -> float:
        """USD a month at this traffic, with as many instances as its peak needs."""
        instances = math.ceil(requests_per_day / 86400 * PEAK / INSTANCE_RATE) if self.instance else 0
        more = max(0, instances - 1) * hourly_price(self.instance) * HOURS if self.instance else 0.0
        return self.fixed + more + self.per_request * requests_per_day * DAYS


def book() -> dict[str, Any]:
    """prices.json."""
    content: dict[str, Any] = json.loads(PRICES.read_text())
    return content


def price(name: str) -> float:
    """USD for one unit. Raises StageError naming what has a price."""
    prices = book()["prices"]
    if name not in prices:
        raise StageError(f"{name} has no price in {PRICES.name}; there are: {', '.join(prices)}.")
    return float(prices[name]["usd"])


def hourly_price(instance_type: str) -> float:
    """USD an hour of one SageMaker hosting instance. Raises StageError where it is not known."""
    return price(instance_type)


def ways() -> list[Way]:
    """Every way to run it, cheapest at rest first."""
    request = price("lambda_request") + price("rest_request") + LOG_GB * price("log_gb")
    relay = request + RELAY_SECONDS * LAMBDA_GB * price("lambda_gb_second")
    embedded = request + EMBEDDED_SECONDS * LAMBDA_GB * price("lambda_gb_second")
    at_work = ENDPOINT_SECONDS * ENDPOINT_GB * price("serverless_gb_second") + PAYLOAD_GB * price("serverless_gb")
    alarms = ALARMS * price("alarm")
    instances = [name for name in book()["prices"] if name.startswith("ml.")]
    return [
        Way("embedded in Lambda", alarms, embedded),
        Way("serverless endpoint", alarms, relay + at_work),
        *(Way(f"endpoint on {kind}", alarms + HOURS * price(kind), relay, kind) for kind in instances),
    ]


def break_even(one: Way, other: Way) -> float | None:
    """Requests a day above which `other`, dearer at rest, is cheaper than `one`; None where it never is.

    Where the traffic asks for more instances than one, the crossing is looked for among the steps.
    """
    if other.per_request >= one.per_request:
        return None
    for instances in range(1, 200):
        rest = other.fixed + (instances - 1) * (hourly_price(other.instance) * HOURS if other.instance else 0)
        crossing = max(0.0, (rest - one.fixed) / (one.per_request - other.per_request) / DAYS)
        if not other.instance or crossing <= instances * INSTANCE_RATE * 86400 / PEAK:
            return crossing
    return None


def stale(today: date) -> str:
    """A warning where the prices are older than six months, else empty."""
    made = date.fromisoformat(book()["date"])
    old = (today - made).days
    if old <= STALE_DAYS:
        return ""
    return f"The prices are of {made}, {old} days old: `python -m backend.deploy cost --refresh` gets today's."


def report(requests_per_day: float) -> str:
    """The table: each way a month at rest and at this traffic, break-evens, the page's hosting."""
    known = ways()
    lines = [f"{'USD a month':24} {'at rest':>9} {f'{requests_per_day:,.0f} a day':>16} {'per 1,000':>10}"]
    for way in known:
        month = way.monthly(requests_per_day)
        lines.append(f"{way.name:24} {way.fixed:9.2f} {month:16.2f} {1000 * way.per_request:10.4f}")
    serverless = known[1]
    for way in known[2:]:
        crossing = break_even(serverless, way)
        when = f"from {crossing:,.0f} requests a day" if crossing is not None else "never"
        lines.append(f"{way.name} is cheaper than serverless {when}")
    nano, fargate = price("page_lightsail_nano"), price("page_fargate")
    lines.append(
        f"the page: Community Cloud 0.00, Lightsail container {nano:.2f}, Fargate and load balancer {fargate:.2f}"
    )
    source = f"Prices of {book()['region']}, {book()['date']}, in {PRICES.name}; without the free tier."
    return "\n".join([*lines, source])


def estimate(mode: str, instance_type: str, requests_per_day: float) -> str:
    """One sentence for what is about to be deployed. Raises StageError on an instance type without price."""
    known = {way.instance or way.name: way for way in ways()}
    kinds = {"embedded": "embedded in Lambda", "sagemaker": instance_type or "serverless endpoint"}
    if kinds[mode] not in known:
        hourly_price(instance_type)
    way = known[kinds[mode]]
    hourly = f" {instance_type} bills ${hourly_price(instance_type):.3f} an hour, used or not." if way.instance else ""
    month = way.monthly(requests_per_day)
    return (
        f"{way.name}: ${way.fixed:.2f} a month at rest, ${month:.2f} at {requests_per_day:,.0f} requests a day.{hourly}"
    )


def chart(path: Path) -> None:
    """Draw USD a month over requests a day, both on log scales, into an .svg or .png."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5))
    traffic = [10 ** (exponent / 10) for exponent in range(10, 71)]
    for way in ways():
        axes.loglog(traffic, [way.monthly(requests) for requests in traffic], label=way.name)
    axes.set(xlabel="requests a day", ylabel="USD a month", title=f"What it costs, prices of {book()['date']}")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def refresh(client: Any) -> list[str]:
    """Ask the AWS Price List API (a boto3 pricing client) for each price, and rewrite prices.json; returns changes."""
    content, changes = book(), []
    for name, entry in content["prices"].items():
        if "service" not in entry:
            continue
        new = _ask(client, entry)
        if new is None:
            changes.append(f"{name}: AWS lists no such product, {entry['usd']} kept")
        elif not math.isclose(new, entry["usd"]):
            changes.append(f"{name}: {entry['usd']} -> {new}")
            entry["usd"] = new
    content["date"] = datetime.now(UTC).date().isoformat()
    PRICES.write_text(json.dumps(content, indent=2) + "\n")
    return changes


def _ask(client: Any, entry: dict[str, Any]) -> float | None:
    """The first tier's price of the product that the filters name."""
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in entry["filters"].items()]
    products = client.get_products(ServiceCode=entry["service"], Filters=filters)["PriceList"]
    for product in map(json.loads, products):
        for term in product["terms"].get("OnDemand", {}).values():
            for tier in term["priceDimensions"].values():
                usd = float(tier["pricePerUnit"].get("USD", 0))
                if usd and float(tier.get("beginRange", 0)) == 0:
                    return usd * (HOURS if entry.get("hours_to_month") else 1) / float(entry.get("divide_by", 1))
    return None
