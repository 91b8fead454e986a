"""Move trials off a machine that EC2 is about to take back: `python -m search.execution.preemption` on every worker.

Two minutes before EC2 takes a spot machine back, its metadata have the entry spot/instance-action
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html). Then Ray is told to start no more
tasks there, and a file, the notice, tells the trials to save a checkpoint and go on elsewhere.
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from trainables.data.cache import temporary_dir

NOTICE = temporary_dir() / "diffusion-search-preempted"
# The address is the same in all of EC2; its documentation recommends a request every five seconds.
METADATA = "http://169.254.169.254"
EVERY = 5.0
WAIT = 2.0
NOTICE_SECONDS = 120
# Ray's command line beside this Python, which is of the same version.
DRAIN = (
    str(Path(sys.executable).with_name("ray")),
    "drain-node",
    "--reason=DRAIN_NODE_REASON_PREEMPTION",
    "--reason-message=EC2 takes this machine back",
    f"--deadline-remaining-seconds={NOTICE_SECONDS}",
)


def announced(metadata: str = METADATA) -> bool:
    """Return whether EC2 is about to stop or terminate this machine; False where there is no answer."""
    token = urllib.request.Request(
        f"{metadata}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    try:
        with urllib.request.urlopen(token, timeout=WAIT) as answer:
            header = {"X-aws-ec2-metadata-token": answer.read().decode()}
        action = urllib.request.Request(f"{metadata}/latest/meta-data/spot/instance-action", headers=header)
        with urllib.request.urlopen(action, timeout=WAIT):
            return True
    except OSError:  # also a 404, which means no notice
        return False


def noticed() -> bool:
    """Return whether the notice is there; takes a microsecond, and is called at every training step."""
    try:
        return NOTICE.stat().st_uid == os.getuid()  # everyone can write to that folder
    except FileNotFoundError:
        return False


def watch() -> None:
    """Wait for EC2's notice, tell Ray, and leave the notice for trials."""
    NOTICE.unlink(missing_ok=True)
    while not announced():
        time.sleep(EVERY)
    # Ray first, so that it does not start a trial that leaves here again.
    said = subprocess.run(DRAIN, check=False, capture_output=True, text=True)
    print(f"this machine is about to be taken back; ray drain-node ended with {said.returncode}\n{said.stderr}")
    if said.returncode == 0:
        NOTICE.touch()


def main() -> None:
    """Parse the command line, and wait."""
    parser = argparse.ArgumentParser(
        prog="python -m search.execution.preemption",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    watch()


if __name__ == "__main__":
    main()
