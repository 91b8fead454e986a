"""What a region has that a cluster needs: a network, zones with its types of machines, and an image."""

from collections.abc import Iterable

from botocore.exceptions import ClientError

from search.cluster_files.aws.account import Account
from search.cluster_files.aws.errors import code
from trainables.domain import UsageError

IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""Name of the parameter by which AWS gives today's image with an NVIDIA driver."""


def network(account: Account) -> str:
    """Return the id of the region's default VPC.

    Raises:
        UsageError: it has none.
    """
    filters = [{"Name": "is-default", "Values": ["true"]}]
    vpcs = account.client("ec2").describe_vpcs(Filters=filters)["Vpcs"]
    if not vpcs:
        make = f"make it with `aws ec2 create-default-vpc --region {account.region}`, or give --vpc"
        raise UsageError(f"the account has no default VPC in {account.region}; {make}")
    return str(vpcs[0]["VpcId"])


def zones(account: Account, vpc: str, machines: Iterable[str]) -> list[str]:
    """Return the zones, sorted, that have a public subnet of the VPC and offer each of these types of machines.

    Raises:
        UsageError: there are none.
    """
    ec2 = account.client("ec2")
    types = sorted(set(machines))
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    found = {one["AvailabilityZone"] for one in subnets if one["MapPublicIpOnLaunch"]}
    if not found:
        raise UsageError(f"the VPC {vpc} has no subnet that gives machines a public address; give --vpc with one")
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
    )
    offered = [(one["InstanceType"], one["Location"]) for page in pages for one in page["InstanceTypeOfferings"]]
    for kind in types:
        found &= {zone for machine, zone in offered if machine == kind}
        if not found:
            choice = "give another --region, or change the type in a copy of cluster.yaml that you name with --out"
            raise UsageError(f"{account.region} offers no {kind} where {vpc} has public subnets; {choice}")
    return sorted(found)


def image(account: Account) -> str:
    """Return the id of today's image of AWS with an NVIDIA driver.

    Raises:
        UsageError: AWS has none in this region.
    """
    try:
        return str(account.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"])
    except ClientError as error:
        if code(error) != "ParameterNotFound":
            raise
        text = f"AWS names no image with an NVIDIA driver in {account.region}"
        raise UsageError(f"{text}; give --image with the id of one, ami-...") from None
