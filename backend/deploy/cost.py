"""What a stage costs a month, from all that it bills for, without the free tier: a bill is this or less.

`make cost` prints the table; `make deploy` shows the lines for its stage before it asks. Not counted: cents of storage.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from backend.deploy.prices import HOURS, PRICES, book, other_region, price

if TYPE_CHECKING:
    from pathlib import Path

DAYS = HOURS / 24
RELAY_SECONDS = 0.060  # Lambda, warm: 10 ms of its own and the wait for the endpoint
EMBEDDED_SECONDS = 0.012  # Lambda, warm: decode, normalise, LiteRT
ENDPOINT_SECONDS = 0.034  # a serverless endpoint's billed time for one picture
PAYLOAD_GB = 3.5e-6  # 28x28 numbers as JSON and the answer: 3.5 kB
LOG_GB = 1.2e-6  # our line and Lambda's own REPORT
ALARMS = {"embedded": 3, "sagemaker": 4}  # watch.alarms
SCALING_ALARMS = 2  # target tracking makes its own: one to add, one to remove
METRICS = 6  # telemetry's, each a month for each stage
TRACED_A_DAY = 86400  # X-Ray's default rule: the first request of each second, and 5 % of the rest
PEAK = 3  # the busiest minutes against the average; autoscaling follows the rest of the day
INSTANCE_RATE = 50  # requests a second that one instance takes: two cores at ENDPOINT_SECONDS
BURSTABLE = "ml.t"  # such types cannot autoscale


class Setup(NamedTuple):
    """What decides a stage's bill; the defaults are those of a plain `make deploy`."""

    mode: str = "sagemaker"
    instance_type: str = ""
    instances: int = 1
    max_instances: int = 2
    memory_mb: int = 2048
    provisioned: int = 0
    ttl_hours: float = 0  # 0: until it is destroyed
    lambda_mb: int = 1024
    metrics: bool = False
    traces: bool = True

    @property
    def scales(self) -> bool:
        """Whether autoscaling adds and removes instances."""
        return bool(self.instance_type) and not self.instance_type.startswith(BURSTABLE)

    @property
    def hourly(self) -> float:
        """USD an hour at rest. Raises StageError on an instance type without price."""
        if self.mode == "embedded":
            return 0.0
        if self.instance_type:
            return self.instances * price(self.instance_type)
        # AWS's price of capacity held ready is below the one of capacity at work, which is the one that is known here
        return self.provisioned * self.memory_mb / 1024 * 3600 * price("serverless_gb_second")

    @property
    def fixed(self) -> float:
        """USD a month beside what bills by the hour: alarms and metrics."""
        alarms = ALARMS[self.mode] + (SCALING_ALARMS if self.mode == "sagemaker" and self.scales else 0)
        return alarms * price("alarm") + (METRICS * price("metric") if self.metrics else 0)

    @property
    def per_request(self) -> float:
        """USD a request, but for traces."""
        request = price("lambda_request") + price("rest_request") + LOG_GB * price("log_gb")
        seconds = EMBEDDED_SECONDS if self.mode == "embedded" else RELAY_SECONDS
        request += seconds * self.lambda_mb / 1024 * price("lambda_gb_second")
        if self.mode == "embedded" or self.instance_type:
            return request
        return request + asked(self.memory_mb)

    @property
    def at_rest(self) -> float:
        """USD a month without a request."""
        return self.fixed + HOURS * self.hourly

    def monthly(self, requests_per_day: float) -> float:
        """USD a month at this traffic, with as many instances as its peak needs and it may have."""
        needed = math.ceil(requests_per_day / 86400 * PEAK / INSTANCE_RATE) if self.scales else 0
        more = max(0, min(needed, self.max_instances) - self.instances)
        traced = min(requests_per_day, TRACED_A_DAY) + 0.05 * max(0.0, requests_per_day - TRACED_A_DAY)
        usd = self.at_rest + (more * HOURS * price(self.instance_type) if more else 0)
        return usd + DAYS * (requests_per_day * self.per_request + (traced * price("trace") if self.traces else 0))

    @property
    def name(self) -> str:
        """The way it runs, in words."""
        if self.mode == "embedded":
            return "embedded in Lambda"
        return f"endpoint on {self.instance_type}" if self.instance_type else "serverless endpoint"


def asked(memory_mb: int) -> float:
    """USD that a serverless endpoint costs for one question."""
    work = ENDPOINT_SECONDS * memory_mb / 1024 * price("serverless_gb_second")
    return work + PAYLOAD_GB * price("serverless_gb")


def ways() -> list[Setup]:
    """Every way to run it, cheapest at rest first, on as many instances as the traffic asks for."""
    instances = [name for name in book()["prices"] if name.startswith("ml.")]
    known = [Setup("embedded"), Setup(), *(Setup(instance_type=kind, max_instances=200) for kind in instances)]
    return sorted(known, key=lambda way: (way.at_rest, way.monthly(1000)))


def break_even(one: Setup, other: Setup) -> float | None:
    """Requests a day above which `other`, dearer at rest, is cheaper than `one`; None where it never is."""
    if other.per_request >= one.per_request:
        return None
    for instances in range(1, other.max_instances + 1 if other.scales else 2):
        rest = other.at_rest + (instances - 1) * other.hourly * HOURS
        crossing = max(0.0, (rest - one.at_rest) / (one.per_request - other.per_request) / DAYS)
        if crossing <= instances * INSTANCE_RATE * 86400 / PEAK:
            return crossing
    return None


def report(requests_per_day: float) -> str:
    """The table: each way a month at rest and at this traffic, break-evens, the page's hosting."""
    known, serverless = ways(), Setup()
    lines = [f"{'USD a month':24} {'at rest':>9} {f'{requests_per_day:,.0f} a day':>16} {'per 1,000':>10}"]
    for way in known:
        each = way.per_request + (price("trace") if way.traces else 0)
        lines.append(f"{way.name:24} {way.at_rest:9.2f} {way.monthly(requests_per_day):16.2f} {1000 * each:10.4f}")
    for way in known:
        if way.instance_type:
            crossing = break_even(serverless, way)
            when = "never cheaper" if crossing is None else f"cheaper from {crossing:,.0f} requests a day"
            lines.append(f"than serverless, {way.name} is {when}")
    lines.append(f"BACKEND_METRICS adds {METRICS * price('metric'):.2f} a month, X-Ray's traces are counted above")
    nano, fargate = price("page_lightsail_nano"), price("page_fargate")
    lines.append(
        f"the page: Community Cloud 0.00, Lightsail container {nano:.2f}, Fargate and load balancer {fargate:.2f}"
    )
    source = f"Prices of {book()['region']}, {book()['date']}, in {PRICES.name}; without the free tier."
    return "\n".join([*lines, source])


def estimate(setup: Setup, requests_per_day: float, region: str) -> list[str]:
    """The lines for what is about to be deployed. Raises StageError on an instance type without price."""
    at_rest, month = setup.at_rest, setup.monthly(requests_per_day)
    lines = [f"{setup.name}: ${at_rest:.2f} a month at rest, ${month:.2f} at {requests_per_day:,.0f} requests a day."]
    if setup.hourly:
        what = f"{setup.instances} x {setup.instance_type}" if setup.instance_type else "Provisioned concurrency"
        hourly = f"${setup.hourly:.3f} an hour" if setup.instance_type else f"at most ${setup.hourly:.3f} an hour"
        until = "until `make destroy`"
        if setup.instance_type and setup.ttl_hours:
            until = f"for {setup.ttl_hours:g} hours, ${setup.ttl_hours * setup.hourly:.2f}; then it removes itself"
        lines.append(f"{what}: {hourly}, used or not, {until}.")
    return [*lines, *filter(None, [other_region(region)])]


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
