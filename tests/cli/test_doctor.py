"""``nodeguard doctor``: each check against a faked host, and the whole on this one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeguard.agent.config import Config
from nodeguard.agent.config_load import build
from nodeguard.cli import cgroup_check, container_check, host_check, system_check
from nodeguard.cli.check import Check, Host, Status
from nodeguard.cli.doctor import render
from nodeguard.cli.host_check import check_host
from nodeguard.cli.main import run
from nodeguard.errors import HostLacks
from nodeguard.kernel.cgroup.driver import Mode


class FakeDriver:
    """A host that mounts ``mode`` and has these files and groups."""

    def __init__(self, mode: Mode = "v2", files: frozenset[str] = frozenset(), controllers: str = "") -> None:
        self.mode, self.files = mode, files
        self.version = 2 if mode == "v2" else 1
        self.controllers = frozenset(controllers.split())
        self.groups: dict[str, list[str]] = {}

    def has(self, controller: str, file: str) -> bool:
        return file in self.files

    def children(self, path: str) -> list[str]:
        return self.groups.get(path, [])


ALL_V2 = frozenset({*cgroup_check.CORE_FILES, *cgroup_check.V2_FILES, "memory.swap.max"})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    env = {"NODEGUARD_RUN_DIR": str(tmp_path / "run"), "NODEGUARD_STATE_DIR": str(tmp_path / "state")}
    return build([], env=env)


@pytest.fixture
def make_host(tmp_path: Path, config: Config) -> Callable[..., Host]:
    def make(driver: FakeDriver | None = None, files: dict[str, str] | None = None, **options: Any) -> Host:
        for name, text in (files or {}).items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        defaults: dict[str, Any] = {"config": config, "is_root": False, "root": tmp_path / "root"}
        return Host(driver=driver, **defaults | options)  # type: ignore[arg-type]

    return make


def by_name(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_nothing_is_claimed_without_root(make_host: Callable[..., Host]) -> None:
    host = make_host(FakeDriver("v2"))
    for check in (system_check.check_root, system_check.check_oom_scores, container_check.check_overlay):
        assert [found.status for found in check(host)] == [Status.UNKNOWN]


def test_root_without_capabilities(make_host: Callable[..., Host]) -> None:
    host = make_host(is_root=True, files={"proc/self/status": "Name:\tx\nCapEff:\t0000000000000000\n"})
    (check,) = system_check.check_root(host)
    assert (check.status, check.needed) == (Status.MISSING, True)
    assert "CAP_SYS_ADMIN" in check.detail


def test_scores_that_cannot_be_lowered_are_shifted(
    make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    for can, status in ((True, Status.OK), (False, Status.DEGRADED)):
        monkeypatch.setattr(system_check.proc, "can_lower_oom_score", lambda can=can: can)
        (check,) = system_check.check_oom_scores(make_host(is_root=True))
        assert check.status is status


def test_no_cgroups(make_host: Callable[..., Host]) -> None:
    (check,) = cgroup_check.check_cgroups(make_host(None, driver_error="/sys/fs/cgroup is mounted read-only"))
    assert (check.status, check.needed) == (Status.MISSING, True)
    assert check.detail == "/sys/fs/cgroup is mounted read-only"


def test_missing_controllers_name_the_boot_parameter(make_host: Callable[..., Host]) -> None:
    checks = by_name(cgroup_check.check_cgroups(make_host(FakeDriver("v2", controllers="cpu pids cpuset"))))
    assert checks["cgroups"].status is Status.OK
    assert checks["controller cpu"].status is Status.OK
    assert checks["controller memory"].status is Status.MISSING
    assert checks["controller memory"].remedy == "boot with cgroup_enable=memory"
    assert (checks["controller hugetlb"].status, checks["controller hugetlb"].needed) == (Status.DEGRADED, False)
    assert "controller freezer" not in checks


@pytest.mark.parametrize("mode", ["v1", "hybrid"])
def test_older_modes_say_what_is_lost(make_host: Callable[..., Host], mode: Mode) -> None:
    checks = by_name(cgroup_check.check_cgroups(make_host(FakeDriver(mode, controllers="freezer"))))
    assert checks["cgroups"].status is Status.DEGRADED
    assert "memory.high" in checks["cgroups"].consequence
    assert checks["controller freezer"].status is Status.OK


def test_features_are_probed_by_file(make_host: Callable[..., Host]) -> None:
    checks = by_name(cgroup_check.check_cgroup_features(make_host(FakeDriver("v2", ALL_V2 - {"memory.reclaim"}))))
    assert checks["cgroup.kill"].status is Status.OK
    assert checks["memory.reclaim"].status is Status.DEGRADED
    hybrid = by_name(cgroup_check.check_cgroup_features(make_host(FakeDriver("hybrid", frozenset({"cgroup.kill"})))))
    assert set(hybrid) == set(cgroup_check.CORE_FILES)
    assert list(cgroup_check.check_cgroup_features(make_host(FakeDriver("v1")))) == []


SWAP_ON = "Filename Type Size Used Priority\n/dev/sda2 partition 100 0 -2\n"


@pytest.mark.parametrize(
    ("driver", "swaps", "status"),
    [
        pytest.param(FakeDriver("v2", ALL_V2), "Filename\n", Status.OK, id="off"),
        pytest.param(FakeDriver("v2", ALL_V2), SWAP_ON, Status.OK, id="on and counted"),
        pytest.param(FakeDriver("v1"), SWAP_ON, Status.DEGRADED, id="on and not counted"),
        pytest.param(None, SWAP_ON, Status.DEGRADED, id="on without cgroups"),
    ],
)
def test_swap(make_host: Callable[..., Host], driver: FakeDriver | None, swaps: str, status: Status) -> None:
    (check,) = system_check.check_swap(make_host(driver, files={"proc/swaps": swaps}))
    assert check.status is status


def test_swap_that_the_configuration_forbids(make_host: Callable[..., Host]) -> None:
    host = make_host(
        FakeDriver("v2", ALL_V2), files={"proc/swaps": SWAP_ON}, config=build([], flags={"fail_swap_on": "true"})
    )
    (check,) = system_check.check_swap(host)
    assert (check.status, check.needed) == (Status.MISSING, True)


def test_hugepages(make_host: Callable[..., Host]) -> None:
    files = {"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "4\n"}
    (check,) = system_check.check_hugepages(make_host(files=files))
    assert check.detail == "2Mi: 8Mi reserved"


def test_pressure(make_host: Callable[..., Host]) -> None:
    (check,) = cgroup_check.check_pressure(make_host())
    assert (check.status, check.remedy) == (Status.DEGRADED, "boot with psi=1")
    (check,) = cgroup_check.check_pressure(make_host(files={"proc/pressure/memory": "some avg10=0.00"}))
    assert check.status is Status.OK


@pytest.fixture
def only_these_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A PATH with fake programs that tell these versions."""

    def make(**versions: str) -> None:
        directory = tmp_path / "bin"
        directory.mkdir()
        for name, version in versions.items():
            (directory / name).write_text(f"#!/bin/sh\necho '{name} version {version}'\n")
            (directory / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(directory))

    return make


def test_programs_that_are_not_there_name_their_package(
    make_host: Callable[..., Host], only_these_programs: Callable[..., None]
) -> None:
    only_these_programs(umoci="0.4.7")
    checks = by_name(container_check.check_programs(make_host()))
    assert (checks["umoci"].status, checks["umoci"].detail) == (Status.OK, "0.4.7")
    assert (checks["skopeo"].status, checks["skopeo"].needed) == (Status.DEGRADED, False)
    assert (checks["conmon"].status, checks["conmon"].remedy) == (Status.MISSING, "apt install conmon")


@pytest.mark.parametrize(
    ("complaints", "statuses"),
    [
        pytest.param({"runc": "", "crun": "unknown version"}, {"runc": "ok", "crun": "degraded"}, id="one works"),
        pytest.param({"crun": ""}, {"runc": "degraded", "crun": "ok"}, id="one is there"),
        pytest.param(
            {"runc": "no", "crun": "no"},
            {"runc": "degraded", "crun": "degraded", "runtime": "missing"},
            id="none works",
        ),
        pytest.param({}, {"runc": "degraded", "crun": "degraded", "runtime": "missing"}, id="none is there"),
    ],
)
def test_runtimes_are_tried(
    complaints: dict[str, str],
    statuses: dict[str, str],
    make_host: Callable[..., Host],
    only_these_programs: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only_these_programs(**dict.fromkeys(complaints, "1.1"))
    monkeypatch.setattr(container_check.probe, "try_runtime", lambda path, directory: complaints[path.name])
    checks = by_name(container_check.check_runtimes(make_host(FakeDriver("hybrid"), is_root=True)))
    assert {name: str(check.status) for name, check in checks.items()} == statuses
    unprivileged = by_name(container_check.check_runtimes(make_host(FakeDriver("hybrid"))))
    assert all(unprivileged[name].status is Status.UNKNOWN for name in complaints)


def test_seccomp_profile(make_host: Callable[..., Host]) -> None:
    (check,) = container_check.check_seccomp(make_host())
    assert (check.status, check.needed) == (Status.MISSING, True)
    (check,) = container_check.check_seccomp(make_host(files={"usr/share/containers/seccomp.json": "{}"}))
    assert check.status is Status.OK


def test_other_oom_killers_are_found(make_host: Callable[..., Host]) -> None:
    files = {"proc/12/comm": "earlyoom\n", "proc/13/comm": "bash\n", "proc/14/comm": "systemd-oomd\n"}
    (check,) = system_check.check_other_oom_killers(make_host(files=files))
    assert check.status is Status.DEGRADED
    assert check.detail == "earlyoom (pid 12), systemd-oomd (pid 14)"


def test_space(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def statvfs(free: int) -> Callable[[Path], os.statvfs_result]:
        return lambda path: os.statvfs_result((4096, 4096, 10**9, 0, free // 4096, 10, 10, 10, 0, 255))

    for free, expected in ((2 << 30, Status.OK), (100 << 20, Status.DEGRADED), (1 << 20, Status.MISSING)):
        monkeypatch.setattr(os, "statvfs", statvfs(free))
        checks = by_name(system_check.check_disk_space(make_host()))
        assert checks["space of stateDir"].status is expected
        assert str(tmp_path) in checks["space of stateDir"].detail


def test_leftovers(make_host: Callable[..., Host], config: Config) -> None:
    driver = FakeDriver("v2")
    (check,) = system_check.check_leftovers(make_host(driver, is_root=True))
    assert check.status is Status.OK
    driver.groups = {"/nodeguard": ["burstable"], "/nodeguard/burstable": ["podstray", "podcrashed"]}
    directory = config.run_dir / "pods" / "crashed"
    directory.mkdir(parents=True)
    owner = {"pid": 1, "start_time_ticks": 1, "boot_id": "another"}
    record = {"uid": "crashed", "namespace": "default", "name": "x", "owner": owner}
    record |= {"cgroup": "/c", "log_dir": "/l", "state_dir": "/s", "runtime": "runc"}
    (directory / "record.json").write_text(json.dumps(record))
    (check,) = system_check.check_leftovers(make_host(driver, is_root=True))
    assert check.detail == "1 pods of processes that are gone, 1 cgroups without a record"
    assert check.remedy.startswith("nodeguard cleanup")


def test_a_check_that_breaks_stops_no_other(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    def check_two_words(host: Host) -> Any:
        raise HostLacks("no such thing")
        yield

    def check_other(host: Host) -> Any:
        yield Check(name="other", status=Status.OK, detail="fine")

    monkeypatch.setattr(host_check, "CHECKS", (check_two_words, check_other))
    broken, fine = check_host(make_host())
    assert (broken.name, broken.status) == ("two words", Status.UNKNOWN)
    assert broken.detail == "could not be checked: no such thing"
    assert fine.status is Status.OK


def test_the_text_shows_consequence_and_remedy_below() -> None:
    check = {"name": "swap", "status": "degraded", "detail": "on", "consequence": "worse", "remedy": "swapoff -a"}
    assert render([check], painted=False) == (
        "degraded  swap  on\n                -> worse\n                => swapoff -a\n"
    )
    assert "\x1b[33mdegraded\x1b[0m" in render([check], painted=True)


@pytest.fixture
def faked_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def fake(*checks: Check) -> None:
        monkeypatch.setattr(host_check, "CHECKS", (lambda host: iter(checks),))
        monkeypatch.setenv("NODEGUARD_CONFIG", os.devnull)

    return fake


@pytest.mark.parametrize(
    ("status", "needed", "code"),
    [
        pytest.param(Status.MISSING, True, 9, id="needed and missing"),
        pytest.param(Status.MISSING, False, 0, id="missing, not needed"),
        pytest.param(Status.UNKNOWN, True, 0, id="needed and unknown"),
        pytest.param(Status.OK, True, 0, id="needed and there"),
    ],
)
def test_exit_code_and_object(
    status: Status,
    needed: bool,
    code: int,
    faked_checks: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    faked_checks(Check(name="conmon", status=status, detail="d", needed=needed))
    assert run(["doctor", "-o", "json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["ready"]) == ("HostReport", code == 0)
    assert report["checks"][0]["status"] == str(status)
    assert run(["doctor"]) == code
    assert ("cannot work here: conmon missing" in capsys.readouterr().out) is (code == 9)


def test_an_ordinary_user_gets_no_promise(
    faked_checks: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    faked_checks(Check(name="overlay", status=Status.UNKNOWN, detail="only root can try"))
    assert run(["doctor", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["ready"] is None


@pytest.mark.root
def test_this_host_can_run_pods(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEGUARD_CONFIG", os.devnull)
    assert run(["doctor", "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    names = {check["name"]: check["status"] for check in report["checks"]}
    assert names["overlay over /"] == "ok"
    assert names["namespaces"] == "ok"
    assert "could not be checked" not in json.dumps(report)
