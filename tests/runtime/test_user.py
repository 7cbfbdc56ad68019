from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeguard.errors import RuntimeFailed
from nodeguard.model.pod import SecurityContext
from nodeguard.runtime.user import User, resolve_user

PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/:/bin/false\nbroken\nodd:x:y:z::\n"
GROUP = "root:x:0:\nweb:x:34:\nlogs:x:50:web,other\nbroken\n"


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("image_user", "context", "expected"),
    [
        pytest.param("", SecurityContext(), User(uid=0, gid=0), id="nothing said is root"),
        pytest.param("web", SecurityContext(), User(uid=33, gid=34, additional_gids=(34, 50)), id="a name"),
        pytest.param("33", SecurityContext(), User(uid=33, gid=34, additional_gids=(34, 50)), id="a known number"),
        pytest.param("1000", SecurityContext(), User(uid=1000, gid=0), id="an unknown number"),
        pytest.param("web:logs", SecurityContext(), User(uid=33, gid=50, additional_gids=(50,)), id="name and group"),
        pytest.param("1000:1001", SecurityContext(), User(uid=1000, gid=1001), id="two numbers"),
        pytest.param("web:logs", SecurityContext(run_as_user=5), User(uid=5, gid=0), id="runAsUser replaces both"),
        pytest.param("", SecurityContext(run_as_user=5, run_as_group=6), User(uid=5, gid=6), id="runAsGroup"),
        pytest.param(
            "", SecurityContext(run_as_user=33), User(uid=33, gid=34, additional_gids=(34, 50)), id="runAsUser known"
        ),
        pytest.param("7", SecurityContext(run_as_non_root=True), User(uid=7, gid=0), id="a number that is not root"),
    ],
)
def test_resolve_user(rootfs: Path, image_user: str, context: SecurityContext, expected: User) -> None:
    assert resolve_user(rootfs, image_user, context) == expected


def test_groups_of_the_pod_are_added(rootfs: Path) -> None:
    user = resolve_user(rootfs, "1000:1001", SecurityContext(), supplemental_groups=(7, 8), fs_group=9)
    assert user == User(uid=1000, gid=1001, additional_gids=(7, 8, 9, 1001))


@pytest.mark.parametrize(
    ("image_user", "context", "words"),
    [
        ("nobody", SecurityContext(), "unable to find user nobody: no matching entries in passwd file"),
        ("web:nope", SecurityContext(), "unable to find group nope: no matching entries in group file"),
        ("", SecurityContext(run_as_non_root=True), "image will run as root"),
        ("0", SecurityContext(run_as_non_root=True), "image will run as root"),
        ("web", SecurityContext(run_as_non_root=True), r"non-numeric user \(web\), cannot verify"),
        ("", SecurityContext(run_as_non_root=True, run_as_user=0), "runAsUser breaks non-root policy"),
    ],
)
def test_what_is_refused(rootfs: Path, image_user: str, context: SecurityContext, words: str) -> None:
    with pytest.raises(RuntimeFailed, match=words) as caught:
        resolve_user(rootfs, image_user, context, container="c")
    assert caught.value.reason == "CreateContainerConfigError"


def test_a_link_does_not_lead_out_of_the_root_file_system(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    (rootfs / "etc").mkdir(parents=True)
    (tmp_path / "passwd").write_text("web:x:33:34::/:/bin/false\n")
    for target in ("../../passwd", str(tmp_path / "passwd")):
        (rootfs / "etc/passwd").unlink(missing_ok=True)
        (rootfs / "etc/passwd").symlink_to(target)
        with pytest.raises(RuntimeFailed, match="unable to find user web"):
            resolve_user(rootfs, "web", SecurityContext())


def test_hostile_files_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    (tmp_path / "etc/group").mkdir()
    assert resolve_user(tmp_path, "5", SecurityContext()) == User(uid=5, gid=0)
