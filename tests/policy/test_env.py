from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.errors import RuntimeFailed
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import (
    Container,
    DownwardAPI,
    DownwardFile,
    EnvVar,
    FieldRef,
    Pod,
    ResourceFieldRef,
    ResourceRequirements,
)
from nodeguard.model.quantity import Quantity
from nodeguard.policy.env import (
    NodeFacts,
    container_env,
    downward_files,
    expand,
    expand_strictly,
    expand_words,
    field_value,
    process_env,
    resource_value,
)

Q = Quantity.parse
VALUES = {"A": "1", "B": "two", "EMPTY": ""}
FACTS = NodeFacts(
    node_name="node-1",
    host_ips=("192.0.2.1", "2001:db8::1"),
    pod_ips=("127.0.0.1",),
    allocatable={"cpu": Q("2"), "memory": Q("1Gi")},
)


def pod(*env: EnvVar, limits: dict[str, Quantity] | None = None, requests: dict[str, Quantity] | None = None) -> Pod:
    resources = ResourceRequirements(limits=limits or {}, requests=requests or {})
    return Pod(
        meta=ObjectMeta(
            name="web",
            namespace="shop",
            uid="u-1",
            labels={"app": "web", "a": 'say "hi"\n'},
            annotations={"example.com/note": "x"},
        ),
        containers=(Container(name="c", env=env, resources=resources),),
        service_account_name="robot",
    )


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        pytest.param("$(A)", "1", id="a reference"),
        pytest.param("$(A)-$(B)", "1-two", id="two references"),
        pytest.param("$(EMPTY)", "", id="an empty value is a value"),
        pytest.param("$$(A)", "$(A)", id="two dollars escape a reference"),
        pytest.param("$$$(A)", "$1", id="an escape, then a reference"),
        pytest.param("$$$$(A)", "$$(A)", id="two escapes"),
        pytest.param("$(NOPE)", "$(NOPE)", id="an unknown name stays as it is"),
        pytest.param("$A ${A}", "$A ${A}", id="the shell's forms are not ours"),
        pytest.param("$(A", "$(A", id="an open reference stays"),
        pytest.param("cost: 5$", "cost: 5$", id="a dollar at the end"),
        pytest.param("$()", "$()", id="no name"),
        pytest.param("$($(A)", "$($(A)", id="a name ends at the first bracket"),
        pytest.param("$((A))", "$((A))", id="brackets within brackets"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    assert expand(text, VALUES) == expanded


@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert expand(text, VALUES) == text


@given(st.text(alphabet="$()AB ", max_size=12))
def test_doubling_every_dollar_protects_any_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), VALUES) == text


def test_expand_strictly_names_what_is_missing() -> None:
    assert expand_strictly("logs/$(A)", VALUES) == "logs/1"
    with pytest.raises(RuntimeFailed, match='missing value for "NOPE"') as caught:
        expand_strictly("$(NOPE)", VALUES)
    assert caught.value.reason == "CreateContainerConfigError"


def test_command_words_are_expanded_one_by_one() -> None:
    assert expand_words(("echo", "$(B) $(A)"), VALUES) == ("echo", "two 1")


def test_later_entries_see_earlier_ones_and_the_last_of_a_name_counts() -> None:
    this = pod(
        EnvVar(name="LATE", value="$(FIRST)"),
        EnvVar(name="FIRST", value="1"),
        EnvVar(name="SECOND", value="$(FIRST)2"),
        EnvVar(name="FIRST", value="$(FIRST)+"),
        EnvVar(name="NONE"),
    )
    assert container_env(this, this.containers[0], FACTS) == {
        "LATE": "$(FIRST)",
        "FIRST": "1+",
        "SECOND": "12",
        "NONE": "",
    }


def test_a_downward_value_is_not_expanded() -> None:
    this = pod(EnvVar(name="X", value="v"), EnvVar(name="N", field_ref=FieldRef(field_path="metadata.name")))
    assert container_env(this, this.containers[0], FACTS)["N"] == "web"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['missing']", ""),
        ("metadata.annotations['example.com/note']", "x"),
        ("metadata.labels", 'a="say \\"hi\\"\\n"\napp="web"'),
        ("metadata.annotations", 'example.com/note="x"'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1,2001:db8::1"),
        ("status.podIP", "127.0.0.1"),
        ("status.podIPs", "127.0.0.1"),
    ],
)
def test_field_value(path: str, value: str) -> None:
    assert field_value(pod(), FieldRef(field_path=path), FACTS) == value


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(RuntimeFailed, match=r"unsupported fieldPath: spec\.foo"):
        field_value(pod(), FieldRef(field_path="spec.foo"), FACTS)


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        pytest.param("limits.cpu", None, "1", id="cpu rounds up to whole cores"),
        pytest.param("limits.cpu", "1m", "300", id="cpu in millicores"),
        pytest.param("limits.memory", None, "104857600", id="memory in bytes"),
        pytest.param("limits.memory", "1Mi", "100", id="memory in MiB"),
        pytest.param("limits.memory", "1Gi", "1", id="memory rounds up"),
        pytest.param("requests.cpu", "1m", "100", id="a request"),
        pytest.param("requests.memory", "1Mi", "0", id="a request that is not set is zero"),
        pytest.param("limits.ephemeral-storage", None, "0", id="neither limit nor allocatable"),
    ],
)
def test_resource_value(resource: str, divisor: str | None, value: str) -> None:
    this = pod(limits={"cpu": Q("300m"), "memory": Q("100Mi")}, requests={"cpu": Q("100m")})
    ref = ResourceFieldRef(resource=resource, divisor=Q(divisor) if divisor else None)
    assert resource_value(this, this.containers[0], ref, FACTS) == value


def test_a_missing_limit_is_what_the_node_may_give() -> None:
    this = pod()
    ref = ResourceFieldRef(resource="limits.memory", container_name="c", divisor=Q("1Mi"))
    assert resource_value(this, None, ref, FACTS) == "1024"


def test_an_unknown_container_is_refused() -> None:
    with pytest.raises(RuntimeFailed, match="container x not found"):
        resource_value(pod(), None, ResourceFieldRef(resource="limits.cpu", container_name="x"), FACTS)


def test_process_env_puts_the_containers_own_last() -> None:
    env = process_env({"B": "own", "C": "own"}, hostname="h", image_env=("A=image", "B=image", "PATH=/image"))
    assert env == ("PATH=/image", "HOSTNAME=h", "A=image", "B=own", "C=own")
    assert process_env({}, hostname="h")[0].startswith("PATH=/usr/local/sbin:")


def test_downward_files_take_the_volumes_mode_where_they_have_none() -> None:
    source = DownwardAPI(
        default_mode=0o600,
        items=(
            DownwardFile(path="labels", field_ref=FieldRef(field_path="metadata.labels['app']")),
            DownwardFile(
                path="deep/cpu",
                resource_field_ref=ResourceFieldRef(resource="limits.cpu", container_name="c"),
                mode=0o444,
            ),
        ),
    )
    found = [(one.path, one.content, one.mode) for one in downward_files(pod(), source, FACTS)]
    assert found == [("labels", "web", 0o600), ("deep/cpu", "2", 0o444)]
