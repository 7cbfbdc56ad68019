from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path

import pytest

from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.runtime.image import (
    ImageConfig,
    ImageKind,
    ImageRef,
    classify,
    ensure_unpacked,
    parse_config,
    process_args,
)

CONFIG = {"config": {"Entrypoint": ["/init"], "Cmd": ["-x"], "Env": ["A=1"], "WorkingDir": "/w", "User": "7:8"}}
DIGEST = "sha256:" + "a" * 64


def make_layout(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "oci-layout").write_text("{}")
    (directory / "index.json").write_text('{"manifests": []}')
    return directory


def make_tar(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


@pytest.mark.parametrize("image", [None, "", "host"])
def test_the_host_itself(image: str | None) -> None:
    assert classify(image) == ImageRef(kind=ImageKind.HOST)


def test_local_images_are_known_by_their_shape(tmp_path: Path) -> None:
    layout, tar = make_layout(tmp_path / "layout"), make_tar(tmp_path / "a.tar", "x")
    (tmp_path / "rootfs").mkdir()
    for image, kind, path, tag in (
        (f"oci:{layout}", ImageKind.LAYOUT, layout, ""),
        (f"oci:{layout}:v1.2", ImageKind.LAYOUT, layout, "v1.2"),
        (f"{layout}", ImageKind.LAYOUT, layout, ""),
        (f"{layout}:v1.2", ImageKind.LAYOUT, layout, "v1.2"),
        (f"docker-archive:{tar}", ImageKind.DOCKER_ARCHIVE, tar, ""),
        (f"docker-archive:{tar}:busybox:latest", ImageKind.DOCKER_ARCHIVE, tar, "busybox:latest"),
        (f"oci-archive:{tar}", ImageKind.OCI_ARCHIVE, tar, ""),
        (f"{tar}", ImageKind.ARCHIVE, tar, ""),
        (f"dir:{tmp_path}/rootfs", ImageKind.DIRECTORY, tmp_path / "rootfs", ""),
        (f"{tmp_path}/rootfs", ImageKind.DIRECTORY, tmp_path / "rootfs", ""),
    ):
        assert classify(image) == ImageRef(kind=kind, path=path, tag=tag), image


@pytest.mark.parametrize(
    ("image", "words", "reason"),
    [
        ("nginx:1.25", "pulling from a registry is not supported yet; what works: image: host", "ErrImagePull"),
        ("registry.example/pause", "pulling from a registry is not supported yet", "ErrImagePull"),
        ("localhost:5000/x", "pulling from a registry is not supported yet", "ErrImagePull"),
        ("./image.tar", "must be absolute", "InvalidImageName"),
        ("oci:image", "must be absolute", "InvalidImageName"),
        ("/nope/image.tar", "there is no /nope/image.tar", "ErrImagePull"),
        ("oci:/nope", "there is no /nope", "ErrImagePull"),
        ("dir:/etc/passwd", "/etc/passwd is not a directory", "ErrImagePull"),
        ("oci-archive:/etc", "/etc is a directory", "ErrImagePull"),
        ("oci:/etc", "/etc has no index.json", "ErrImagePull"),
    ],
)
def test_what_cannot_be_had(image: str, words: str, reason: str) -> None:
    with pytest.raises(RuntimeFailed, match=words) as caught:
        classify(image)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        pytest.param((), (), ("/init", "-x"), id="the image's own"),
        pytest.param(("/a",), (), ("/a",), id="command alone drops the image's cmd"),
        pytest.param((), ("-y",), ("/init", "-y"), id="args alone keep the entrypoint"),
        pytest.param(("/a",), ("-y",), ("/a", "-y"), id="both"),
    ],
)
def test_process_args(command: tuple[str, ...], args: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert process_args(command, args, parse_config(CONFIG)) == expected


def test_no_command_at_all() -> None:
    with pytest.raises(RuntimeFailed, match="no command specified"):
        process_args((), (), ImageConfig())


def test_parse_config() -> None:
    assert parse_config(CONFIG) == ImageConfig(
        entrypoint=("/init",), cmd=("-x",), env=("A=1",), working_dir="/w", user="7:8"
    )
    assert parse_config({"config": {"Cmd": None, "Env": None}}) == ImageConfig()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A skopeo and a umoci that note their calls; returns their log."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "calls"
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "manifest.json").write_text(json.dumps({"config": {"digest": "sha256:" + "b" * 64}}))
    (tmp_path / "index.json").write_text(
        json.dumps({"manifests": [{"digest": DIGEST, "annotations": {"org.opencontainers.image.ref.name": "image"}}]})
    )
    skopeo = f"""#!/bin/sh
echo "skopeo $*" >> {log}
for last; do :; done
layout=${{last#oci:}}; layout=${{layout%:image}}
mkdir -p $layout/blobs/sha256
cp {tmp_path}/index.json $layout/
cp {tmp_path}/manifest.json $layout/blobs/sha256/{"a" * 64}
cp {tmp_path}/config.json $layout/blobs/sha256/{"b" * 64}
"""
    umoci = f"""#!/bin/sh
echo "umoci $*" >> {log}
for last; do :; done
mkdir $last && touch $last/made
"""
    for name, text in (("skopeo", skopeo), ("umoci", umoci)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return log


def test_an_image_is_unpacked_once(tmp_path: Path, tools: Path) -> None:
    ref = classify(str(make_layout(tmp_path / "layout")))
    first = ensure_unpacked(ref, tmp_path / "cache")
    assert (first.rootfs / "made").exists()
    assert first.digest == DIGEST
    assert first.config.entrypoint == ("/init",)
    assert ensure_unpacked(ref, tmp_path / "cache") == first
    assert [line.split()[0] for line in tools.read_text().splitlines()] == ["skopeo", "umoci"]
    assert list((tmp_path / "cache" / "partial").iterdir()) == []


def test_the_same_image_from_another_source_is_not_unpacked_again(tmp_path: Path, tools: Path) -> None:
    one = ensure_unpacked(classify(str(make_layout(tmp_path / "one"))), tmp_path / "cache")
    two = ensure_unpacked(classify(str(make_layout(tmp_path / "two"))), tmp_path / "cache")
    assert one == two
    assert tools.read_text().count("umoci") == 1


def test_a_changed_source_is_looked_at_again(tmp_path: Path, tools: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", "./oci-layout")
    ensure_unpacked(classify(str(tar)), tmp_path / "cache")
    assert f"oci-archive:{tar}" in tools.read_text()
    make_tar(tar, "manifest.json", "and", "more")
    ensure_unpacked(classify(str(tar)), tmp_path / "cache")
    assert f"docker-archive:{tar}" in tools.read_text()


def test_a_half_made_image_is_made_anew(tmp_path: Path, tools: Path) -> None:
    ref = classify(str(make_layout(tmp_path / "layout")))
    first = ensure_unpacked(ref, tmp_path / "cache")
    (first.rootfs.parent / "config.json").write_text("{")
    (tmp_path / "cache" / "partial" / "x").mkdir()
    assert ensure_unpacked(ref, tmp_path / "cache") == first


def test_two_at_once_unpack_once(tmp_path: Path, tools: Path) -> None:
    ref = classify(str(make_layout(tmp_path / "layout")))
    threads = [threading.Thread(target=ensure_unpacked, args=(ref, tmp_path / "cache")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tools.read_text().count("umoci") == 1


def test_a_failing_tool_is_quoted_and_nothing_stays(tmp_path: Path, tools: Path) -> None:
    (tmp_path / "bin" / "umoci").write_text(
        "#!/bin/sh\necho 'chatter' >&2\necho 'no space left on device' >&2\nexit 1\n"
    )
    with pytest.raises(RuntimeFailed, match="umoci: no space left on device") as caught:
        ensure_unpacked(classify(str(make_layout(tmp_path / "layout"))), tmp_path / "cache")
    assert caught.value.reason == "ErrImagePull"
    for name in ("partial", "unpacked", "sources"):
        assert list((tmp_path / "cache" / name).iterdir()) == []


def test_a_missing_tool_is_named(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin" / "skopeo").unlink()
    (tmp_path / "bin" / "umoci").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(HostLacks, match="Debian package skopeo"):
        ensure_unpacked(classify(str(make_layout(tmp_path / "layout"))), tmp_path / "cache")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "cannot be read"),
        ('{"manifests": []}', "cannot be read"),
        (
            '{"manifests": [{"digest": "sha256:../x", "annotations": {"org.opencontainers.image.ref.name": "image"}}]}',
            "is no sha256 digest",
        ),
    ],
)
def test_a_damaged_layout(tmp_path: Path, tools: Path, index: str, words: str) -> None:
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(RuntimeFailed, match=words):
        ensure_unpacked(classify(str(make_layout(tmp_path / "layout"))), tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b\x00broken"])
def test_an_archive_that_is_none(tmp_path: Path, tools: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(RuntimeFailed, match=r"no tar archive|neither oci-layout nor manifest"):
        ensure_unpacked(classify(str(tmp_path / "a.tar")), tmp_path / "cache")


def test_an_archive_of_something_else(tmp_path: Path, tools: Path) -> None:
    with pytest.raises(RuntimeFailed, match=r"neither oci-layout nor manifest\.json"):
        ensure_unpacked(classify(str(make_tar(tmp_path / "a.tar", "x"))), tmp_path / "cache")


def test_a_directory_is_used_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    found = ensure_unpacked(classify(f"dir:{tmp_path}/rootfs"), tmp_path / "cache")
    assert (found.rootfs, found.digest) == (tmp_path / "rootfs", "")
    assert not (tmp_path / "cache").exists()
