"""Object storage that does not answer for a while, which ends no search."""

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

# What S3 clients call errors that may pass, as pyarrow prints them; Google's client tries again by itself.
PASSING = re.compile(r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|SLOW_DOWN|THROTTLING)")
SECONDS = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds

Result = TypeVar("Result")


def patiently(action: Callable[[], Result], what: str) -> Result:
    """Return what an action on object storage returns, and try it again for ten minutes while the storage is away.

    pyarrow itself tries three times in six seconds. The action may be carried out several times; `what` it does is for
    a warning, such as "write to s3://bucket/runs/a".

    Raises:
        OSError: the storage refuses it, or is away for longer.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return action()
        except OSError as error:
            if not PASSING.search(str(error)) or time.monotonic() - began > SECONDS:
                raise
        if pause == FIRST_PAUSE:
            logging.getLogger(__name__).warning(
                "cannot %s: the storage does not answer; trying again for %.0f minutes", what, SECONDS / 60
            )
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
