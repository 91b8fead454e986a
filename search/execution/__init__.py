"""Trials on machines; the only package that imports Ray.

Ray and Ray Tune read these variables when they are imported. The run's log and study are all that a resume reads, so
Tune's own snapshots are switched off, and so is all output but the search's own. A Ray that is started here listens on
the loopback address alone, as Ray has it on systems where it is no cluster: nobody else reaches it, and it outlives a
change of networks. Under `uv run`, Ray would start workers in an environment of its own making, without the project.
"""

import os

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
if os.path.expanduser("~") == "~":  # Ray wants a home; a container with --user 1234 has none
    os.environ["HOME"] = "/"  # as Docker has it; a folder for temporary files would be the home of every such user
