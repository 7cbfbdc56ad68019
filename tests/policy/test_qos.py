from __future__ import annotations

import pytest
from podbuilder import container, init, pod, resources, sidecar

from nodeguard.model.pod import ContainerKind, Pod, QOSClass
from nodeguard.policy.qos import qos_class

BOTH = "cpu=100m memory=64Mi"
NO_AMOUNT = "no container has a cpu or memory request or limit above zero"
EQUAL = "every container has cpu and memory limits, and the requests equal them"


@pytest.mark.parametrize(
    ("subject", "qos", "reason"),
    [
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), "Guaranteed", EQUAL, id="equal"),
        pytest.param(
            pod(container(requests="cpu=0.1 memory=65536Ki", limits=BOTH)),
            "Guaranteed",
            EQUAL,
            id="notation is nothing",
        ),
        pytest.param(pod(container()), "BestEffort", NO_AMOUNT, id="nothing"),
        pytest.param(pod(container(requests="cpu=0 memory=0")), "BestEffort", NO_AMOUNT, id="zero counts as absent"),
        pytest.param(
            pod(
                container(
                    requests="ephemeral-storage=1Gi hugepages-2Mi=2Mi x.io/y=1", limits="hugepages-2Mi=2Mi x.io/y=1"
                )
            ),
            "BestEffort",
            NO_AMOUNT,
            id="other resources do not count",
        ),
        pytest.param(
            pod(container(kind=ContainerKind.EPHEMERAL, requests=BOTH, limits=BOTH), container()),
            "BestEffort",
            NO_AMOUNT,
            id="nor do ephemeral containers",
        ),
        pytest.param(
            pod(container(limits=BOTH)),
            "Burstable",
            "container app: no cpu request beside the limit 100m; no memory request beside the limit 64Mi",
            id="limits are not copied here: that is defaulting",
        ),
        pytest.param(
            pod(container(requests="cpu=100m memory=64Mi", limits="cpu=100m memory=128Mi")),
            "Burstable",
            "container app: memory request 64Mi differs from limit 128Mi",
            id="one resource differs",
        ),
        pytest.param(
            pod(container(requests="cpu=100m", limits="cpu=100m")),
            "Burstable",
            "container app: no memory limit",
            id="no memory",
        ),
        pytest.param(
            pod(container(requests="cpu=1 memory=0", limits="cpu=1 memory=0")),
            "Burstable",
            "container app: no memory limit",
            id="cpu equal and memory 0/0",
        ),
        pytest.param(
            pod(container(requests="cpu=0 memory=1Mi", limits="cpu=1 memory=1Mi")),
            "Burstable",
            "container app: no cpu request beside the limit 1",
            id="request 0 with a positive limit",
        ),
        pytest.param(
            pod(init(), container(requests=BOTH, limits=BOTH)),
            "Burstable",
            "container init: no cpu limit; no memory limit",
            id="one init container without limits",
        ),
        pytest.param(
            pod(sidecar(requests="cpu=1"), container(requests=BOTH, limits=BOTH)),
            "Burstable",
            "container side: no cpu limit beside the request 1; no memory limit",
            id="one sidecar without limits",
        ),
        pytest.param(
            pod(
                init(requests=BOTH, limits=BOTH),
                sidecar(requests=BOTH, limits=BOTH),
                container(requests=BOTH, limits=BOTH),
            ),
            "Guaranteed",
            EQUAL,
            id="init containers and sidecars with limits",
        ),
        pytest.param(
            pod(
                container("a", requests="cpu=1 memory=1Mi", limits="cpu=2 memory=1Mi"),
                container("b", requests="cpu=2 memory=1Mi", limits="cpu=1 memory=1Mi"),
            ),
            "Guaranteed",
            EQUAL,
            id="equality is that of the sums",
        ),
        pytest.param(
            pod(container(), resources=resources(BOTH, BOTH)),
            "Guaranteed",
            "spec.resources has cpu and memory limits, and the requests equal them",
            id="the pod level alone",
        ),
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), resources=resources("memory=1Gi", "memory=1Gi")),
            "Burstable",
            "spec.resources: no cpu limit",
            id="pod-level memory, no pod-level cpu, whatever the containers say",
        ),
        pytest.param(
            pod(container(), resources=resources(BOTH)),
            "Burstable",
            "spec.resources: no cpu limit beside the request 100m; no memory limit beside the request 64Mi",
            id="pod-level requests without limits",
        ),
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), resources=resources("cpu=0")),
            "BestEffort",
            "spec.resources has no cpu or memory request or limit above zero",
            id="a pod-level zero silences the containers",
        ),
        pytest.param(
            pod(container(requests=BOTH, limits=BOTH), resources=resources()),
            "Guaranteed",
            EQUAL,
            id="an empty pod-level stanza does not",
        ),
        pytest.param(
            pod(container(), qos_class=QOSClass.GUARANTEED),
            "Guaranteed",
            "status.qosClass is set, and never changes",
            id="status.qosClass is authoritative",
        ),
    ],
)
def test_qos_class(subject: Pod, qos: str, reason: str) -> None:
    verdict = qos_class(subject)
    assert (verdict.qos, verdict.reason) == (qos, reason)
