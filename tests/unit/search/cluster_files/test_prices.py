"""Prices, quotas and images: what AWS answers, as its models have it, since moto has none of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

boto3 = pytest.importorskip("boto3", reason="boto3 is missing: pip install '.[cluster]'")

from botocore.stub import Stubber  # noqa: E402

from search.cluster_files.aws import prices, region  # noqa: E402
from search.cluster_files.aws.account import Account  # noqa: E402
from search.cluster_files.check import ROOT  # noqa: E402
from search.cluster_files.file import ClusterFile  # noqa: E402
from trainables.domain import UsageError  # noqa: E402

FILE = ClusterFile.read(ROOT / "cluster.yaml")


class Answering:
    """A session whose clients give answers in a row, checked against botocore's model of the service."""

    def __init__(self) -> None:
        self.stubs: dict[str, Any] = {}

    def answer(self, service: str, operation: str, answer: dict[str, Any] | str) -> None:
        if service not in self.stubs:
            self.stubs[service] = Stubber(boto3.client(service, region_name="us-east-1"))
            self.stubs[service].activate()
        if isinstance(answer, str):
            self.stubs[service].add_client_error(operation, answer)
        else:
            self.stubs[service].add_response(operation, answer)

    def client(self, service: str, **_: Any) -> Any:
        return self.stubs[service].client


@pytest.fixture
def session(home: Any) -> Answering:
    return Answering()


@pytest.fixture
def account(session: Answering) -> Account:
    return Account(session, "us-east-1", "123456789012", "arn:aws:iam::123456789012:user/me")


def product(*hourly: str, unit: str = "Hrs") -> dict[str, Any]:
    """An answer of the Pricing API, with what is read of it."""
    terms = {
        f"SKU.{number}": {"priceDimensions": {"SKU.RATE": {"unit": unit, "pricePerUnit": {"USD": price}}}}
        for number, price in enumerate(hourly)
    }
    return {"FormatVersion": "aws_v1", "PriceList": [json.dumps({"terms": {"OnDemand": terms}})]}


def spots(*dollars: str) -> dict[str, Any]:
    return {"SpotPriceHistory": [{"InstanceType": "g6.xlarge", "SpotPrice": price} for price in dollars]}


def test_the_sum_is_that_of_all_machines(session: Answering, account: Account) -> None:
    session.answer("pricing", "get_products", product("0.2000000000"))
    session.answer("pricing", "get_products", product("0.8000000000"))
    session.answer("ec2", "describe_spot_price_history", spots("0.5", "0.3"))
    head, demand, spot, total, *_ = prices.lines(account, FILE)
    assert [line.split()[-2:] for line in (head, demand, spot)] == [
        [f"${x}", "each"] for x in ("0.200", "0.800", "0.300")
    ]
    assert total == "  All of them at once: $2.20 an hour."


@pytest.mark.parametrize("answer", ["AccessDeniedException", product(), product("0.00"), product("9", unit="GB")])
def test_a_price_that_is_not_told_is_not_made_up(session: Answering, account: Account, answer: Any) -> None:
    session.answer("pricing", "get_products", answer)
    session.answer("pricing", "get_products", product("0.8"))
    session.answer("ec2", "describe_spot_price_history", "UnauthorizedOperation")
    head, demand, spot, total, *_ = prices.lines(account, FILE)
    assert [line.endswith("not known") for line in (head, demand, spot)] == [True, False, True]
    assert "see https://aws.amazon.com/ec2/pricing" in total


CORES = {
    "InstanceTypes": [
        {"InstanceType": kind, "VCpuInfo": {"DefaultVCpus": cores}}
        for kind, cores in (("m6i.xlarge", 4), ("g6.xlarge", 8))
    ]
}


def test_a_quota_that_is_too_small_is_named(session: Answering, account: Account) -> None:
    session.answer("ec2", "describe_instance_types", CORES)
    for name, value in (("standard", 4.0), ("demand", 0.0), ("spot", 31.0)):
        session.answer("service-quotas", "get_service_quota", {"Quota": {"QuotaName": name, "Value": value}})
    demand, ask_demand, spot, ask_spot = prices.quota_lines(account, FILE)
    assert "The quota demand is 0, and the file may use 8." in demand
    assert "The quota spot is 31, and the file may use 32." in spot
    assert "--quota-code L-DB2E81BA --desired-value 8 " in ask_demand
    assert "--quota-code L-3819A6DF --desired-value 32 " in ask_spot
    session.answer("ec2", "describe_instance_types", CORES)
    session.answer("service-quotas", "get_service_quota", "AccessDeniedException")
    (line,) = prices.quota_lines(account, FILE)
    assert "does not tell" in line


def test_todays_image_is_asked_for(session: Answering, account: Account) -> None:
    session.answer("ssm", "get_parameter", {"Parameter": {"Name": region.IMAGE, "Value": "ami-5"}})
    assert region.image(account) == "ami-5"
    session.answer("ssm", "get_parameter", "ParameterNotFound")
    with pytest.raises(UsageError, match="no image with an NVIDIA driver in eu-south-1; give --image"):
        region.image(replace(account, region="eu-south-1"))
