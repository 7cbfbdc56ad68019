"""Tests that need a whole machine to themselves: they are collected in the one of ``make vm-test`` and nowhere else.

``v2`` needs cgroup v2 with systemd. ``reboot`` holds no ``test_*.py``: vm/test names its two files, one for each boot.
"""

from __future__ import annotations

import os

from sandbox import pods_have_a_unit

IN_VM = os.environ.get("NODEGUARD_IN_VM") == "1"

collect_ignore_glob = ["*"] if not IN_VM else [] if pods_have_a_unit() else ["v2/*"]
