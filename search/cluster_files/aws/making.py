"""Set an account up for a cluster: look, show, ask, make, and write the cluster file."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from search.cluster_files.aws import bucket, group, prices, region, roles
from search.cluster_files.aws.account import Account, SetUp, configured_region
from search.cluster_files.aws.errors import of_aws
from search.cluster_files.aws.steps import IS_THERE, Step, agreed, ask, carry_out, changes, show
from search.cluster_files.check import COMPLETE, ROOT, report
from search.cluster_files.file import NAME, ClusterFile, NotACluster, Values, written
from trainables.data.cache import write_whole
from trainables.domain import UsageError

SHIPPED = ROOT / "cluster.yaml"
NAMES = re.compile(r"[a-z][a-z0-9-]{2,39}")
NEXT = """\
Ready. In {root}, with the environment active:
  ray up {out}
  ray exec --tmux {out} 'cd diffusion-search && python search/run.py --space degradations --name first'
  python analysis/rank.py s3://{bucket}/runs/first
  ray down {out}         # ends every machine; `{remove}` then removes what was made here"""


def make(options: argparse.Namespace) -> int:
    """Set an account up as the command line says; return the exit status.

    Raises:
        UsageError: AWS refuses, or an option does not fit.
    """
    source = _source(options.out)
    name = _name(options, source)
    asks = sys.stdin.isatty() and not options.yes
    account = Account.open(_region(options, source, asks))
    with of_aws():
        setup = _setup(options, account, name, asks)
        steps = _steps(options, account, setup, source)
    print(f"Account {account.number}, {account.region}, as {account.user}:")
    show(steps)
    if not changes(steps):
        print("Nothing to do: all of it is there.")
        return report(options.out)
    print("What it costs an hour:")
    print("\n".join([*prices.lines(account, source), *prices.quota_lines(account, source)]))
    if options.dry_run:
        print("Nothing was changed (--dry-run).")
        return COMPLETE
    if not agreed("Do this?", options.yes):
        print("Nothing was changed.")
        return COMPLETE
    carry_out(steps)
    status = report(options.out)
    if status == COMPLETE:
        remove = "make cluster-remove" if name == NAME else f"make cluster-remove ARGS='--name {name}'"
        print(NEXT.format(root=ROOT, out=options.out, bucket=setup.bucket, remove=remove))
    return status


def _source(out: Path) -> ClusterFile:
    """Return the file whose values are to be set: the user's own where there is one, else the project's."""
    path = out if out.exists() else SHIPPED
    try:
        file = ClusterFile.read(path)
    except (OSError, UnicodeDecodeError, NotACluster):
        raise UsageError(f"{path} is no cluster file that can be read; give another file with --out") from None
    types = file.get("available_node_types")
    machines = [file.get("available_node_types", name, "node_config", "InstanceType") for name in types or ()]
    if file.get("provider", "type") != "aws" or not machines or not all(machines):
        raise UsageError(f"{path} is no cluster file for AWS like cluster.yaml; give another file with --out")
    return file


def _name(options: argparse.Namespace, source: ClusterFile) -> str:
    there = str(source.get("cluster_name"))
    name = options.name or there
    if options.out.exists() and name != there:
        raise UsageError(f"{options.out} is of the cluster {there}, and not of {name}; give another file with --out")
    if not NAMES.fullmatch(name):
        raise UsageError(f"--name {name}: give 3 to 40 lower-case letters, digits and hyphens, a letter first")
    return name


def _region(options: argparse.Namespace, source: ClusterFile, asks: bool) -> str:
    if options.region:
        return str(options.region)
    if options.out.exists():
        return str(source.get("provider", "region"))
    default = configured_region()
    if asks:
        default = ask(f"Region{f' [{default}]' if default else ''}:", default or "")
    if not default:
        raise UsageError("the AWS configuration names no region; give --region, such as us-east-1")
    return str(default)


def _setup(options: argparse.Namespace, account: Account, name: str, asks: bool) -> SetUp:
    """Return the set-up to make or complete: an earlier one of this name says its region and bucket."""
    earlier = roles.earlier(account, name)
    if earlier is None:
        default = options.bucket or f"{name}-{account.number}"
        chosen = ask(f"Bucket [{default}]:", default) if asks and not options.bucket else default
        return SetUp(name, account.region, chosen)
    for option, given, has in (
        ("region", account.region, earlier.region),
        ("bucket", options.bucket or earlier.bucket, earlier.bucket),
    ):
        if given != has:
            text = f"the account has {name} set up with the {option} {has}, and not {given}"
            raise UsageError(f"{text}; give --{option} {has}, or another --name and --out for a second cluster")
    return earlier


def _steps(options: argparse.Namespace, account: Account, setup: SetUp, source: ClusterFile) -> list[Step]:
    """Return the steps that make or complete a set-up."""
    vpc = options.vpc or region.network(account)
    zones = region.zones(account, vpc, (one.kind for one in prices.planned(source)))
    image = options.image or region.image(account)
    find_group = partial(group.found, account, setup, vpc)
    ssh_from = group.network(options.ssh_from) if options.ssh_from else group.own_address()
    return [
        bucket.to_make(account, setup),
        group.to_make(account, setup, vpc, ssh_from),
        *roles.to_make(account, setup),
        _token(),
        # Last, because it names what the others make.
        _file(options.out, source, Values(setup.name, setup.region, zones, image, setup.bucket), find_group),
    ]


def _file(out: Path, source: ClusterFile, values: Values, find_group: Callable[[], str | None]) -> Step:
    """Return the step that writes the file; `find_group` says the security group's id once there is one."""

    def write() -> None:
        write_whole(out, written(source, values, str(find_group())).encode())

    there = find_group()
    if not out.exists():
        return Step(f"file {out}", "write it: a copy of cluster.yaml with the values set", write)
    if there is not None and written(source, values, there) == out.read_text():
        return Step(f"file {out}", IS_THERE)
    return Step(f"file {out}", "set the values in it", write)


def _token() -> Step:
    """Return the step that makes the token without which nobody can use the cluster."""
    path = Path.home() / ".ray/auth_token"
    if path.exists():
        return Step("Ray's token", IS_THERE)
    return Step("Ray's token", f"make it: {path}", lambda: _make_token(path))


def _make_token(path: Path) -> None:
    # Ray's command line beside this Python; it prints the token.
    command = [str(Path(sys.executable).with_name("ray")), "get-auth-token", "--generate"]
    if subprocess.run(command, check=False, capture_output=True).returncode or not path.exists():
        raise UsageError("`ray get-auth-token --generate` failed; run it by itself to see why")
    path.chmod(0o600)
