"""The fields of a kubelet's configuration file that nodeguard knows but has no use for.

A file written for a kubelet is read as it is; whatever stands here is accepted with a warning that names it.

Source: kubernetes, staging/src/k8s.io/kubelet/config/v1beta1/types.go, KubeletConfiguration.
"""

from __future__ import annotations

from collections.abc import Mapping

NO_EFFECT = "accepted, has no effect in nodeguard"

_WITHOUT_EFFECT = """
    address allowedUnsafeSysctls authentication authorization cgroupDriver clusterDNS clusterDomain
    configMapAndSecretChangeDetectionStrategy containerLogMaxWorkers containerLogMonitorInterval
    containerRuntimeEndpoint contentType cpuManagerPolicy cpuManagerPolicyOptions cpuManagerReconcilePeriod
    draManagerReconcilePeriod enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
    enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery eventBurst
    eventRecordQPS fileCheckFrequency hairpinMode healthzBindAddress healthzPort httpCheckFrequency
    imagePullCredentialsVerificationPolicy imageServiceEndpoint iptablesDropBit iptablesMasqueradeBit
    kubeAPIBurst kubeAPIQPS kubeReservedCgroup kubeletCgroups logging makeIPTablesUtilChains
    maxOpenFiles memoryManagerPolicy nodeLeaseDurationSeconds nodeStatusMaxImages
    oomScoreAdj podCIDR port preloadedImagesVerificationAllowlist
    protectKernelDefaults providerID qosReserved readOnlyPort registerNode registerWithTaints registryBurst
    registryPullQPS reservedMemory reservedSystemCPUs resolvConf rotateCertificates runOnce runtimeRequestTimeout
    seccompDefault serverTLSBootstrap showHiddenMetricsForVersion shutdownGracePeriod
    shutdownGracePeriodByPodPriority shutdownGracePeriodCriticalPods staticPodURL staticPodURLHeader
    streamingConnectionIdleTimeout syncFrequency systemCgroups systemReservedCgroup tlsCertFile tlsCipherSuites
    tlsCurvePreferences tlsMinVersion tlsPrivateKeyFile topologyManagerPolicy topologyManagerPolicyOptions
    topologyManagerScope tracing userNamespaces volumePluginDir
    """

_BECAUSE = {
    "kernelMemcgNotification": "nodeguard always has the kernel tell it when memory crosses a threshold",
    "failCgroupV1": "nodeguard runs on cgroup v1, hybrid and v2 alike",
    "cgroupsPerQOS": "there always is a cgroup for each QoS class",
    "serializeImagePulls": "images are local",
    "maxParallelImagePulls": "images are local",
}

WITHOUT_EFFECT: Mapping[str, str] = {
    **dict.fromkeys(_WITHOUT_EFFECT.split(), NO_EFFECT),
    **{name: f"accepted, has no effect: {why}" for name, why in _BECAUSE.items()},
}
"""What the warning about a field says."""
