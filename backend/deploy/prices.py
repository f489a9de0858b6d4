"""AWS's prices: prices.json, how old it is, and today's from the Price List API. Without the free tier."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from backend.deploy.refusals import StageError

PRICES = Path(__file__).parent / "prices.json"
STALE_DAYS = 183  # six months
HOURS = 730  # a month, as AWS bills it


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


def other_region(region: str) -> str:
    """A sentence where the prices are not of this region, else empty."""
    known = book()["region"]
    if region == known:
        return ""
    return f"No prices of {region} are known here: these are of {known}, and yours differ."


def stale(today: date) -> str:
    """A warning where the prices are older than six months, else empty."""
    made = date.fromisoformat(book()["date"])
    old = (today - made).days
    if old <= STALE_DAYS:
        return ""
    return f"The prices are of {made}, {old} days old: `python -m backend.deploy cost --refresh` gets today's."


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
