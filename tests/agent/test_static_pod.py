"""Static manifests: what is read of a directory, and the pods that come and go with its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodeguard.agent import static_pod
from nodeguard.agent.clock import Clock
from nodeguard.agent.loop import Loop
from nodeguard.agent.static_manifest import MAX_BYTES, Reading, StaticFile, parse_manifest, read_manifests
from nodeguard.agent.static_pod import StaticPods
from nodeguard.agent.watch import Watcher
from nodeguard.model.pod import Pod

WEB = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: a, command: [x]}]\n"
MARK = (0, 0, 0, 0)


def parse(text: str, source: str = "/m/web.yaml") -> StaticFile:
    return parse_manifest(text.encode(), source, mark=MARK, node_name="Node-1", now=0.0)


def test_a_pod_is_named_after_the_node_and_known_by_what_the_file_says() -> None:
    (pod,) = parse(WEB).pods
    assert pod.meta.key == "default/web-node-1"
    assert pod.node_name == "node-1"
    assert pod.meta.annotations == {
        "kubernetes.io/config.hash": pod.meta.uid,
        "kubernetes.io/config.mirror": pod.meta.uid,
        "kubernetes.io/config.seen": "1970-01-01T00:00:00Z",
        "kubernetes.io/config.source": "file",
    }
    assert len(pod.meta.uid) == hashlib.md5(usedforsecurity=False).digest_size * 2
    assert [(one.operator, one.effect) for one in pod.tolerations] == [("Exists", "NoExecute")]
    assert pod.raw["metadata"]["name"] == "web-node-1"


def test_another_content_or_file_is_another_pod_and_a_comment_is_not() -> None:
    def uid(text: str, source: str = "/m/web.yaml") -> str:
        return parse(text, source).pods[0].meta.uid

    assert uid(WEB) == uid(f"# a comment\n{WEB}")
    assert uid(WEB) != uid(WEB.replace("[x]", "[z]"))
    assert uid(WEB) != uid(WEB, "/m/other.yaml")


def test_several_pods_in_a_file() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"- {{apiVersion: v1, kind: Pod, metadata: {{name: {n}}}, spec: {{containers: [{{name: c, command: [x]}}]}}}}\n"
        for n in "ab"
    )
    assert [pod.meta.name for pod in parse(listed).pods] == ["a-node-1", "b-node-1"]
    assert [pod.meta.name for pod in parse(f"{WEB}---\n{WEB.replace('web', 'too')}").pods] == [
        "web-node-1",
        "too-node-1",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "/m/web.yaml: no Pod in this file"),
        ("a: [", "/m/web.yaml:2: not readable as YAML"),
        (
            WEB.replace("containers", "contaners"),
            "/m/web.yaml:5: spec.contaners: unknown field, did you mean containers?",
        ),
        (WEB.replace("{name: web}", "{}"), "/m/web.yaml:3: metadata.name: required"),
        (WEB.replace("{name: web}", "[]"), "/m/web.yaml:3: metadata: expected an object"),
        (WEB.replace("spec:", "spec:\n  priorityClassName: high"), "no PriorityClass with name 'high'"),
        (
            f"{WEB}---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: p}}\nvalue: 1\n",
            "not Prio",
        ),
        (WEB.replace("name: web", f"name: {'w' * 250}"), "metadata.name"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(text: str, says: str) -> None:
    found = parse(text)
    assert found.pods == ()
    assert any(says in fault for fault in found.faults), found.faults


def test_what_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / ".hidden.yaml").write_text("nonsense")
    (tmp_path / "link.yaml").symlink_to("web.yaml")
    (tmp_path / "inside").mkdir()
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")
    reading = read_manifests(tmp_path, "n", 0.0, {})
    assert list(reading.files) == [str(tmp_path / "web.yaml")]
    words = " ".join(reading.passed_over)
    for word in ("a directory inside", "bytes are too much", "symbolic link", "no regular file"):
        assert word in words
    assert ".hidden" not in words


def test_a_file_that_nobody_wrote_to_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    first = read_manifests(tmp_path, "n", 0.0, {})
    again = read_manifests(tmp_path, "n", 1.0, first.files)
    assert again.files[str(tmp_path / "web.yaml")] is first.files[str(tmp_path / "web.yaml")]


def test_one_file_in_place_of_a_directory_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    assert len(read_manifests(tmp_path / "web.yaml", "n", 0.0, {}).files) == 1
    assert read_manifests(tmp_path / "nothing", "n", 0.0, {}) == Reading()


def test_of_two_files_with_one_pod_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(WEB)
    (tmp_path / "b.yaml").write_text(WEB)
    reading = read_manifests(tmp_path, "n", 0.0, {})
    assert [len(file.pods) for file in reading.files.values()] == [1, 0]
    assert "is in" in reading.files[str(tmp_path / "b.yaml")].faults[0]


class Story:
    def __init__(self, directory: Path) -> None:
        self.loop = Loop(Clock())
        self.watcher = Watcher(self.loop)
        self.calls: list[str] = []
        self.started: list[Pod] = []
        self.directory = directory
        self.pods = StaticPods(self.loop, "n", start=self.start, stop=self.stop, warn=self.warn)

    def start(self, pod: Pod) -> None:
        self.started.append(pod)
        self.calls.append(f"start {pod.meta.name} {'/'.join(pod.containers[0].command)}")

    def stop(self, uid: str) -> None:
        names = {pod.meta.uid: f"{pod.meta.name} {'/'.join(pod.containers[0].command)}" for pod in self.started}
        self.calls.append(f"stop {names.get(uid, uid)}")

    def warn(self, text: str) -> None:
        self.calls.append(f"warn {Path(text.split(':')[0]).name}")

    def write(self, name: str, text: str) -> None:
        beside = self.directory / f".{name}"
        beside.write_text(text)
        beside.replace(self.directory / name)

    def until(self, *calls: str) -> None:
        """These come next, and nothing else."""
        late: list[bool] = []
        timer = self.loop.call_at(self.loop.clock.now() + 30, lambda: late.append(True))
        self.loop.run_until(lambda: len(self.calls) >= len(calls) or bool(late))
        timer.cancel()
        assert sorted(self.calls) == sorted(calls)
        self.calls.clear()


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setattr(static_pod, "SETTLE_SECONDS", 0.02)
    made = Story(tmp_path / "manifests")
    yield made
    made.pods.close()
    made.watcher.close()
    made.watcher._inotify.close()
    made.loop.close()


@pytest.fixture
def opened(story: Story) -> Story:
    story.directory.mkdir()
    story.write("web.yaml", WEB)
    story.pods.open(story.watcher, story.directory)
    story.until("start web-n x")
    return story


def test_a_file_that_comes_changes_and_goes(opened: Story) -> None:
    opened.write("too.yaml", WEB.replace("web", "too"))
    opened.until("start too-n x")
    opened.write("too.yaml", WEB.replace("web", "too").replace("[x]", "[z]"))
    opened.until("stop too-n x", "start too-n z")
    (opened.directory / "too.yaml").unlink()
    opened.until("stop too-n z")


def test_a_change_that_cannot_be_used_is_told_once_and_the_pod_stays(opened: Story) -> None:
    opened.write("web.yaml", "nonsense: [")
    opened.until("warn web.yaml")
    opened.write("too.yaml", WEB.replace("web", "too"))
    opened.until("start too-n x")
    opened.write("web.yaml", WEB)
    opened.write("more.yaml", WEB.replace("web", "more"))
    opened.until("start more-n x")


def test_a_directory_that_comes_later_is_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_pod, "RESYNC_SECONDS", 0.02)
    story.pods.open(story.watcher, story.directory)
    story.directory.mkdir()
    story.write("web.yaml", WEB)
    story.until("start web-n x")


def test_a_directory_that_is_replaced_is_watched_still(opened: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_pod, "RESYNC_SECONDS", 0.02)
    opened.directory.rename(opened.directory.with_name("old"))
    opened.pods.look()
    opened.until("stop web-n x")
    opened.directory.mkdir()
    opened.write("web.yaml", WEB)
    opened.until("start web-n x")


def test_another_directory_has_other_pods(opened: Story, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.yaml").write_text(WEB.replace("web", "b"))
    opened.pods.set_path(tmp_path / "other")
    opened.until("stop web-n x", "start b-n x")
    opened.pods.set_path(None)
    opened.until("stop b-n x")


@pytest.mark.parametrize("is_broken", [False, True], ids=["all files can be read", "one of them cannot"])
def test_what_an_earlier_agent_began_ends_when_no_file_can_be_its_own(story: Story, is_broken: bool) -> None:
    story.directory.mkdir()
    story.write("web.yaml", WEB)
    if is_broken:
        story.write("broken.yaml", "nonsense: [")
    story.pods.open(story.watcher, story.directory, frozenset({"orphan"}))
    if is_broken:
        story.until("warn broken.yaml", "start web-n x")
        (story.directory / "broken.yaml").unlink()
        story.until("stop orphan")
    else:
        story.until("stop orphan", "start web-n x")


def test_a_reading_of_a_closed_directory_does_nothing(opened: Story) -> None:
    later: list[Callable[[], None]] = []
    opened.write("too.yaml", WEB.replace("web", "too"))
    opened.pods.look()
    opened.pods.close()
    opened.loop.in_thread(lambda: None, lambda *_: later.append(lambda: None))
    opened.loop.call_at(opened.loop.clock.now() + 0.2, lambda: later.append(lambda: None))
    opened.loop.run_until(lambda: len(later) == 2)
    assert opened.calls == []
