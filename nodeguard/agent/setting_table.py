"""The table of settings, in the order in which flags are listed.

Source: kubernetes, staging/src/k8s.io/kubelet/config/v1beta1/types.go; pkg/kubelet/apis/config/v1beta1/defaults.go;
pkg/kubelet/apis/config/validation/validation.go; pkg/kubelet/eviction/helpers.go (ParseThresholdConfig).
"""

from __future__ import annotations

from collections.abc import Mapping

from nodeguard.agent.api_setting import API_SETTINGS
from nodeguard.agent.container_setting import CONTAINER_SETTINGS
from nodeguard.agent.eviction_setting import EVICTION_SETTINGS
from nodeguard.agent.node_setting import NODE_SETTINGS
from nodeguard.agent.setting import Setting
from nodeguard.agent.upkeep_setting import UPKEEP_SETTINGS

SETTINGS: tuple[Setting, ...] = (
    *NODE_SETTINGS,
    *EVICTION_SETTINGS,
    *UPKEEP_SETTINGS,
    *CONTAINER_SETTINGS,
    *API_SETTINGS,
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
