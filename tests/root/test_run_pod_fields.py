"""Every field of a pod that is honoured does something inside its containers."""

from __future__ import annotations

import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from root.lab import (
    UNTIL_TERM,
    Json,
    Outcome,
    assert_is_told,
    cgroup_of,
    container,
    finish,
    namespaces_of,
    pod,
    processes_of,
    resources,
    run_pods,
    script_pod,
    start_pods,
    wait_for_up,
)
from sandbox import Sandbox

pytestmark = pytest.mark.root


def run_script(sandbox: Sandbox, script: str, *, pod_fields: Json | None = None, **fields: Any) -> Outcome:
    return run_pods(sandbox, pod("p", container("main", script, **fields), **(pod_fields or {})))


def output(sandbox: Sandbox, script: str, *, pod_fields: Json | None = None, **fields: Any) -> list[str]:
    """What the script wrote; it must have ended well."""
    outcome = run_script(sandbox, script, pod_fields=pod_fields, **fields)
    assert outcome.code == 0, outcome.text
    return outcome.log()


def failure(outcome: Outcome, name: str = "main") -> str:
    """The message of a container, or of the pod, that could not be made."""
    status = outcome.status()
    assert status["phase"] == "Failed"
    assert outcome.code != 0
    if "reason" in status:
        message: str = status["message"]
        return message
    ended = outcome.terminated(name)
    assert ended["reason"] in ("CreateContainerConfigError", "CreateContainerError", "StartError"), ended
    told: str = ended["message"]
    return told


# Environment and command.


def test_environment_and_references(sandbox: Sandbox) -> None:
    lines = output(
        sandbox,
        "",
        command=[
            "sh",
            "-c",
            'printf "%s\\n" "$PLAIN" "$REF" "$ESCAPED" "$UNKNOWN" "$EMPTY" "$0" "$1"',
            "$(REF)",
            "$$(REF)",
        ],
        env=[
            {"name": "PLAIN", "value": "a b"},
            {"name": "REF", "value": "<$(PLAIN)>"},
            {"name": "ESCAPED", "value": "$$(PLAIN)"},
            {"name": "UNKNOWN", "value": "$(LATER)"},
            {"name": "LATER", "value": "x"},
            {"name": "EMPTY"},
        ],
    )
    assert lines == ["a b", "<a b>", "$(PLAIN)", "$(LATER)", "", "<a b>", "$(REF)"]


def test_the_environment_is_the_containers_own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    lines = output(sandbox, "env", env=[{"name": "ONLY", "value": "this"}])
    names = {line.partition("=")[0] for line in lines}
    assert "ONLY" in names
    assert "SECRET_OF_THE_HOST" not in names
    assert not [name for name in names if name.startswith(("NODEGUARD", "_OCI", "PYTHON"))]
    assert "HOSTNAME=p" in lines
    assert any(line.startswith("PATH=") for line in lines)


def test_args_are_added_to_the_command(sandbox: Sandbox) -> None:
    assert output(sandbox, "", command=["echo", "one"], args=["two", "three  four"]) == ["one two three  four"]


def field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def test_the_downward_api_as_variables(sandbox: Sandbox) -> None:
    item = pod(
        "p",
        container(
            script='printf "%s\\n" "$NAME" "$NAMESPACE" "$LABEL" "$NOTE" "$NODE" "$CPU" "$MEMORY" "$UID_" "$IP"',
            env=[
                field("NAME", "metadata.name"),
                field("NAMESPACE", "metadata.namespace"),
                field("LABEL", "metadata.labels['app']"),
                field("NOTE", "metadata.annotations['note']"),
                field("NODE", "spec.nodeName"),
                field("UID_", "metadata.uid"),
                field("IP", "status.podIP"),
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
                {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory"}}},
            ],
            resources=resources("memory=16Mi", "cpu=250m memory=32Mi"),
        ),
    )
    item["metadata"] |= {"namespace": "lab", "labels": {"app": "web"}, "annotations": {"note": "a\nb"}}
    outcome = run_pods(sandbox, item)
    assert outcome.code == 0, outcome.text
    lines = outcome.log()
    assert lines[:8] == ["p", "lab", "web", "a", "b", os.uname().nodename, "250", str(16 << 20)]
    assert lines[8] == outcome.pod()["metadata"]["uid"]


def test_the_downward_api_as_files(sandbox: Sandbox) -> None:
    item = pod(
        "p",
        container(
            script="cat /facts/labels; echo; cat /facts/deep/name; echo; cat /facts/limit; echo; "
            "stat -L -c %a /facts/labels /facts/limit; touch /facts/x; ls -A /facts",
            volumeMounts=[{"name": "facts", "mountPath": "/facts"}],
            resources=resources(limits="memory=32Mi"),
        ),
        volumes=[
            {
                "name": "facts",
                "downwardAPI": {
                    "defaultMode": 0o640,
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {"path": "deep/name", "fieldRef": {"fieldPath": "metadata.name"}},
                        {
                            "path": "limit",
                            "mode": 0o400,
                            "resourceFieldRef": {
                                "containerName": "main",
                                "resource": "limits.memory",
                                "divisor": "1Mi",
                            },
                        },
                    ],
                },
            }
        ],
    )
    item["metadata"]["labels"] = {"b": "2", "a": "1"}
    outcome = run_pods(sandbox, item)
    assert outcome.code == 0, outcome.text
    lines = outcome.log()
    assert lines[:6] == ['a="1"', 'b="2"', "p", "32", "640", "400"]
    assert any("Read-only file system" in line for line in lines)
    assert not any(line == "x" for line in lines)


def test_the_working_directory(sandbox: Sandbox) -> None:
    assert output(sandbox, "pwd", workingDir="/usr/share") == ["/usr/share"]


def test_a_working_directory_that_is_not_there_is_made(sandbox: Sandbox) -> None:
    """As container runtimes do."""
    assert output(sandbox, "pwd", workingDir="/opt/no/such") == ["/opt/no/such"]
    assert not Path("/opt/no").exists()


# Security context.

STATUS = "grep -E '^(Uid|Gid|Groups|CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status"


def facts(lines: list[str]) -> dict[str, str]:
    return {key: " ".join(value.split()) for key, _, value in (line.partition(":") for line in lines)}


def test_defaults_of_the_security_context(sandbox: Sandbox) -> None:
    """What containerd gives: root with fourteen capabilities, none of them inheritable, and a system call filter."""
    found = facts(output(sandbox, STATUS))
    assert found["Uid"] == "0 0 0 0"
    assert found["Seccomp"] == "2"
    assert found["NoNewPrivs"] == "0"
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16)
    assert int(found["CapEff"], 16) & ~0xA80425FB == 0
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0


def test_user_and_groups(sandbox: Sandbox) -> None:
    found = facts(
        output(
            sandbox,
            STATUS,
            pod_fields={
                "securityContext": {
                    "runAsUser": 1234,
                    "runAsGroup": 2345,
                    "supplementalGroups": [3456],
                    "fsGroup": 4567,
                    "runAsNonRoot": True,
                }
            },
        )
    )
    assert found["Uid"] == "1234 1234 1234 1234"
    assert found["Gid"] == "2345 2345 2345 2345"
    assert set(found["Groups"].split()) == {"2345", "3456", "4567"}
    assert int(found["CapEff"], 16) == 0


def test_the_container_wins_over_the_pod(sandbox: Sandbox) -> None:
    lines = output(
        sandbox,
        "id -u; id -g",
        pod_fields={"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}},
        securityContext={"runAsUser": 2000},
    )
    assert lines == ["2000", "1000"]


def test_root_is_refused_where_it_must_not_be(sandbox: Sandbox) -> None:
    outcome = run_script(sandbox, "id", securityContext={"runAsNonRoot": True})
    assert "root" in failure(outcome)
    assert not outcome.log()


def test_capabilities(sandbox: Sandbox) -> None:
    drop_all = {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    found = facts(output(sandbox, STATUS, securityContext=drop_all))
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 1 << 10
    found = facts(output(sandbox, STATUS, securityContext={"capabilities": {"drop": ["CHOWN"]}}))
    assert int(found["CapEff"], 16) & 1 == 0
    assert int(found["CapEff"], 16) != 0
    added = {"capabilities": {"add": ["SYS_ADMIN"]}}
    found = facts(output(sandbox, STATUS, securityContext=added))
    assert int(found["CapEff"], 16) & 1 << 21


def test_the_limit_of_open_files_is_the_one_nodeguard_got(sandbox: Sandbox) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert output(sandbox, "ulimit -Sn; ulimit -Hn") == [str(soft), str(hard)]


def test_no_new_privileges(sandbox: Sandbox) -> None:
    assert facts(output(sandbox, STATUS, securityContext={"allowPrivilegeEscalation": False}))["NoNewPrivs"] == "1"


def test_seccomp(sandbox: Sandbox) -> None:
    """2 is a filter, 0 is none."""
    assert facts(output(sandbox, STATUS))["Seccomp"] == "2"
    assert facts(output(sandbox, STATUS, securityContext={"seccompProfile": {"type": "Unconfined"}}))["Seccomp"] == "0"


def test_a_privileged_container(sandbox: Sandbox) -> None:
    script = f"{STATUS}; ls /dev; mkdir /tmp/m; mount -t tmpfs none /tmp/m && echo mounted"
    lines = output(sandbox, script, securityContext={"privileged": True})
    found = facts(lines)
    own = facts(Path("/proc/self/status").read_text().splitlines())
    assert found["Seccomp"] == "0"
    assert found["CapEff"] == own["CapBnd"]
    assert lines[-1] == "mounted"
    assert "kmsg" in lines


def test_what_is_closed_without_privilege(sandbox: Sandbox) -> None:
    script = """
        mount -t tmpfs none /mnt 2>/dev/null && echo mounted
        echo 1 2>/dev/null > /proc/sys/kernel/panic && echo sysctl
        head -c 1 /proc/kcore 2>/dev/null | grep -q . && echo kcore
        mkdir /sys/fs/cgroup/memory/x 2>/dev/null && echo cgroup
        mknod /tmp/disk b 8 0 2>/dev/null && head -c 1 /tmp/disk 2>/dev/null && echo device
        echo end
    """
    assert output(sandbox, script) == ["end"]


def test_a_read_only_root_file_system(sandbox: Sandbox) -> None:
    script = "touch /file 2>&1; touch /dev/shm/x && echo shm; touch /data/x && echo data; touch /run/x; echo end"
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(
                script=script,
                securityContext={"readOnlyRootFilesystem": True},
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            ),
            volumes=[{"name": "data", "emptyDir": {}}],
        ),
    )
    lines = outcome.log()
    assert any("Read-only file system" in line for line in lines), lines
    assert {"shm", "data", "end"} <= set(lines)
    assert not Path("/file").exists()


# Volumes.


def test_an_empty_dir_is_shared_by_the_containers(sandbox: Sandbox) -> None:
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    mounts = [{"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"}]
    read_only = [{**mount, "readOnly": True} for mount in mounts]
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container("main", "cat /disk/file /memory/file; stat -f -c %T /memory; stat -c %a /disk /memory; "
                      "touch /disk/x; touch /memory/x; ls /disk /memory", volumeMounts=read_only),
            initContainers=[container("init", "echo disk > /disk/file; echo memory > /memory/file",
                                      volumeMounts=mounts)],
            volumes=volumes,
        ),
    )  # fmt: skip
    assert outcome.code == 0, outcome.text
    lines = outcome.log()
    assert lines[:5] == ["disk", "memory", "tmpfs", "777", "1777"]
    assert len([line for line in lines if "Read-only file system" in line]) == 2


def test_fs_group_owns_volumes(sandbox: Sandbox) -> None:
    lines = output(
        sandbox,
        "touch /data/file && stat -c %g /data /data/file",
        pod_fields={
            "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    assert lines == ["2000", "2000"]


def host_path(path: Path, kind: str = "") -> Json:
    return {"volumes": [{"name": "host", "hostPath": {"path": str(path), **({"type": kind} if kind else {})}}]}


MOUNTED: Json = {"volumeMounts": [{"name": "host", "mountPath": "/mnt/host"}]}


@pytest.mark.parametrize("kind", ["", "Directory", "DirectoryOrCreate"])
def test_a_host_directory(sandbox: Sandbox, kind: str) -> None:
    place = sandbox.base / "outside"
    place.mkdir()
    (place / "in").write_text("from the host\n")
    script = "cat /mnt/host/in; echo from inside > /mnt/host/out"
    assert output(sandbox, script, pod_fields=host_path(place, kind), **MOUNTED) == ["from the host"]
    assert (place / "out").read_text() == "from inside\n"


@pytest.mark.parametrize("kind", ["File", "FileOrCreate", "Socket", "CharDevice"])
def test_other_host_paths(sandbox: Sandbox, kind: str) -> None:
    place = sandbox.base / "thing"
    if kind == "File":
        place.write_text("x")
    elif kind == "CharDevice":
        place = Path("/dev/null")
    elif kind == "Socket":
        # bound by a short relative name: the full path may be longer than a socket address
        with socket.socket(socket.AF_UNIX) as server:
            directory = os.open(sandbox.base, os.O_PATH)
            server.bind(f"/proc/self/fd/{directory}/thing")
            os.close(directory)
    script = "stat -c %F /mnt/host"
    words = {"File": "regular file", "FileOrCreate": "regular empty file", "Socket": "socket",
             "CharDevice": "character special file"}  # fmt: skip
    assert output(sandbox, script, pod_fields=host_path(place, kind), **MOUNTED) == [words[kind]]


@pytest.mark.parametrize("kind", ["Directory", "File", "Socket", "CharDevice", "BlockDevice"])
@pytest.mark.parametrize("there", [True, False], ids=["of another type", "missing"])
def test_a_host_path_of_the_wrong_type(sandbox: Sandbox, kind: str, there: bool) -> None:
    place = sandbox.base / "thing"
    if there:
        if kind == "Directory":
            place.write_text("x")
        else:
            place.mkdir()
    outcome = run_script(sandbox, "echo never", pod_fields=host_path(place, kind), **MOUNTED)
    message = failure(outcome)
    assert "hostPath type check failed" in message
    assert str(place) in message
    assert not outcome.log()
    assert place.exists() == there


def test_a_missing_host_directory_is_made(sandbox: Sandbox) -> None:
    place = sandbox.base / "new" / "place"
    output(sandbox, "touch /mnt/host/x", pod_fields=host_path(place, "DirectoryOrCreate"), **MOUNTED)
    assert (place / "x").exists()
    assert place.stat().st_mode & 0o777 == 0o755


def test_a_read_only_host_path(sandbox: Sandbox) -> None:
    place = sandbox.base / "outside"
    place.mkdir()
    mounts = {"volumeMounts": [{"name": "host", "mountPath": "/mnt/host", "readOnly": True}]}
    outcome = run_script(sandbox, "touch /mnt/host/x", pod_fields=host_path(place), **mounts)
    assert outcome.code == 1
    assert "Read-only file system" in outcome.log()[0]
    assert not any(place.iterdir())


def test_sub_paths(sandbox: Sandbox) -> None:
    place = sandbox.base / "outside"
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "file").write_text("deep\n")
    mounts = {
        "volumeMounts": [
            {"name": "host", "mountPath": "/one", "subPath": "a/b"},
            {"name": "host", "mountPath": "/etc/single", "subPath": "a/b/file"},
            {"name": "host", "mountPath": "/made", "subPath": "new/here"},
            {"name": "host", "mountPath": "/mine", "subPathExpr": "logs/$(NAME)"},
        ],
        "env": [field("NAME", "metadata.name")],
    }
    script = "cat /one/file /etc/single; touch /made/x /mine/y; ls -A /one"
    assert output(sandbox, script, pod_fields=host_path(place), **mounts) == ["deep", "deep", "file"]
    assert (place / "new" / "here" / "x").exists()
    assert (place / "logs" / "p" / "y").exists()


def test_a_sub_path_cannot_leave_its_volume(sandbox: Sandbox) -> None:
    """Symlinks inside are taken as if the volume were /."""
    place, outside = sandbox.base / "volume", sandbox.base / "outside"
    place.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret\n")
    (place / "link").symlink_to(outside)
    (place / "up").symlink_to("../outside")
    for name in ("link", "up"):
        mounts = {"volumeMounts": [{"name": "host", "mountPath": "/mnt/host", "subPath": name}]}
        outcome = run_script(sandbox, "cat /mnt/host/secret", pod_fields=host_path(place), **mounts)
        assert outcome.code != 0
        assert "secret" not in outcome.log()


def test_mounts_inside_mounts(sandbox: Sandbox) -> None:
    """Parents come first, in whatever order they are written."""
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container(
                script="touch /a/b/c/file && ls /a/b/c && stat -f -c %T /a/b",
                volumeMounts=[
                    {"name": "three", "mountPath": "/a/b/c"},
                    {"name": "one", "mountPath": "/a"},
                    {"name": "two", "mountPath": "/a/b"},
                ],
            ),
            volumes=[
                {"name": "one", "emptyDir": {}},
                {"name": "two", "emptyDir": {"medium": "Memory"}},
                {"name": "three", "emptyDir": {}},
            ],
        ),
    )
    assert outcome.log() == ["file", "tmpfs"]


# What containers share with each other and with the host.


def test_containers_share_network_ipc_and_host_name(sandbox: Sandbox) -> None:
    kinds = ("net", "ipc", "uts", "pid", "mnt")
    with start_pods(sandbox, pod("p", container("a"), container("b")), pod("q")) as running:
        wait_for_up(running, 3)
        a, b, q = (
            namespaces_of(processes_of(cgroup_of(sandbox, p, c))[0], *kinds)
            for p, c in (("p", "a"), ("p", "b"), ("q", "main"))
        )
        host = namespaces_of(os.getpid(), *kinds)
        running.signal(signal.SIGTERM)
        finish(running)
    assert {kind for kind in kinds if a[kind] == b[kind]} == {"net", "ipc", "uts"}
    assert not {kind for kind in kinds if a[kind] == q[kind]}
    assert not {kind for kind in kinds if a[kind] == host[kind]}


def test_containers_meet_on_the_loopback(sandbox: Sandbox) -> None:
    client = "i=0; until busybox nc 127.0.0.1 8080 </dev/null >/tmp/got 2>/dev/null && [ -s /tmp/got ]; do sleep 0.1; \
        i=$((i+1)); [ $i -lt 100 ] || exit 1; done; cat /tmp/got"
    server = "while :; do echo hello from the server | busybox nc -l -p 8080; done"
    outcome = run_pods(
        sandbox,
        pod(
            "p",
            container("main", client),
            initContainers=[container("server", server, restartPolicy="Always")],
            terminationGracePeriodSeconds=0,
        ),
    )
    assert outcome.code == 0, outcome.text
    assert outcome.log() == ["hello from the server"]


def test_containers_share_dev_shm(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod("p", container("main", "cat /dev/shm/x; df -k /dev/shm | tail -n 1"),
            initContainers=[container("init", "echo shared > /dev/shm/x")]),
    )  # fmt: skip
    assert outcome.log()[0] == "shared"
    assert outcome.log()[1].split()[1] == "65536"
    assert not Path("/dev/shm/x").exists()


def test_the_network_is_loopback_alone(sandbox: Sandbox) -> None:
    assert [line.strip() for line in output(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1")] == ["lo"]


def test_names(sandbox: Sandbox) -> None:
    script = "hostname; cat /etc/hostname; cat /proc/sys/kernel/hostname; cat /etc/hosts"
    lines = output(
        sandbox,
        script,
        pod_fields={
            "hostname": "web-0",
            "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db", "db.example"]}],
        },
    )
    assert lines[:3] == ["web-0"] * 3
    assert any(line.split() == ["10.0.0.9", "db", "db.example"] for line in lines)
    assert os.uname().nodename != "web-0"


@pytest.mark.parametrize(
    ("field_name", "shared"),
    [("hostNetwork", {"net", "uts"}), ("hostPID", {"pid"}), ("hostIPC", {"ipc"})],
)
def test_namespaces_of_the_host(sandbox: Sandbox, field_name: str, shared: set[str]) -> None:
    kinds = ("net", "ipc", "uts", "pid", "mnt")
    with start_pods(sandbox, pod("p", **{field_name: True})) as running:
        wait_for_up(running)
        inside = namespaces_of(processes_of(cgroup_of(sandbox, container="main"))[0], *kinds)
        host = namespaces_of(os.getpid(), *kinds)
        running.signal(signal.SIGTERM)
        finish(running)
    assert {kind for kind in kinds if inside[kind] == host[kind]} == shared


def test_containers_that_share_a_pid_namespace(sandbox: Sandbox) -> None:
    script = "trap 'exit 0' TERM; echo up; sleep 1000 & wait"
    seen = "until grep -q marker /proc/[0-9]*/cmdline 2>/dev/null; do sleep 0.05; done; echo $$$$ > /tmp/pid; " + script
    with start_pods(
        sandbox, pod("p", container("a", "true marker; " + script), container("b", seen), shareProcessNamespace=True)
    ) as running:
        wait_for_up(running, 2)
        a, b = (namespaces_of(processes_of(cgroup_of(sandbox, "p", c))[0], "pid", "mnt") for c in ("a", "b"))
        assert a["pid"] == b["pid"]
        assert a["mnt"] != b["mnt"]
        assert a["pid"] != namespaces_of(os.getpid(), "pid")["pid"]
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert [outcome.terminated(name)["exitCode"] for name in ("a", "b")] == [0, 0]


def test_sysctls(sandbox: Sandbox) -> None:
    before = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    lines = output(
        sandbox,
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        pod_fields={"securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "77"}]}},
    )
    assert lines == ["77"]
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == before


# The host as root file system.


def test_writes_do_not_reach_the_host(sandbox: Sandbox) -> None:
    name = f"nodeguard-test-{os.getpid()}"
    before = Path("/etc/hostname").stat().st_mtime_ns if Path("/etc/hostname").exists() else None
    script = f"echo x > /{name}; echo x > /etc/{name}; echo x > /usr/{name}; rm -rf /usr/share/doc; ls / /etc /usr"
    lines = output(sandbox, script)
    assert lines.count(name) == 3
    for directory in ("/", "/etc", "/usr"):
        assert not Path(directory, name).exists()
    assert Path("/usr/share/doc").is_dir()
    assert before == (Path("/etc/hostname").stat().st_mtime_ns if before is not None else None)


def test_nodeguards_own_state_is_hidden(sandbox: Sandbox) -> None:
    """The three directories show nothing, and nothing can be put there."""
    script = " ".join(
        f"ls -A {path}; touch {path}/x 2>/dev/null && [ -e {path}/x ] && echo written;"
        for path in (sandbox.run_dir, sandbox.state_dir, sandbox.log_dir)
    )
    outcome = run_script(sandbox, script + " echo end")
    assert outcome.log() == ["end"]


def test_run_is_private(sandbox: Sandbox) -> None:
    assert output(sandbox, "ls -A /run; touch /run/mine && echo written") == ["written"]
    assert not Path("/run/mine").exists()


def test_mounts_of_the_container_do_not_reach_the_host(sandbox: Sandbox) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with start_pods(
        sandbox,
        script_pod("mkdir /tmp/m; mount -t tmpfs inside /tmp/m; " + UNTIL_TERM, securityContext={"privileged": True}),
    ) as running:
        wait_for_up(running)
        during = Path("/proc/self/mountinfo").read_text()
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert " inside " in before or " inside " not in during
    assert outcome.terminated()["exitCode"] == 0


def test_two_containers_do_not_see_each_others_files(sandbox: Sandbox) -> None:
    outcome = run_pods(
        sandbox,
        pod(
            "p", container("main", "ls /tmp/theirs 2>&1; true"), initContainers=[container("init", "touch /tmp/theirs")]
        ),
    )
    assert "No such file" in outcome.log()[0]


def test_bad_references_are_told(sandbox: Sandbox) -> None:
    outcome = run_script(
        sandbox,
        "echo never",
        pod_fields=host_path(sandbox.base / "x", "Directory"),
        volumeMounts=[{"name": "host", "mountPath": "/x", "subPathExpr": "$(NO_SUCH)"}],
    )
    assert_is_told(failure(outcome))
