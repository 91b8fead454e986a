"""A failure in a line: what Ray says in a paragraph, as it was recorded, and the last line of a traceback."""

from pathlib import Path

import pytest

from search.progress.failures import reason

DIED = """Failure # 1 (occurred at 2026-11-22_11-12-01)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tpid: 10513
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker \
unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was killed \
by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly.
"""
MONITOR = """The actor died unexpectedly before finishing this task.
The actor is dead because its worker process has died. Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: Task \
was killed due to the node running low on memory.
Memory on the node was 14.4GB / 15.2GB
"""
NODE = """The actor died unexpectedly before finishing this task.
The actor died because its node has died. Node Id: 5f
\tthe actor's node was terminated unexpectedly: health check failed due to missing too many heartbeats
"""
RAISED = """Failure # 1 (occurred at 2026-11-22_11-12-01)
Traceback (most recent call last):
  File "trial.py", line 195, in run
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 8.00 GiB.

"""


LEFT = """ray::ImplicitFunc.train() (pid=10513, ip=10.77.0.5)
  File "trial.py", line 143, in _after_step
    raise Preempted
trainables.trial.Preempted: its machine is about to be taken back
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DIED, "its process died, for want of memory or ended from outside"),
        (MONITOR, "its process was ended because the machine ran out of memory"),
        (NODE, "its machine was lost"),
        (RAISED, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 8.00 GiB."),
        (LEFT, "trainables.trial.Preempted: its machine is about to be taken back"),
        ("", "no reason is known"),
    ],
)
def test_a_failure_is_said_in_a_line(error: str, line: str) -> None:
    assert reason(error) == reason(error, Path("/runs/mine/code")) == line


def test_a_failure_in_a_users_own_code_says_where() -> None:
    """The innermost place in the user's files, whatever they call below."""
    error = """ray::ImplicitFunc.train() (pid=10513, ip=10.77.0.5)
  File "/project/search/execution/worker.py", line 108, in run_trial
  File "/runs/mine/code/my_space.py", line 38, in build
  File "/runs/mine/code/blocks/mixer.py", line 10, in __init__
  File "/site-packages/torch/nn/modules/normalization.py", line 307, in __init__
ValueError: num_channels (35) must be divisible by num_groups (4)
"""
    said = "ValueError: num_channels (35) must be divisible by num_groups (4)"
    assert reason(error, Path("/runs/mine/code")) == f"{said} (blocks/mixer.py, line 10)"
    assert reason(error, Path("/runs/other/code")) == said
