"""The fields of a kubelet's configuration file that nodeguard knows but has no use for.

A file written for a kubelet is read as it is; whatever stands here is accepted with a warning that names it.

Source: kubernetes, staging/src/k8s.io/kubelet/config/v1beta1/types.go, KubeletConfiguration.
"""

from __future__ import annotations

WITHOUT_EFFECT = frozenset(
    """
    address allowedUnsafeSysctls authentication authorization cgroupDriver cgroupsPerQOS clusterDNS clusterDomain
    configMapAndSecretChangeDetectionStrategy containerLogMaxWorkers containerLogMonitorInterval
    containerRuntimeEndpoint contentType cpuManagerPolicy cpuManagerPolicyOptions cpuManagerReconcilePeriod
    draManagerReconcilePeriod enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
    enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery eventBurst
    eventRecordQPS failCgroupV1 fileCheckFrequency hairpinMode healthzBindAddress healthzPort httpCheckFrequency
    imageGCHighThresholdPercent imageGCLowThresholdPercent imageMaximumGCAge imageMinimumGCAge
    imagePullCredentialsVerificationPolicy imageServiceEndpoint iptablesDropBit iptablesMasqueradeBit
    kernelMemcgNotification kubeAPIBurst kubeAPIQPS kubeReservedCgroup kubeletCgroups logging makeIPTablesUtilChains
    maxOpenFiles maxParallelImagePulls memoryManagerPolicy nodeLeaseDurationSeconds nodeStatusMaxImages
    nodeStatusReportFrequency nodeStatusUpdateFrequency oomScoreAdj podCIDR port preloadedImagesVerificationAllowlist
    protectKernelDefaults providerID qosReserved readOnlyPort registerNode registerWithTaints registryBurst
    registryPullQPS reservedMemory reservedSystemCPUs resolvConf rotateCertificates runOnce runtimeRequestTimeout
    seccompDefault serializeImagePulls serverTLSBootstrap showHiddenMetricsForVersion shutdownGracePeriod
    shutdownGracePeriodByPodPriority shutdownGracePeriodCriticalPods staticPodPath staticPodURL staticPodURLHeader
    streamingConnectionIdleTimeout syncFrequency systemCgroups systemReservedCgroup tlsCertFile tlsCipherSuites
    tlsCurvePreferences tlsMinVersion tlsPrivateKeyFile topologyManagerPolicy topologyManagerPolicyOptions
    topologyManagerScope tracing userNamespaces volumePluginDir volumeStatsAggPeriod
    """.split()  # noqa: SIM905 - a hundred words read better without quotes
)
