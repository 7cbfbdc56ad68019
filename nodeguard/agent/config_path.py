"""Where configuration files are. A file of its own: who only looks for a socket need not import how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class ConfigPaths(NamedTuple):
    """The places; later ones win."""

    vendor_dir: Path = Path("/usr/lib/nodeguard/config.d")
    file: Path = Path("/etc/nodeguard/config.yaml")
    drop_in_dir: Path = Path("/etc/nodeguard/config.d")

    def files(self) -> list[Path]:
        """Those that are there."""
        found = [*sorted(self.vendor_dir.glob("*.yaml")), self.file, *sorted(self.drop_in_dir.glob("*.yaml"))]
        return [path for path in found if path.exists()]
