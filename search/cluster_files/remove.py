"""`python -m search.cluster_files.remove`: remove from an AWS account what `search.cluster_files.setup` made in it."""

import sys
from collections.abc import Sequence

from analysis.process import Parser, carry_out
from search.cluster_files.setup import add_shared, require_boto3

DESCRIPTION = """\
Remove from your AWS account what the set-up made, and nothing else: it is found
by its tag. A bucket that has objects in it stays, unless you give
--with-results. Nothing is removed before it is shown."""
EPILOG = "exit status: 0 it is removed, or you said no; 2 an error, said in one line"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return carry_out("search/cluster_files/remove.py", lambda: _remove(arguments))


def _remove(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m search.cluster_files.remove", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    add_shared(parser)
    parser.add_argument("--with-results", action="store_true", help="Delete the bucket with all that is in it.")
    options = parser.parse_args(arguments)
    require_boto3()
    from search.cluster_files.aws.removing import remove  # boto3 is an extra, and --help has no need of it

    return remove(options)


if __name__ == "__main__":
    sys.exit(main())
