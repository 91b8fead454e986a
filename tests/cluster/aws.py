"""cluster.yaml itself, against moto's AWS: hosts of the laboratory wait at the addresses that moto gives its instances.

Beside its values, and what it installs (see onprem.py), this is changed: the subnet, because moto's addresses have to
be the hosts'; addresses and user that lead to the hosts; how long a machine idles before it is ended; that there is one
spot machine to be had; and that a worker has one core, because all share this machine's.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.commands import wait_for
from tests.cluster.laboratory import Host, Laboratory
from tests.cluster.onprem import ENVIRONMENT, linked

REGION = "us-east-1"
GATEWAY = "10.77.0.1"
ENDPOINT = f"http://{GATEWAY}:5000"
BUCKET = "runs-of-the-laboratory"
LAPTOP = Host("laptop", "10.77.0.200", shares=False, has_repository=True)
# moto gives out addresses in this order, and none twice.
INSTANCES = tuple(Host(f"instance{last}", f"10.77.0.{last}", shares=False) for last in range(4, 9))
ACCOUNT = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
LOGIN = {**ENVIRONMENT, **ACCOUNT}
# At EC2's own address, which the hosts' way out leads to.
SERVE_METADATA = """\
ip address add 169.254.169.254/32 dev bridge && exec python -m tests.cluster.metadata 169.254.169.254 80 {folder}"""
# A network with the hosts' addresses, and an image; what is made of it is printed as JSON.
PREPARE = """
import boto3, json
ec2 = boto3.client("ec2")
vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
zone = "us-east-1a"
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.0.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
print(json.dumps({"vpc": vpc, "subnet": subnet, "image": image}))
"""
SET_UP = """\
python -m search.cluster_files.setup --yes --out {path} --region {region} --bucket {bucket} --vpc {vpc} \
--image {image} --ssh-from 10.77.0.200/32"""
DESCRIBE = """
import boto3, json
pages = boto3.client("ec2").describe_instances()["Reservations"]
print(json.dumps([one for page in pages for one in page["Instances"]], default=str))
"""


def fitted(text: str, subnet: str, idle_minutes: float) -> dict[str, Any]:
    """Return the file that the set-up wrote, for the laboratory."""
    file = linked(yaml.safe_load(text))
    file["provider"]["use_internal_ips"] = True
    file["auth"]["ssh_user"] = "root"
    file["idle_timeout_minutes"] = idle_minutes
    file["available_node_types"]["gpu_spot"]["max_workers"] = 1
    for name, kind in file["available_node_types"].items():
        kind["node_config"]["SubnetIds"] = [subnet]
        if name != file["head_node_type"]:
            kind["resources"]["CPU"] = 1
    return file


class Aws:
    """The cluster of the file, its laptop, and the account that it is in."""

    path = "~/cluster.yaml"

    def __init__(self, laboratory: Laboratory, idle_minutes: float = 1) -> None:
        """Open the account and set it up, as `make cluster-setup` does."""
        self.laboratory = laboratory
        self.notices = laboratory.folder / "notices"
        self.notices.mkdir()
        self.servers = [
            laboratory.start(None, f"moto_server -H {GATEWAY} -p 5000", 3600),
            laboratory.start(None, SERVE_METADATA.format(folder=shlex.quote(str(self.notices))), 3600),
        ]
        listening = f"import socket; socket.create_connection(('{GATEWAY}', 5000), 1)"
        wait_for(lambda: not laboratory.start(None, f"python -c {shlex.quote(listening)}").wait(), "moto's server", 60)
        made = yaml.safe_load(self.ask(PREPARE))
        self.laptop(SET_UP.format(path=self.path, region=REGION, bucket=BUCKET, vpc=made["vpc"], image=made["image"]))
        file = laboratory.home(LAPTOP.name) / Path(self.path).name
        fitting = fitted(file.read_text(), made["subnet"], idle_minutes)
        file.write_text(yaml.safe_dump(fitting, sort_keys=False))

    def ask(self, script: str) -> str:
        """Run a Python script that talks to AWS, and return what it printed."""
        return self.laboratory.run(None, f"python -c {shlex.quote(script)}", 60)

    def instances(self) -> list[dict[str, Any]]:
        """Return all instances that there were, as EC2 describes them."""
        return list(yaml.safe_load(self.ask(DESCRIBE)))

    def up(self) -> None:
        """Start the cluster; in the place of EC2, put the key that Ray makes onto the hosts."""
        started = self.laboratory.start(LAPTOP.name, f"ray up --yes {self.path}", 400)
        key = self.laboratory.home(LAPTOP.name) / f".ssh/ray-autoscaler_{REGION}.pem"
        wait_for(lambda: key.exists() and key.read_text().endswith("-----\n"), "Ray's key", 240)
        public = self.laboratory.run(LAPTOP.name, f"ssh-keygen -y -f ~/.ssh/{key.name}")
        for host in INSTANCES:
            folder = self.laboratory.home(host.name) / ".ssh"
            folder.mkdir(mode=0o700)
            (folder / "authorized_keys").write_text(public)
        if started.wait():
            raise RuntimeError(started.printed()[-4000:])

    def laptop(self, command: str, seconds: float = 300) -> str:
        """Run a command on the laptop, in the project's folder; return what it printed."""
        return self.laboratory.run(LAPTOP.name, command, seconds)

    def running(self, kind: str) -> list[dict[str, Any]]:
        """Return the instances of one type of the file that run."""
        tagged = {"Key": "ray-user-node-type", "Value": kind}
        return [one for one in self.instances() if tagged in one.get("Tags", []) and one["State"]["Name"] == "running"]

    def give_notice(self, instance: dict[str, Any]) -> None:
        """Tell a machine that it will be taken away, as EC2 does two minutes before."""
        (self.notices / instance["PrivateIpAddress"]).touch()

    def take(self, instance: dict[str, Any]) -> None:
        """Take a machine away, as EC2 does with a spot machine: it ends, and all that ran on it."""
        (host,) = [host for host in INSTANCES if host.address == instance["PrivateIpAddress"]]
        self.laboratory.plug(host.name, in_=False)
        name = instance["InstanceId"]
        self.ask(f"import boto3; boto3.client('ec2').terminate_instances(InstanceIds=['{name}'])")
