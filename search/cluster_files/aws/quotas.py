"""How many machines AWS lets the account start: a new account mostly has no GPU machines."""

import re
from collections import Counter
from collections.abc import Iterator

from search.cluster_files.aws.account import Account
from search.cluster_files.aws.errors import Refused
from search.cluster_files.aws.machines import planned
from search.cluster_files.file import ClusterFile

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


def lines(account: Account, file: ClusterFile) -> Iterator[str]:
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
