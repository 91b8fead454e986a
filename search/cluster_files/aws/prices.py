"""What a cluster costs an hour, as AWS's Pricing API and EC2 say."""

import json
from collections.abc import Iterator
from typing import Any

from search.cluster_files.aws.account import Account
from search.cluster_files.aws.errors import Refused
from search.cluster_files.aws.machines import planned
from search.cluster_files.file import ClusterFile

PRICING = "us-east-1"  # answers for every region
LOOK = "https://aws.amazon.com/ec2/pricing"


def lines(account: Account, file: ClusterFile) -> Iterator[str]:
    """Yield what a cluster file costs an hour: a line for each node type, the sum, and what else costs."""
    sums: list[float | None] = []
    for one in planned(file):
        price = spot(account, one.kind) if one.is_spot else on_demand(account, one.kind)
        sums.append(None if price is None else one.most * price)
        count, cost = "1" if one.is_head else f"0 to {one.most}", "not known" if price is None else f"${price:.3f} each"
        yield f"  {one.name:<14} {count:>7}  {one.kind:<12} {'spot' if one.is_spot else 'on demand':<9}  {cost}"
    known = [each for each in sums if each is not None]
    if len(known) == len(sums):
        yield f"  All of them at once: ${sum(known):.2f} an hour."
    else:
        yield f"  AWS does not tell these credentials every price; see {LOOK}."
    yield "  Machines run from `ray up` to `ray down`, and workers only while there are trials."
    yield "  Not counted: their disks, the bucket, and traffic to the internet."


def on_demand(account: Account, kind: str) -> float | None:
    """Return the price in dollars of an hour of a machine with Linux, None if AWS does not tell it."""
    wanted = {
        "instanceType": kind,
        "regionCode": account.region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    try:
        answer = account.client("pricing", PRICING).get_products(ServiceCode="AmazonEC2", Filters=filters)
    except Refused:
        return None
    prices = [price for text in answer["PriceList"] for price in _hourly(json.loads(text))]
    return min(prices, default=None)


def spot(account: Account, kind: str) -> float | None:
    """Return the lowest price in dollars that an hour of a spot machine has in a zone today, None if unknown."""
    try:
        answer = account.client("ec2").describe_spot_price_history(
            InstanceTypes=[kind], ProductDescriptions=["Linux/UNIX"], MaxResults=20
        )
    except Refused:
        return None
    return min((float(one["SpotPrice"]) for one in answer["SpotPriceHistory"] if "SpotPrice" in one), default=None)


def _hourly(product: dict[str, Any]) -> Iterator[float]:
    """Yield the hourly prices on demand in dollars of a product of the Pricing API; those of other uses are 0."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = float(dimension["pricePerUnit"].get("USD", 0))
            if dimension["unit"] == "Hrs" and price > 0:
                yield price
