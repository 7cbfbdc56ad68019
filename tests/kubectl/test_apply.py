"""kubectl apply, create, replace and diff: what is new, what is the same, what has changed, what may not.

The words are kubectl's and the API server's of Kubernetes 1.36 and 1.37; both programs run all of these.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from kubectl.cluster import Json, Kubectl
from root.lab import container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def labelled(manifest: Json, **labels: str) -> Json:
    found = deepcopy(manifest)
    found["metadata"]["labels"] = labels
    return found


def settings(name: str = "settings", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_apply_says_created_then_unchanged_then_configured(kubectl: Kubectl) -> None:
    web = pod("web")
    assert kubectl.apply(web).out == "pod/web created\n"
    assert kubectl.apply(web).out == "pod/web unchanged\n"
    before = kubectl.get("pod", "web")["metadata"]
    assert kubectl.apply(labelled(web, tier="front")).out == "pod/web configured\n"
    after = kubectl.get("pod", "web")["metadata"]
    assert after["labels"] == {"tier": "front"}
    assert (before["uid"], before["creationTimestamp"]) == (after["uid"], after["creationTimestamp"])
    assert before["resourceVersion"] != after["resourceVersion"]


def test_apply_takes_away_what_the_manifest_no_longer_has(kubectl: Kubectl) -> None:
    kubectl.apply(labelled(settings(a="1", b="2"), one="1", two="2"))
    kubectl("label", "configmap/settings", "mine=too")
    kubectl.apply(labelled(settings(a="1"), one="1"))
    found = kubectl.get("configmap", "settings")
    assert found["data"] == {"a": "1"}
    assert found["metadata"]["labels"] == {"one": "1", "mine": "too"}


def test_apply_of_a_directory_and_of_several_documents(newest: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    )
    (tmp_path / "b.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}')
    assert newest("apply", "-f", tmp_path).lines == ["configmap/a created", "secret/s created", "configmap/b created"]
    assert newest("delete", "-f", tmp_path).lines == [
        f'configmap "a" deleted from {newest.namespace} namespace',
        f'secret "s" deleted from {newest.namespace} namespace',
        f'configmap "b" deleted from {newest.namespace} namespace',
    ]


def test_apply_of_a_kustomization(newest: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nconfigMapGenerator:\n- {name: c, literals: [a=1]}\n")
    assert newest("apply", "-k", tmp_path).out.startswith("configmap/my-c-")


def test_apply_with_prune_deletes_what_the_set_no_longer_has(newest: Kubectl) -> None:
    first, second = labelled(settings("first"), app="x"), labelled(settings("second"), app="x")
    newest.apply(first, second)
    words = ("--prune", "-l", "app=x", "--prune-allowlist=core/v1/ConfigMap", "-f", "-")
    assert newest("apply", *words, stdin=first).lines == ["configmap/first unchanged", "configmap/second pruned"]


def test_a_field_that_may_not_change_is_refused_with_the_upstream_words(kubectl: Kubectl) -> None:
    web = pod("web")
    kubectl.apply(web)
    web["spec"]["containers"][0]["command"] = ["true"]
    said = kubectl.apply(web, fails=1).err
    assert said.startswith('The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than ')
    assert "`spec.activeDeadlineSeconds`" in said


def test_a_misspelt_field_is_refused(kubectl: Kubectl) -> None:
    web = pod("web")
    web["spec"]["containers"][0]["comand"] = ["true"]
    said = kubectl("create", "-f", "-", stdin=web, fails=1).err
    assert said == (
        'Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot be handled as a Pod: '
        'strict decoding error: unknown field "spec.containers[0].comand"\n'
    )
    warned = kubectl("create", "-f", "-", "--validate=warn", stdin=web)
    assert warned.out == "pod/web created\n"
    assert 'Warning: unknown field "spec.containers[0].comand"' in warned.err
    assert "comand" not in kubectl.get("pod", "web")["spec"]["containers"][0]


def test_all_faults_are_told_at_once(kubectl: Kubectl) -> None:
    web = pod("Web", container(resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}))
    web["spec"]["restartPolicy"] = "Sometimes"
    said = kubectl("create", "-f", "-", stdin=web, fails=1).err
    assert said.startswith('The Pod "Web" is invalid: ')
    assert "\n* metadata.name: Invalid value: " in said
    assert "\n* spec.restartPolicy: Unsupported value: " in said
    assert "\n* spec.containers[0].resources.requests.memory: Invalid value: " in said


def test_create_again_says_already_exists(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=settings()).out == "configmap/settings created\n"
    assert kubectl("create", "-f", "-", stdin=settings(), fails=1).err == (
        'Error from server (AlreadyExists): error when creating "STDIN": configmaps "settings" already exists\n'
    )


def test_a_generated_name(newest: Kubectl) -> None:
    manifest = settings()
    manifest["metadata"] = {"generateName": "many-"}
    names = [newest("create", "-f", "-", "-o", "name", stdin=manifest).out for _ in range(2)]
    assert names[0] != names[1]
    assert all(name.startswith("configmap/many-") and len(name) == len("configmap/many-xxxxx\n") for name in names)


def test_a_namespace_that_is_not_there(newest: Kubectl) -> None:
    said = newest.within("nowhere")("create", "-f", "-", stdin=settings(), fails=1).err
    assert said == 'Error from server (NotFound): error when creating "STDIN": namespaces "nowhere" not found\n'


def test_server_side_apply_keeps_book_of_who_set_what(kubectl: Kubectl) -> None:
    mine = settings(a="1", b="2")
    words = ("apply", "--server-side", "-f", "-")
    assert kubectl(*words, stdin=mine).out == "configmap/settings serverside-applied\n"
    (manager,) = kubectl.get("configmap", "settings", "--show-managed-fields")["metadata"]["managedFields"]
    assert (manager["manager"], manager["operation"], manager["apiVersion"]) == ("kubectl", "Apply", "v1")
    assert manager["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}

    theirs = settings(a="other")
    said = kubectl(*words, "--field-manager=other", stdin=theirs, fails=1).err
    assert said.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .data.a\n')
    kubectl(*words, "--field-manager=other", "--force-conflicts", stdin=theirs)
    assert kubectl.get("configmap", "settings")["data"] == {"a": "other", "b": "2"}

    # Applied without it, a field that only this manager had goes.
    kubectl(*words, stdin=settings())
    assert kubectl.get("configmap", "settings")["data"] == {"a": "other"}


def test_server_side_apply_of_a_pod_merges_lists_by_their_keys(kubectl: Kubectl) -> None:
    web = pod("web", container("a"), container("b", image="host"))
    kubectl("apply", "--server-side", "-f", "-", stdin=web)
    assert kubectl("apply", "--server-side", "-f", "-", stdin=web).out == "pod/web serverside-applied\n"
    changed = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"by": "other"}},
        "spec": {"containers": [{"name": "b", "image": "host"}]},
    }
    words = ("--field-manager=other", "--dry-run=server", "-o", "json", "-f", "-")
    found = kubectl("apply", "--server-side", *words, stdin=changed).object()
    assert found["metadata"]["labels"] == {"by": "other"}
    assert [(each["name"], each.get("image")) for each in found["spec"]["containers"]] == [("a", None), ("b", "host")]
    # A list without keys is one value: what one manager applies takes the place of it, and here that is forbidden.
    changed["spec"] = {"tolerations": [{"key": "extra", "operator": "Exists"}]}
    assert "spec.tolerations: Forbidden" in kubectl("apply", "--server-side", *words, stdin=changed, fails=1).err


def test_client_side_apply_after_server_side_apply_and_back(newest: Kubectl) -> None:
    newest.apply(settings(a="1"))
    said = newest("apply", "--server-side", "-f", "-", stdin=settings(a="2"))
    assert said.out == "configmap/settings serverside-applied\n"
    assert newest.get("configmap", "settings")["data"] == {"a": "2"}
    newest.apply(settings(a="3"))
    assert newest.get("configmap", "settings")["data"] == {"a": "3"}


def test_the_last_applied_configuration(newest: Kubectl) -> None:
    newest.apply(settings(a="1"))
    seen = newest("apply", "view-last-applied", "configmap/settings", "-o", "json").object()
    assert seen["data"] == {"a": "1"}
    changed = settings(a="2")
    assert newest("apply", "set-last-applied", "-f", "-", stdin=changed).out == "configmap/settings configured\n"
    assert newest("apply", "view-last-applied", "configmap/settings", "-o", "json").object()["data"] == {"a": "2"}


def test_a_dry_run_on_the_server_changes_nothing(kubectl: Kubectl) -> None:
    web = pod("web")
    assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=web).out == "pod/web created (server dry run)\n"
    assert kubectl("get", "pods").err == f"No resources found in {kubectl.namespace} namespace.\n"
    shown = kubectl("create", "--dry-run=server", "-f", "-", "-o", "json", stdin=web).object()
    assert shown["metadata"]["uid"]
    assert shown["spec"]["enableServiceLinks"] is True
    kubectl.apply(settings(a="1"))
    before = kubectl.get("configmap", "settings")
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=settings(a="2"))
    assert said.out == "configmap/settings configured (server dry run)\n"
    said = kubectl("delete", "configmap", "settings", "--dry-run=server")
    assert said.out == f'configmap "settings" deleted from {kubectl.namespace} namespace (server dry run)\n'
    assert kubectl.get("configmap", "settings") == before


def test_diff_shows_the_difference_and_says_so_with_its_exit_code(kubectl: Kubectl) -> None:
    kubectl.apply(settings(a="1"))
    assert kubectl("diff", "-f", "-", stdin=settings(a="1")).out == ""
    shown = kubectl("diff", "-f", "-", stdin=settings(a="2"), fails=1).lines
    assert [line for line in shown if line.startswith(("-  ", "+  "))] == ['-  a: "1"', '+  a: "2"']
    new = kubectl("diff", "--server-side", "-f", "-", stdin=settings("new", a="1"), fails=1).lines
    assert '+  a: "1"' in new


def test_replace(kubectl: Kubectl) -> None:
    assert kubectl("replace", "-f", "-", stdin=settings(a="1"), fails=1).err == (
        'Error from server (NotFound): error when replacing "STDIN": configmaps "settings" not found\n'
    )
    kubectl("create", "-f", "-", stdin=settings(a="1"))
    old = kubectl.get("configmap", "settings")
    assert kubectl("replace", "-f", "-", stdin=settings(b="2")).out == "configmap/settings replaced\n"
    assert kubectl.get("configmap", "settings")["data"] == {"b": "2"}

    # With the version it was read at, a replacement is a condition.
    said = kubectl("replace", "-f", "-", stdin=old, fails=1).err
    assert said == (
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps '
        '"settings": the object has been modified; please apply your changes to the latest version and try again\n'
    )


def test_replace_by_force_makes_a_new_pod(newest: Kubectl) -> None:
    newest.run_pod(pod("web"))
    uid = newest.value("pod/web", ".metadata.uid")
    said = newest("replace", "--force", "-f", "-", stdin=pod("web"))
    assert said.lines == [f'pod "web" deleted from {newest.namespace} namespace', "pod/web replaced"]
    assert newest.value("pod/web", ".metadata.uid") != uid
