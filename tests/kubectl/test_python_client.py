"""The official Python client: lists, watches, changes, and streams over WebSocket."""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from kubectl.cluster import Cluster, until
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL
from root.lab import container, pod

pytestmark = [
    pytest.mark.root,
    pytest.mark.anywhere,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # the client leaves its sockets to the collector
]

SERVER = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    with client:
        client.sendall(client.recv(65536).upper())
"""


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(cluster.kubeconfig)) as found:
        yield found
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


def settings(name: str, **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"app": name}), data=data)


def wait_until_ready(core: client.CoreV1Api, name: str, namespace: str) -> client.V1Pod:
    def ready() -> client.V1Pod | None:
        found = core.read_namespaced_pod(name, namespace)
        conditions = {each.type: each.status for each in found.status.conditions or ()}
        return found if conditions.get("Ready") == "True" else None

    return until(ready, f"pod {name} to be ready")


def test_what_is_made_is_read_listed_changed_and_deleted(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, settings("c", a="1"))
    assert made.metadata.uid
    core.create_namespaced_config_map(namespace, settings("d", a="1"))
    listed = core.list_namespaced_config_map(namespace, label_selector="app=c")
    assert [each.metadata.name for each in listed.items] == ["c"]
    assert int(listed.metadata.resource_version) >= int(made.metadata.resource_version)

    changed = core.patch_namespaced_config_map("c", namespace, {"data": {"b": "2"}})
    assert changed.data == {"a": "1", "b": "2"}
    changed.data = {"c": "3"}
    assert core.replace_namespaced_config_map("c", namespace, changed).data == {"c": "3"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("c", namespace, changed)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")

    assert core.delete_namespaced_config_map("c", namespace)["status"] == "Success"
    core.delete_collection_namespaced_config_map(namespace, label_selector="app=d")
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_config_map("d", namespace)
    assert (missing.value.status, missing.value.reason) == (404, "Not Found")


def test_a_precondition_that_does_not_hold(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, settings("c"))
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(ApiException) as refused:
        core.delete_namespaced_config_map("c", namespace, body=options)
    assert refused.value.status == 409
    assert core.read_namespaced_config_map("c", namespace)


def test_pages_of_a_list(core: client.CoreV1Api, namespace: str) -> None:
    for number in range(7):
        core.create_namespaced_config_map(namespace, settings(f"c{number}"))
    names, token, remaining = [], None, []
    while True:
        page = core.list_namespaced_config_map(namespace, limit=3, _continue=token)
        names += [each.metadata.name for each in page.items]
        remaining.append(page.metadata.remaining_item_count)
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"c{number}" for number in range(7)]
    assert remaining == [4, 1, None]


def test_a_watch_begins_where_the_list_ended(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, settings("before"))
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, settings("c"))
    core.patch_namespaced_config_map("c", namespace, {"data": {"a": "1"}})
    core.delete_namespaced_config_map("c", namespace)
    seen: list[tuple[str, str]] = []
    versions: list[int] = []
    watching = watch.Watch()
    for event in watching.stream(
        core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=30
    ):
        seen.append((event["type"], event["object"].metadata.name))
        versions.append(int(event["object"].metadata.resource_version))
        if event["type"] == "DELETED":
            watching.stop()
    assert seen == [("ADDED", "c"), ("MODIFIED", "c"), ("DELETED", "c")]
    assert versions == sorted(set(versions))


def test_a_watch_from_nowhere_tells_first_what_is_there(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, settings("c"))
    events = list(watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1))
    assert [(each["type"], each["object"].metadata.name) for each in events] == [("ADDED", "c")]


def test_a_watch_with_a_selector_sees_objects_come_and_go(core: client.CoreV1Api, namespace: str) -> None:
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, settings("c"))
    core.patch_namespaced_config_map("c", namespace, {"metadata": {"labels": {"seen": "yes"}}})
    core.patch_namespaced_config_map("c", namespace, {"metadata": {"labels": {"seen": None}}})
    how = {"label_selector": "seen=yes", "resource_version": version, "timeout_seconds": 1}
    events = list(watch.Watch().stream(core.list_namespaced_config_map, namespace, **how))
    assert [each["type"] for each in events] == ["ADDED", "DELETED"]


def test_a_pod_from_its_start_to_its_end(core: client.CoreV1Api, namespace: str, cluster: Cluster) -> None:
    core.create_namespaced_pod(namespace, pod("web", container(script="echo hello; sleep 1000")))
    found = wait_until_ready(core, "web", namespace)
    assert found.spec.node_name == cluster.node
    assert found.status.qos_class == "BestEffort"
    assert found.status.container_statuses[0].state.running.started_at
    until(lambda: core.read_namespaced_pod_log("web", namespace) == "hello\n", "the log")
    lines = watch.Watch().stream(core.read_namespaced_pod_log, "web", namespace)
    assert next(lines) == "hello"
    gone = core.delete_namespaced_pod("web", namespace, grace_period_seconds=0)
    assert gone.metadata.name == "web"
    until(lambda: not core.list_namespaced_pod(namespace).items, "the end of the pod")


def test_eviction(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("web"))
    wait_until_ready(core, "web", namespace)
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name="web", namespace=namespace))
    assert core.create_namespaced_pod_eviction("web", namespace, body).kind == "Status"
    until(lambda: not core.list_namespaced_pod(namespace).items, "the end of the pod")


def test_exec_over_a_websocket(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("web"))
    wait_until_ready(core, "web", namespace)

    def run(*command: str, **how: Any) -> Any:
        streams = {"stderr": True, "stdin": False, "stdout": True, "tty": False}
        call = core.connect_get_namespaced_pod_exec
        return stream(call, "web", namespace, command=list(command), **streams | how)

    assert run("echo", "hello") == "hello\n"
    session = run("sh", "-c", "read line; echo got $line; echo err >&2; exit 3", stdin=True, _preload_content=False)
    session.write_stdin("something\n")
    session.run_forever(timeout=30)
    assert session.read_stdout() == "got something\n"
    assert session.read_stderr() == "err\n"
    assert session.returncode == 3
    session = run("true", _preload_content=False)
    session.run_forever(timeout=30)
    assert '"Success"' in session.read_channel(ERROR_CHANNEL).replace("'", '"')


def test_port_forward_over_a_websocket(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("web", container(command=["python3", "-c", SERVER])))
    wait_until_ready(core, "web", namespace)
    port = int(until(lambda: core.read_namespaced_pod_log("web", namespace), "the port"))
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, "web", namespace, ports=str(port))
    with contextlib.closing(forwarded.socket(port)) as connection:
        connection.settimeout(20)
        connection.sendall(b"hello")
        assert connection.recv(100) == b"HELLO"
    assert forwarded.error(port) is None


def test_an_informer_in_another_thread(core: client.CoreV1Api, namespace: str) -> None:
    """A watch that stays open hears of a change while it happens."""
    heard = threading.Event()

    def listen() -> None:
        for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=30):
            if event["object"].metadata.name == "late":
                heard.set()
                return

    listener = threading.Thread(target=listen)
    listener.start()
    core.create_namespaced_config_map(namespace, settings("late"))
    assert heard.wait(30)
    listener.join()


def test_other_apis(api: client.ApiClient, cluster: Cluster) -> None:
    (version,) = (each for each in client.CoreApi(api).get_api_versions().versions)
    assert version == "v1"
    names = {each.name for each in client.ApisApi(api).get_api_versions().groups}
    assert {"events.k8s.io", "scheduling.k8s.io", "metrics.k8s.io", "coordination.k8s.io"} <= names
    assert client.VersionApi(api).get_code().major == "1"
    (node,) = client.CoreV1Api(api).list_node().items
    assert node.metadata.name == cluster.node
    assert {each.type: each.status for each in node.status.conditions}["Ready"] == "True"
    lease = client.CoordinationV1Api(api).read_namespaced_lease(cluster.node, "kube-node-lease")
    assert lease.spec.holder_identity == cluster.node
    highest = client.SchedulingV1Api(api).read_priority_class("system-node-critical")
    assert highest.value == 2000001000
    metrics = client.CustomObjectsApi(api).get_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes", cluster.node)
    assert metrics["usage"].keys() == {"cpu", "memory"}
    review = client.V1SelfSubjectAccessReview(
        spec={"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}
    )
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(review).status.allowed is True


def test_the_dynamic_client_applies(api: client.ApiClient, namespace: str) -> None:
    maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    applied = maps.server_side_apply(body=body, name="c", namespace=namespace, field_manager="test")
    assert applied.data.a == "1"
    assert maps.get(name="c", namespace=namespace).metadata.managedFields[0].manager == "test"
