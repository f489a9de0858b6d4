"""The deployment on paper, run: API Gateway, Lambda's concurrency and serverless endpoints, as one queueing model.

Requests come at random (Poisson). Each holds a Lambda for its own time and the endpoint's, and an endpoint slot for the
latter; whoever finds no slot is refused at once, as AWS does (429 of Lambda, throttling of the endpoint). The simulated
share of refusals must agree with Erlang's loss formula (1917), which is how the paper's numbers are worked out.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.deploy.prices import price

GATEWAY = 10_000  # requests a second, steady, in one account and region
LAMBDAS = 1000  # running at once, an account's first quota
SERVERLESS = 200  # running at once in one serverless endpoint
RATES = (10, 1_000, 100_000)  # requests a second


@dataclass(frozen=True)
class Deployment:
    """Seconds that a request holds each part, and how many of each there are."""

    function_s: float  # the function's own work
    endpoint_s: float  # 0: the model is inside the function
    lambdas: int = LAMBDAS
    slots: int = SERVERLESS  # of all endpoints together
    gateway: int = GATEWAY

    @property
    def held_s(self) -> float:
        """How long one request occupies a Lambda: it waits for the endpoint."""
        return self.function_s + self.endpoint_s


def refused(load: float, servers: int) -> float:
    """Erlang's loss formula: the share refused of `load` (arrivals a second x seconds each) by `servers` slots."""
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = load * blocking / (n + load * blocking)
    return blocking


def needed(load: float, share: float = 0.001) -> int:
    """The fewest slots that refuse no more than `share`; above 3,000 the load and three of its standard deviations."""
    if not load:
        return 0
    if load > 3000:
        return math.ceil(load + 3 * math.sqrt(load))
    blocking, n = 1.0, 0
    while blocking > share:
        n += 1
        blocking = load * blocking / (n + load * blocking)
    return n


def simulate(deployment: Deployment, rate: float, requests: int = 60_000, seed: int = 1) -> dict[str, float]:
    """`requests` arrivals at `rate` a second -> the share refused by the gateway, Lambda and the endpoint."""
    rng = np.random.default_rng(seed)
    kept = min(1.0, deployment.gateway / rate)  # the gateway's bucket, smoothed
    arrivals = np.cumsum(rng.exponential(1 / (rate * kept), int(requests * kept)))
    own = rng.exponential(deployment.function_s, len(arrivals))
    away = rng.exponential(deployment.endpoint_s, len(arrivals)) if deployment.endpoint_s else np.zeros(len(arrivals))
    running: list[float] = []  # when each Lambda is free again
    serving: list[float] = []  # when each endpoint slot is
    no_lambda = no_slot = 0
    for now, mine, theirs in zip(arrivals.tolist(), own.tolist(), away.tolist(), strict=True):
        for held in (running, serving):
            while held and held[0] <= now:
                heapq.heappop(held)
        if len(running) >= deployment.lambdas:
            no_lambda += 1
            continue
        if theirs and len(serving) >= deployment.slots:
            no_slot += 1
            heapq.heappush(running, now + mine)
            continue
        if theirs:
            heapq.heappush(serving, now + theirs)
        heapq.heappush(running, now + mine + theirs)
    n = max(1, len(arrivals))
    return {"gateway": 1 - kept, "lambda": kept * no_lambda / n, "endpoint": kept * no_slot / n}


def usd_per_million(deployment: Deployment, memory_gb: float = 1.0, endpoint_gb: float = 2.0) -> float:
    """What a million requests cost, by backend/prices.json: gateway, function, endpoint."""
    function = deployment.held_s * memory_gb * price("lambda_gb_second") + price("lambda_request")
    endpoint = deployment.endpoint_s * endpoint_gb * price("serverless_gb_second")
    return 1e6 * (price("rest_request") + function + endpoint)


def paper(relay_s: float, embedded_s: float, endpoint_s: float) -> list[dict[str, Any]]:
    """For each rate and way: what has to be there, what the default quotas refuse, what it costs.

    `relay_s`, `embedded_s`: the function's own seconds for a request; `endpoint_s`: the endpoint's.
    """
    ways = {"relayed": Deployment(relay_s, endpoint_s), "embedded": Deployment(embedded_s, 0)}
    return [
        {
            "rate": rate,
            "way": name,
            "lambdas_needed": needed(rate * deployment.held_s),
            "endpoints_needed": math.ceil(needed(rate * deployment.endpoint_s) / SERVERLESS),
            "gateways_needed": math.ceil(rate / GATEWAY),
            "refused_by_default": {part: round(share, 4) for part, share in simulate(deployment, rate).items()},
            "usd_per_million": round(usd_per_million(deployment), 2),
        }
        for rate in RATES
        for name, deployment in ways.items()
    ]
