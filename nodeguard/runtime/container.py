"""A container that is there: found by its bundle, and proven to be ours."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeguard.errors import NotFound
from nodeguard.kernel.path import open_beneath
from nodeguard.runtime.bundle import POD_UID_ANNOTATION

_MAX_CONFIG_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A container that is there: its directory, and what its config.json says."""

    container_id: str
    directory: Path
    pod_uid: str
    config: Mapping[str, Any]

    @property
    def cgroup(self) -> str:
        """The container's cgroup."""
        return str(self.config["linux"]["cgroupsPath"])


def find_bundle(run_dir: Path, pod_uid: str, container_name: str, container_id: str) -> Bundle:
    """The bundle of a container of ours: the path comes from names, what lies there has to agree.

    Raises:
        NotFound: there is no such container, or it is another one's.
    """
    path = f"pods/{pod_uid}/bundles/{container_id}/config.json"
    if "/" in pod_uid or "/" in container_id:  # a status may be anybody's words
        raise NotFound(f"container {container_id} has no name of ours")
    try:
        fd = open_beneath(run_dir, path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as e:
        raise NotFound(f"container {container_id} is not there any more") from e
    with os.fdopen(fd, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        text = file.read(_MAX_CONFIG_BYTES) if is_file else b""
    try:
        config = json.loads(text)
        annotations = config["annotations"]
        is_ours = (
            annotations[POD_UID_ANNOTATION] == pod_uid and annotations["io.kubernetes.container.name"] == container_name
        )
    except (ValueError, KeyError, TypeError) as e:
        raise NotFound(f"container {container_id} has no bundle of ours") from e
    if not is_ours:
        raise NotFound(f"container {container_id} is not {container_name} of pod {pod_uid}")
    directory = (run_dir / path).parent
    return Bundle(container_id=container_id, directory=directory, pod_uid=pod_uid, config=config)
