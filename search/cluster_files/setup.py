"""`python -m search.cluster_files.setup`: make what a cluster needs in an AWS account, and a cluster file with it."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.process import Parser, carry_out
from search.cluster_files.file import NAME
from trainables.domain import UsageError

OUT = "my-cluster.yaml"
DESCRIPTION = """\
Make what a cluster needs in your AWS account: a bucket, a security group and
two roles. Then write a copy of cluster.yaml that has their names in it, for
`ray up`. What is there already is used; nothing is done before it is shown."""
EPILOG = """\
exit status: 0 all is there, or you said no; 1 the file that was written has
problems; 2 an error, said in one line. What was made before an error stays,
and the same command goes on from there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return carry_out("search/cluster_files/setup.py", lambda: _set_up(arguments))


def _set_up(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m search.cluster_files.setup", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    add_shared(parser)
    parser.add_argument("--bucket", help="Of the runs. (default: NAME-ACCOUNT, with the number of your account)")
    parser.add_argument("--out", type=Path, default=Path(OUT), metavar="FILE", help=f"Written. (default: {OUT})")
    parser.add_argument("--ssh-from", metavar="CIDR", help="Who may use SSH. (default: your own address, asked of AWS)")
    parser.add_argument("--vpc", metavar="ID", help="The network. (default: the default VPC of the region)")
    parser.add_argument(
        "--image", metavar="ID", help="Of the machines. (default: today's of AWS, with NVIDIA's driver)"
    )
    options = parser.parse_args(arguments)
    require_boto3()
    from search.cluster_files.aws.making import make  # boto3 is an extra, and --help has no need of it

    return make(options)


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add the options that set-up and removal share."""
    parser.add_argument("--region", help="Of AWS. (default: that of the set-up, or of the AWS configuration)")
    parser.add_argument("--name", help=f"Of the cluster, one for each set-up of an account. (default: {NAME})")
    parser.add_argument("--yes", action="store_true", help="Ask nothing.")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be done, and do nothing.")


def require_boto3() -> None:
    """Raise UsageError where boto3 is missing."""
    if not importlib.util.find_spec("boto3"):
        raise UsageError("boto3 is missing: pip install -c constraints.txt '.[cluster]'")


if __name__ == "__main__":
    sys.exit(main())
