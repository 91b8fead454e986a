"""What a cluster costs an hour, and the quotas of the account: a new one may mostly start no GPU machines."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from search.cluster_files.aws.account import Account
from search.cluster_files.aws.errors import Refused
from search.cluster_files.file import ClusterFile

PRICING = "us-east-1"  # answers for every region
LOOK = "https://aws.amazon.com/ec2/pricing"
STANDARD = ("a", "c", "d", "h", "i", "m", "r", "t", "z")
# AWS's codes, by the letters that a type begins with and whether it is spot; each counts virtual cores in a region.
CODES = {
    **{(letter, False): "L-1216C47A" for letter in STANDARD},
    **{(letter, True): "L-34B43A08" for letter in STANDARD},
    **{(letters, False): "L-DB2E81BA" for letters in ("g", "vt")},
    **{(letters, True): "L-3819A6DF" for letters in ("g", "vt")},
    ("p", False): "L-417A185B",
}
ASK = "aws service-quotas request-service-quota-increase --service-code ec2"


class Machines(NamedTuple):
    """The machines of one node type of a cluster file."""

    name: str
    kind: str
    """EC2's type, such as g6.xlarge."""
    is_spot: bool
    is_head: bool
    most: int
    """How many there may be at once."""


def planned(file: ClusterFile) -> Iterator[Machines]:
    """Yield the machines of each node type of a file."""
    for name, node_type in file.get("available_node_types").items():
        config, is_head = node_type["node_config"], name == file.get("head_node_type")
        is_spot = (config.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"
        most = 1 if is_head else node_type.get("max_workers", file.get("max_workers") or 0)
        yield Machines(name, config["InstanceType"], is_spot, is_head, most)


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


def quota_lines(account: Account, file: ClusterFile) -> Iterator[str]:
    """Yield what to ask AWS for, two lines for each quota that is too small for the file; one where it does not say."""
    try:
        needed = _needed(account, file)
        quotas = account.client("service-quotas")
        found = {code: quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"] for code in needed}
    except Refused:
        yield "  AWS does not tell these credentials the quotas of the account; a new one may start no GPU machines."
        return
    for code, quota in found.items():
        if quota["Value"] < needed[code]:
            has = f"{quota['Value']:.0f}"
            yield f"  The quota {quota['QuotaName']} is {has}, and the file may use {needed[code]}. To ask:"
            yield f"    {ASK} --quota-code {code} --desired-value {needed[code]} --region {account.region}"


def _needed(account: Account, file: ClusterFile) -> Counter[str]:
    """Return the virtual cores that a file may use, by the code of the quota."""
    machines = list(planned(file))
    types = sorted({one.kind for one in machines})
    answer = account.client("ec2").describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    cores = {one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in answer}
    needed: Counter[str] = Counter()
    for one in machines:
        letters = re.match(r"[a-z]+", one.kind)
        code = CODES.get((letters[0] if letters else "", one.is_spot))
        if code:
            needed[code] += one.most * cores[one.kind]
    return needed
