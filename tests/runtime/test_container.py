"""Which container is meant: its path comes from names that a client may have written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeguard.errors import NotFound
from nodeguard.runtime.bundle import POD_UID_ANNOTATION
from nodeguard.runtime.container import find_bundle


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    for uid in ("u1", "u2"):
        bundle = tmp_path / "pods" / uid / "bundles" / f"{uid}_main_0"
        bundle.mkdir(parents=True)
        annotations = {POD_UID_ANNOTATION: uid, "io.kubernetes.container.name": "main"}
        (bundle / "config.json").write_text(json.dumps({"annotations": annotations}))
    return tmp_path


def test_a_container_is_found_by_its_names(run_dir: Path) -> None:
    assert find_bundle(run_dir, "u1", "main", "u1_main_0").directory == run_dir / "pods/u1/bundles/u1_main_0"


@pytest.mark.parametrize(
    ("uid", "name", "container_id"),
    [
        pytest.param("u1", "other", "u1_main_0", id="another container"),
        pytest.param("u1", "main", "u1_main_1", id="another life"),
        pytest.param("u1", "main", "../bundles/u1_main_0", id="the same by another way"),
        pytest.param("u1", "main", "../../u2/bundles/u2_main_0", id="another pod"),
        pytest.param("u1/../u2", "main", "u2_main_0", id="another pod by its uid"),
        pytest.param("u1", "main", "a\0b", id="no path"),
    ],
)
def test_others_are_not(run_dir: Path, uid: str, name: str, container_id: str) -> None:
    with pytest.raises(NotFound):
        find_bundle(run_dir, uid, name, container_id)


def test_a_link_is_not_followed(run_dir: Path) -> None:
    (run_dir / "pods/u1/bundles/u1_main_1").symlink_to(run_dir / "pods/u1/bundles/u1_main_0")
    with pytest.raises(NotFound):
        find_bundle(run_dir, "u1", "main", "u1_main_1")
