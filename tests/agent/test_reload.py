"""Which settings take effect while the agent runs."""

from __future__ import annotations

from nodeguard.agent.config import Config
from nodeguard.agent.config_load import build
from nodeguard.agent.reload import AT_ONCE, changed_settings, waiting_settings
from nodeguard.agent.setting_table import SETTINGS
from nodeguard.model.document import parse


def of(text: str) -> Config:
    return build(parse(text, "config.yaml")) if text else build([])


def test_what_changed_and_what_waits() -> None:
    old = of("maxPods: 5\n")
    new = of(
        "maxPods: 6\nevictionHard: {memory.available: 1Mi}\nstaticPodPath: /m\nnodeguard: {listen: '127.0.0.1:1'}\n"
    )
    assert set(changed_settings(old, new)) == {"max_pods", "eviction_hard", "static_pod_path", "listen"}
    assert waiting_settings(old, new) == ("maxPods", "nodeguard.listen")


def test_another_origin_of_the_same_value_is_no_change() -> None:
    assert changed_settings(of(""), of("maxPods: 110\n")) == ()


def test_what_takes_effect_at_once_are_settings() -> None:
    assert {setting.attribute for setting in SETTINGS} >= AT_ONCE
