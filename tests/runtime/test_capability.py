from __future__ import annotations

from pathlib import Path

import pytest

from nodeguard.errors import RuntimeFailed
from nodeguard.runtime.capability import ALL, DEFAULT, compute_capabilities, read_available


def test_there_are_fourteen_defaults_and_forty_one_in_all() -> None:
    assert len(DEFAULT) == 14
    assert len(ALL) == 41
    assert DEFAULT < ALL


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        pytest.param((), (), DEFAULT, id="defaults"),
        pytest.param(("NET_ADMIN",), (), DEFAULT | {"CAP_NET_ADMIN"}, id="one more"),
        pytest.param(("cap_net_admin",), (), DEFAULT | {"CAP_NET_ADMIN"}, id="any spelling"),
        pytest.param((), ("ALL",), frozenset(), id="none"),
        pytest.param(("CHOWN",), ("ALL",), frozenset({"CAP_CHOWN"}), id="none but one"),
        pytest.param(("ALL",), (), ALL, id="all"),
        pytest.param(("ALL",), ("KILL",), ALL - {"CAP_KILL"}, id="all but one"),
        pytest.param((), ("CAP_KILL",), DEFAULT - {"CAP_KILL"}, id="one less"),
    ],
)
def test_add_and_drop(add: tuple[str, ...], drop: tuple[str, ...], expected: frozenset[str]) -> None:
    assert compute_capabilities(add, drop, privileged=False, available=ALL) == expected


def test_what_root_lacks_is_left_out_unless_it_is_asked_for_by_name() -> None:
    available = ALL - {"CAP_SYS_RESOURCE", "CAP_MKNOD"}
    assert compute_capabilities((), (), privileged=True, available=available) == available
    assert compute_capabilities(("ALL",), (), privileged=False, available=available) == available
    assert compute_capabilities((), (), privileged=False, available=available) == DEFAULT - {"CAP_MKNOD"}
    with pytest.raises(RuntimeFailed, match="root does not have CAP_SYS_RESOURCE on this host"):
        compute_capabilities(("SYS_RESOURCE",), (), privileged=False, available=available)


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(RuntimeFailed, match="unknown capability: CAP_FLY") as caught:
        compute_capabilities(("FLY",), (), privileged=False, available=ALL)
    assert caught.value.reason == "CreateContainerConfigError"


def test_read_available_needs_both_masks(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapPrm:\t0000000000000003\nCapEff:\t0000000000000003\nCapBnd:\t0000000000000006\n")
    assert read_available(status) == {"CAP_DAC_OVERRIDE"}
