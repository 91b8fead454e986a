"""The AWS account, and the names and tags of what one set-up makes in it."""

from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

from search.cluster_files.aws.errors import of_aws
from trainables.domain import UsageError

TAG = "diffusion-search-setup"
"""Key of the tag of all that is made; its value is the name of the set-up."""
CONFIG = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})

# Of all sessions: to read the models of the services takes a second of a core.
LOADER = botocore.loaders.create_loader()


@dataclass(frozen=True)
class Account:
    """An account, and the region that clients talk to where no other is named."""

    session: Any
    region: str
    number: str
    """Twelve digits."""
    user: str
    """The ARN of whose credentials these are."""
    clients: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def open(cls, region: str) -> "Account":
        """Return the account of the credentials that boto3 finds.

        Raises:
            UsageError: the region is unknown, there are no credentials, or AWS does not take them.
        """
        with of_aws():
            session = _session(region)
            if region not in session.get_available_regions("ec2", session.get_partition_for_region(region)):
                raise UsageError(f"AWS has no region {region}; give --region with one of its own, such as us-east-1")
            caller = session.client("sts", config=CONFIG).get_caller_identity()
        return cls(session, region, caller["Account"], caller["Arn"])

    def client(self, service: str, region: str | None = None) -> Any:
        """Return boto3's client of a service, the same one each time."""
        where = (service, region or self.region)
        if where not in self.clients:
            self.clients[where] = self.session.client(service, region_name=where[1], config=CONFIG)
        return self.clients[where]

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of IAM or S3; S3's have no account in them."""
        number = "" if service == "s3" else self.number
        return f"arn:{self.session.get_partition_for_region(self.region)}:{service}::{number}:{resource}"


@dataclass(frozen=True)
class SetUp:
    """What one set-up is called, and where it is."""

    name: str
    """Of the cluster, and the beginning of the names of its roles."""
    region: str
    bucket: str

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of all that is made, as AWS takes them; roles are the account's, so these say region and bucket."""
        tags = {TAG: self.name, f"{TAG}-region": self.region, f"{TAG}-bucket": self.bucket}
        return [{"Key": key, "Value": value} for key, value in tags.items()]


def configured_region() -> str | None:
    """Return the region of the AWS configuration, None if it names none."""
    with of_aws():
        return _session().region_name or None


def _session(region: str | None = None) -> Any:
    core = botocore.session.Session()
    core.register_component("data_loader", LOADER)
    return boto3.Session(region_name=region, botocore_session=core)


def as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    """Return tags that AWS gave."""
    return {tag["Key"]: tag["Value"] for tag in tags}
