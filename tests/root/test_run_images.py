"""Pods from images: layouts, archives and plain directories, made on the spot from a static busybox."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from root.lab import Outcome, assert_is_told, container, pod, run_pods, write_manifest
from sandbox import Sandbox, patient

pytestmark = [pytest.mark.root, pytest.mark.anywhere]

APPLETS = ("sh", "cat", "echo", "ls", "id", "env", "pwd", "touch", "test", "sleep", "kill", "tr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The same small image in every form; ``directory`` is its root file system alone."""

    directory: Path
    layout: Path
    oci_archive: Path
    docker_archive: Path


def run(*words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    base = tmp_path_factory.mktemp("images")
    base.chmod(0o755)
    directory, layout = base / "rootfs", base / "layout"
    for name in ("bin", "etc", "tmp", "home/worker"):
        (directory / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", directory / "bin" / "busybox")
    for name in APPLETS:
        (directory / "bin" / name).symlink_to("busybox")
    (directory / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nworker:x:1000:1001::/home/worker:/bin/sh\n")
    (directory / "etc" / "group").write_text("root:x:0:\nworker:x:1001:\nextra:x:1002:worker\n")
    (directory / "etc" / "release").write_text("the little image\n")

    image = f"{layout}:v1"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", image)
    run("umoci", "insert", "--image", image, directory, "/")
    run(
        "umoci", "config", "--image", image, "--config.entrypoint", "/bin/sh", "--config.entrypoint", "-c",
        "--config.cmd", 'echo "from the image: $GREETING in $(pwd) as $(id -u):$(id -g)"',
        "--config.env", "GREETING=hello", "--config.env", "PATH=/bin", "--config.workingdir", "/home/worker",
        "--config.user", "worker", "--config.stopsignal", "SIGUSR1",
    )  # fmt: skip
    run("umoci", "tag", "--image", image, "plain")
    run("umoci", "config", "--image", f"{layout}:plain", "--clear", "config.entrypoint", "--clear", "config.cmd")
    run("skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:v1", f"oci-archive:{base}/oci.tar:v1")
    run("skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:v1", f"docker-archive:{base}/docker.tar:little:v1")
    return Images(directory=directory, layout=layout, oci_archive=base / "oci.tar", docker_archive=base / "docker.tar")


def run_image(sandbox: Sandbox, image: str, script: str | None = None, **fields: Any) -> Outcome:
    return run_pods(sandbox, pod("p", container("main", script, image=image, **fields)))


FORMS = ("oci:{0.layout}:v1", "{0.layout}:v1", "oci-archive:{0.oci_archive}", "docker-archive:{0.docker_archive}",
         "{0.oci_archive}", "{0.docker_archive}")  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_an_image_runs_as_it_says(sandbox: Sandbox, images: Images, form: str) -> None:
    outcome = run_image(sandbox, form.format(images))
    assert outcome.code == 0, outcome.text
    assert outcome.log() == ["from the image: hello in /home/worker as 1000:1001"]
    assert outcome.container()["image"] == form.format(images)


@pytest.mark.parametrize("form", ["{0.directory}", "dir:{0.directory}"])
def test_a_directory_is_a_root_file_system(sandbox: Sandbox, images: Images, form: str) -> None:
    script = "cat /etc/release; id -u; touch /new && ls /new"
    outcome = run_image(sandbox, form.format(images), script, env=[{"name": "PATH", "value": "/bin"}])
    assert outcome.log() == ["the little image", "0", "/new"]
    assert not (images.directory / "new").exists()


def test_the_manifest_wins_over_the_image(sandbox: Sandbox, images: Images) -> None:
    image = f"oci:{images.layout}:v1"
    outcome = run_image(sandbox, image, args=["echo $GREETING args"])
    assert outcome.log() == ["hello args"]
    outcome = run_image(
        sandbox,
        image,
        command=["/bin/sh", "-c", "echo $GREETING; pwd; id -u; id -G"],
        env=[{"name": "GREETING", "value": "good bye"}],
        workingDir="/etc",
        securityContext={"runAsUser": 0, "runAsGroup": 0},
    )
    assert outcome.log()[:3] == ["good bye", "/etc", "0"]


def test_the_groups_of_the_images_user(sandbox: Sandbox, images: Images) -> None:
    outcome = run_image(sandbox, f"oci:{images.layout}:v1", "id -G | tr ' ' '\\n'")
    assert set(outcome.log()) == {"1001", "1002"}


def test_the_images_stop_signal(sandbox: Sandbox, images: Images) -> None:
    script = 'trap "exit 44" USR1; trap "exit 1" TERM; sleep 1000 & wait'
    side = container("side", script, image=f"oci:{images.layout}:v1", restartPolicy="Always")
    outcome = run_pods(sandbox, pod("p", container(script="sleep 0.3"), initContainers=[side]))
    assert outcome.code == 0
    assert outcome.terminated("side")["exitCode"] == 44


def test_an_image_without_a_command(sandbox: Sandbox, images: Images) -> None:
    outcome = run_image(sandbox, f"oci:{images.layout}:plain")
    assert outcome.code == 128
    assert "no command" in outcome.terminated()["message"]


def test_nothing_of_the_host_is_in_an_image(sandbox: Sandbox, images: Images) -> None:
    outcome = run_image(sandbox, f"oci:{images.layout}:v1", "ls /; test -e /usr/bin/env && echo host")
    assert "host" not in outcome.log()
    assert set(outcome.log()) <= {"bin", "dev", "etc", "home", "proc", "sys", "tmp"}


def test_an_image_is_unpacked_once_and_never_written_to(sandbox: Sandbox, images: Images) -> None:
    image = f"oci:{images.layout}:v1"
    for _ in range(2):
        script = "ls /tmp; echo x > /tmp/written && echo x > /home/worker/file && echo end"
        outcome = run_image(sandbox, image, args=[script], securityContext={"runAsUser": 0})
        assert outcome.log() == ["end"]
        cached = list((sandbox.state_dir / "images" / "unpacked").iterdir())
        assert len(cached) == 1
    assert not (cached[0] / "rootfs" / "home" / "worker" / "file").exists()


def test_several_containers_of_one_image_at_once(sandbox: Sandbox, images: Images) -> None:
    image = f"docker-archive:{images.docker_archive}"
    pods = [pod(f"p{i}", container("a", None, image=image), container("b", None, image=image)) for i in range(3)]
    outcome = run_pods(sandbox, *pods)
    assert outcome.code == 0, outcome.text
    assert len(outcome.logs) == 6
    assert len(list((sandbox.state_dir / "images" / "unpacked").iterdir())) == 1


# What cannot be had.


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("registry", "nginx")),
        ("registry.example/library/nginx:1.27", ("registry", "registry.example/library/nginx:1.27")),
        ("registry.example/app@sha256:" + "0" * 64, ("registry",)),
        ("./relative", ("absolute",)),
        ("oci:relative/layout", ("absolute",)),
        ("/no/such/image.tar", ("/no/such/image.tar",)),
        ("oci:/no/such/layout:v1", ("/no/such/layout",)),
        ("docker-archive:/etc", ("/etc",)),
        ("dir:/etc/passwd", ("/etc/passwd",)),
        ("oci:/etc", ("index.json",)),
    ],
)
def test_an_image_that_cannot_be_had_is_refused_before_anything_starts(
    sandbox: Sandbox, image: str, parts: tuple[str, ...]
) -> None:
    path = write_manifest(sandbox, pod("good"), pod("p", container(image=image)))
    done = sandbox.nodeguard("run", path)
    assert done.returncode == 3
    assert_is_told(done.stderr, "default/p", "main", *parts)
    assert "Started" not in done.stderr
    assert sandbox.left_behind() == []


def test_a_damaged_archive(sandbox: Sandbox, images: Images) -> None:
    damaged = sandbox.base / "damaged.tar"
    damaged.write_bytes(images.oci_archive.read_bytes()[:20000])
    nonsense = sandbox.base / "nonsense.tar"
    nonsense.write_text("this is no archive")
    for path in (damaged, nonsense):
        outcome = run_image(sandbox, str(path))
        assert outcome.code == 128
        ended = outcome.terminated()
        assert ended["reason"] == "ErrImagePull"
        assert_is_told(ended["message"], str(path))
        assert not list((sandbox.state_dir / "images" / "partial").iterdir())


def test_a_tag_that_is_not_there(sandbox: Sandbox, images: Images) -> None:
    outcome = run_image(sandbox, f"oci:{images.layout}:nope")
    assert outcome.terminated()["reason"] == "ErrImagePull"


def test_an_archive_that_climbs_out(sandbox: Sandbox) -> None:
    """A layer with ``..`` and with a symlink to write through."""
    outside = sandbox.base / "outside"
    outside.mkdir()
    layer = sandbox.base / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        link = tarfile.TarInfo("door")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        for name in ("door/evil", f"../../../../../../../..{outside}/evil"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, BytesIO(b"evil"))
    layout = sandbox.base / "layout"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:v1")
    run("umoci", "raw", "add-layer", "--image", f"{layout}:v1", layer)
    run_image(sandbox, f"oci:{layout}:v1", "true")
    assert not any(outside.iterdir())
