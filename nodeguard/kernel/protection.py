"""What keeps this process at work when everything else goes short: its memory stays, it is not the one to be killed,
and it comes before others when it wakes.

Each measure is tried; a host that does not allow one has one less.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress

OOM_SCORE_ADJ = -999
"""As the kubelet has it. Source: kubernetes, pkg/kubelet/qos/policy.go, KubeletOOMScoreAdj."""

NICE = -10
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a worker thread may keep the interpreter while the loop wants it; Python's own 5 ms are 5 MiB of a hog."""

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def protect() -> tuple[str, ...]:
    """Take all measures, for this process and the calling thread; returns those that the host refused.

    What is started from here on has ordinary priority. The OOM score is inherited: containers have their own set.
    """
    refused = []
    if not _lock_memory():
        refused.append("memory locked")
    if not _take_precedence():
        refused.append(f"real-time priority, nice {NICE}")
    if not _lower_oom_score():
        refused.append(f"oom_score_adj {OOM_SCORE_ADJ}")
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.freeze()  # what is here stays: the collector need not walk through it again
    return tuple(refused)


def _lock_memory() -> bool:
    """Pages that are there are never thrown out, not even those of code. Without ONFAULT all would be taken at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def _take_precedence() -> bool:
    """Run at once when woken, before all ordinary threads; where that is refused, at least sooner than most.

    Nice alone lets a woken thread wait for whole time slices of others: with 19 tasks wanting two CPUs, up to 0.5 s, in
    which a hog takes 250 MiB. Real-time threads get 95 % of a CPU at most (kernel.sched_rt_runtime_us), so that
    nothing here can shut the host out.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        return True
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except OSError:
        return False
    return True


def _lower_oom_score() -> bool:
    with suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
        if int(file.read()) <= OOM_SCORE_ADJ:
            return True
        file.seek(0)
        file.write(str(OOM_SCORE_ADJ))
        file.flush()
        return True
    return False
