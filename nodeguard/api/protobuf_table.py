"""The numbers that the fields of objects have in Protocol Buffers.

A line (and those that go on with it) is a message: ``number name type``. ``[]`` is a list, ``{}`` a map from strings.
The name ``.`` stands for a message whose fields are, in JSON, fields of the message around it. ``?`` marks a field that
may be there and be zero all the same; without it zero means that it was not given. ``!`` is always given.

Volumes that need a cloud or a network, and what only a node tells (the status of pods), are left out.

Source: kubernetes/api and kubernetes/apimachinery, generated.proto and types.go of core, policy, authorization,
authentication, scheduling, coordination and meta v1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_LINES = """\
Affinity: 1 nodeAffinity NodeAffinity?; 2 podAffinity PodAffinity?; 3 podAntiAffinity PodAntiAffinity?
AppArmorProfile: 1 type string; 2 localhostProfile string?
Binding: 1 metadata ObjectMeta; 2 target ObjectReference
CSIVolumeSource: 1 driver string; 2 readOnly bool?; 3 fsType string?; 4 volumeAttributes {}string; 5
    nodePublishSecretRef LocalObjectReference?
Capabilities: 1 add []string; 2 drop []string
ClusterTrustBundleProjection: 1 name string?; 2 signerName string?; 3 labelSelector LabelSelector?; 5 optional bool?;
    4 path string; 6 user int?
ConfigMap: 1 metadata ObjectMeta; 4 immutable bool?; 2 data {}string; 3 binaryData {}bytes
ConfigMapEnvSource: 1 . LocalObjectReference; 2 optional bool?
ConfigMapKeySelector: 1 . LocalObjectReference; 2 key string; 3 optional bool?
ConfigMapProjection: 1 . LocalObjectReference; 2 items []KeyToPath; 4 optional bool?
ConfigMapVolumeSource: 1 . LocalObjectReference; 2 items []KeyToPath; 3 defaultMode int?; 4 optional bool?; 5
    defaultUser int?
Container: 1 name string; 2 image string; 3 command []string; 4 args []string; 5 workingDir string; 6 ports
    []ContainerPort; 19 envFrom []EnvFromSource; 7 env []EnvVar; 8 resources ResourceRequirements; 23 resizePolicy
    []ContainerResizePolicy; 24 restartPolicy string?; 25 restartPolicyRules []ContainerRestartRule; 9 volumeMounts
    []VolumeMount; 21 volumeDevices []VolumeDevice; 10 livenessProbe Probe?; 11 readinessProbe Probe?; 22 startupProbe
    Probe?; 12 lifecycle Lifecycle?; 13 terminationMessagePath string; 20 terminationMessagePolicy string; 14
    imagePullPolicy string; 15 securityContext SecurityContext?; 16 stdin bool; 17 stdinOnce bool; 18 tty bool
ContainerPort: 1 name string; 2 hostPort int; 3 containerPort int; 4 protocol string; 5 hostIP string
ContainerResizePolicy: 1 resourceName string; 2 restartPolicy string
ContainerRestartRule: 1 action string; 2 exitCodes ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes: 1 operator string; 2 values []int
DeleteOptions: 1 gracePeriodSeconds int?; 2 preconditions Preconditions?; 3 orphanDependents bool?; 4
    propagationPolicy string?; 5 dryRun []string; 6 ignoreStoreReadErrorWithClusterBreakingPotential bool?
DownwardAPIProjection: 1 items []DownwardAPIVolumeFile
DownwardAPIVolumeFile: 1 path string; 2 fieldRef ObjectFieldSelector?; 3 resourceFieldRef ResourceFieldSelector?; 4
    mode int?; 5 user int?
DownwardAPIVolumeSource: 1 items []DownwardAPIVolumeFile; 2 defaultMode int?; 3 defaultUser int?
EmptyDirVolumeSource: 1 medium string; 2 sizeLimit quantity?; 3 mode int?
EnvFromSource: 1 prefix string; 2 configMapRef ConfigMapEnvSource?; 3 secretRef SecretEnvSource?
EnvVar: 1 name string; 2 value string; 3 valueFrom EnvVarSource?
EnvVarSource: 1 fieldRef ObjectFieldSelector?; 2 resourceFieldRef ResourceFieldSelector?; 3 configMapKeyRef
    ConfigMapKeySelector?; 4 secretKeyRef SecretKeySelector?; 5 fileKeyRef FileKeySelector?
EphemeralContainer: 1 . EphemeralContainerCommon; 2 targetContainerName string
EphemeralContainerCommon: 1 name string; 2 image string; 3 command []string; 4 args []string; 5 workingDir string; 6
    ports []ContainerPort; 19 envFrom []EnvFromSource; 7 env []EnvVar; 8 resources ResourceRequirements; 23
    resizePolicy []ContainerResizePolicy; 24 restartPolicy string?; 25 restartPolicyRules []ContainerRestartRule; 9
    volumeMounts []VolumeMount; 21 volumeDevices []VolumeDevice; 10 livenessProbe Probe?; 11 readinessProbe Probe?; 22
    startupProbe Probe?; 12 lifecycle Lifecycle?; 13 terminationMessagePath string; 20 terminationMessagePolicy
    string; 14 imagePullPolicy string; 15 securityContext SecurityContext?; 16 stdin bool; 17 stdinOnce bool; 18 tty
    bool
Eviction: 1 metadata ObjectMeta; 2 deleteOptions DeleteOptions?
EvictionResponder: 1 name string; 2 priority int?
ExecAction: 1 command []string
FieldSelectorAttributes: 1 rawSelector string; 2 requirements []FieldSelectorRequirement
FieldSelectorRequirement: 1 key string; 2 operator string; 3 values []string
FileKeySelector: 1 volumeName string; 2 path string; 3 key string; 4 optional bool?
GRPCAction: 1 port int; 2 service string?; 3 mode string?
HTTPGetAction: 1 path string; 2 port intorstring; 3 host string; 4 scheme string; 5 httpHeaders []HTTPHeader; 6
    protocol string?
HTTPHeader: 1 name string; 2 value string
HostAlias: 1 ip string; 2 hostnames []string
HostPathVolumeSource: 1 path string; 2 type string?
ImageVolumeSource: 1 reference string; 2 pullPolicy string
KeyToPath: 1 key string; 2 path string; 3 mode int?; 4 user int?
LabelSelector: 1 matchLabels {}string; 2 matchExpressions []LabelSelectorRequirement
LabelSelectorAttributes: 1 rawSelector string; 2 requirements []LabelSelectorRequirement
LabelSelectorRequirement: 1 key string; 2 operator string; 3 values []string
Lease: 1 metadata ObjectMeta; 2 spec LeaseSpec
LeaseSpec: 1 holderIdentity string?; 2 leaseDurationSeconds int?; 3 acquireTime microtime?; 4 renewTime microtime?; 5
    leaseTransitions int?; 6 strategy string?; 7 preferredHolder string?
Lifecycle: 1 postStart LifecycleHandler?; 2 preStop LifecycleHandler?; 3 stopSignal string?
LifecycleHandler: 1 exec ExecAction?; 2 httpGet HTTPGetAction?; 3 tcpSocket TCPSocketAction?; 4 sleep SleepAction?
LocalObjectReference: 1 name string
LocalSubjectAccessReview: 1 metadata ObjectMeta; 2 spec SubjectAccessReviewSpec; 3 status SubjectAccessReviewStatus
ManagedFieldsEntry: 1 manager string; 2 operation string; 3 apiVersion string; 4 time time?; 6 fieldsType string; 7
    fieldsV1 raw?; 8 subresource string
Namespace: 1 metadata ObjectMeta; 2 spec NamespaceSpec; 3 status NamespaceStatus
NamespaceCondition: 1 type string; 2 status string; 4 lastTransitionTime time; 5 reason string; 6 message string
NamespaceSpec: 1 finalizers []string
NamespaceStatus: 1 phase string; 2 conditions []NamespaceCondition
NodeAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution NodeSelector?; 2
    preferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm
NodeSelector: 1 nodeSelectorTerms []NodeSelectorTerm
NodeSelectorRequirement: 1 key string; 2 operator string; 3 values []string
NodeSelectorTerm: 1 matchExpressions []NodeSelectorRequirement; 2 matchFields []NodeSelectorRequirement
NonResourceAttributes: 1 path string; 2 verb string
NonResourceRule: 1 verbs []string; 2 nonResourceURLs []string
ObjectFieldSelector: 1 apiVersion string; 2 fieldPath string
ObjectMeta: 1 name string; 2 generateName string; 3 namespace string; 4 selfLink string; 5 uid string; 6
    resourceVersion string; 7 generation int; 8 creationTimestamp time; 9 deletionTimestamp time?; 10
    deletionGracePeriodSeconds int?; 11 labels {}string; 12 annotations {}string; 13 ownerReferences []OwnerReference;
    14 finalizers []string; 17 managedFields []ManagedFieldsEntry
ObjectReference: 1 kind string; 2 namespace string; 3 name string; 4 uid string; 5 apiVersion string; 6
    resourceVersion string; 7 fieldPath string
OwnerReference: 5 apiVersion string; 1 kind string; 3 name string; 4 uid string; 6 controller bool?; 7
    blockOwnerDeletion bool?
PersistentVolumeClaimVolumeSource: 1 claimName string; 2 readOnly bool
Pod: 1 metadata ObjectMeta; 2 spec PodSpec
PodAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm; 2
    preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
PodAffinityTerm: 1 labelSelector LabelSelector?; 2 namespaces []string; 3 topologyKey string; 4 namespaceSelector
    LabelSelector?; 5 matchLabelKeys []string; 6 mismatchLabelKeys []string
PodAntiAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm; 2
    preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
PodCertificateProjection: 1 signerName string; 2 keyType string; 3 maxExpirationSeconds int?; 4 credentialBundlePath
    string; 5 keyPath string; 6 certificateChainPath string; 7 userAnnotations {}string; 8 user int?
PodDNSConfig: 1 nameservers []string; 2 searches []string; 3 options []PodDNSConfigOption
PodDNSConfigOption: 1 name string; 2 value string?
PodOS: 1 name string
PodReadinessGate: 1 conditionType string
PodResourceClaim: 1 name string; 3 resourceClaimName string?; 4 resourceClaimTemplateName string?
PodSchedulingGate: 1 name string
PodSchedulingGroup: 1 podGroupName string?
PodSecurityContext: 1 seLinuxOptions SELinuxOptions?; 8 windowsOptions WindowsSecurityContextOptions?; 2 runAsUser
    int?; 6 runAsGroup int?; 3 runAsNonRoot bool?; 4 supplementalGroups []int; 12 supplementalGroupsPolicy string?; 5
    fsGroup int?; 7 sysctls []Sysctl; 9 fsGroupChangePolicy string?; 10 seccompProfile SeccompProfile?; 11
    appArmorProfile AppArmorProfile?; 13 seLinuxChangePolicy string?
PodSpec: 1 volumes []Volume; 20 initContainers []Container; 2 containers []Container; 34 ephemeralContainers
    []EphemeralContainer; 3 restartPolicy string; 4 terminationGracePeriodSeconds int?; 5 activeDeadlineSeconds int?;
    6 dnsPolicy string; 7 nodeSelector {}string; 8 serviceAccountName string; 9 serviceAccount string; 21
    automountServiceAccountToken bool?; 10 nodeName string; 11 hostNetwork bool; 12 hostPID bool; 13 hostIPC bool; 27
    shareProcessNamespace bool?; 14 securityContext PodSecurityContext?; 15 imagePullSecrets []LocalObjectReference;
    16 hostname string; 17 subdomain string; 18 affinity Affinity?; 19 schedulerName string; 22 tolerations
    []Toleration; 23 hostAliases []HostAlias; 24 priorityClassName string; 25 priority int?; 26 dnsConfig
    PodDNSConfig?; 28 readinessGates []PodReadinessGate; 29 runtimeClassName string?; 30 enableServiceLinks bool?; 31
    preemptionPolicy string?; 32 overhead {}quantity; 33 topologySpreadConstraints []TopologySpreadConstraint; 35
    setHostnameAsFQDN bool?; 36 os PodOS?; 37 hostUsers bool?; 38 schedulingGates []PodSchedulingGate; 39
    resourceClaims []PodResourceClaim; 40 resources ResourceRequirements?; 41 hostnameOverride string?; 43
    schedulingGroup PodSchedulingGroup?; 44 evictionResponders []EvictionResponder
Preconditions: 1 uid string?; 2 resourceVersion string?
PreferredSchedulingTerm: 1 weight int; 2 preference NodeSelectorTerm
PriorityClass: 1 metadata ObjectMeta; 2 value int!; 3 globalDefault bool; 4 description string; 5 preemptionPolicy
    string?
Probe: 1 . ProbeHandler; 2 initialDelaySeconds int; 3 timeoutSeconds int; 4 periodSeconds int; 5 successThreshold int;
    6 failureThreshold int; 7 terminationGracePeriodSeconds int?
ProbeHandler: 1 exec ExecAction?; 2 httpGet HTTPGetAction?; 3 tcpSocket TCPSocketAction?; 4 grpc GRPCAction?
ProjectedVolumeSource: 1 sources []VolumeProjection; 2 defaultMode int?; 3 defaultUser int?
ResourceAttributes: 1 namespace string; 2 verb string; 3 group string; 4 version string; 5 resource string; 6
    subresource string; 7 name string; 8 fieldSelector FieldSelectorAttributes?; 9 labelSelector
    LabelSelectorAttributes?
ResourceClaim: 1 name string; 2 request string
ResourceFieldSelector: 1 containerName string; 2 resource string; 3 divisor quantity
ResourceRequirements: 1 limits {}quantity; 2 requests {}quantity; 3 claims []ResourceClaim
ResourceRule: 1 verbs []string; 2 apiGroups []string; 3 resources []string; 4 resourceNames []string
SELinuxOptions: 1 user string; 2 role string; 3 type string; 4 level string
SeccompProfile: 1 type string; 2 localhostProfile string?
Secret: 1 metadata ObjectMeta; 5 immutable bool?; 2 data {}bytes; 4 stringData {}string; 3 type string
SecretEnvSource: 1 . LocalObjectReference; 2 optional bool?
SecretKeySelector: 1 . LocalObjectReference; 2 key string; 3 optional bool?
SecretProjection: 1 . LocalObjectReference; 2 items []KeyToPath; 4 optional bool?
SecretVolumeSource: 1 secretName string; 2 items []KeyToPath; 3 defaultMode int?; 4 optional bool?; 5 defaultUser int?
SecurityContext: 1 capabilities Capabilities?; 2 privileged bool?; 3 seLinuxOptions SELinuxOptions?; 10 windowsOptions
    WindowsSecurityContextOptions?; 4 runAsUser int?; 8 runAsGroup int?; 5 runAsNonRoot bool?; 6
    readOnlyRootFilesystem bool?; 7 allowPrivilegeEscalation bool?; 9 procMount string?; 11 seccompProfile
    SeccompProfile?; 12 appArmorProfile AppArmorProfile?
SelfSubjectAccessReview: 1 metadata ObjectMeta; 2 spec SelfSubjectAccessReviewSpec; 3 status SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes?; 2 nonResourceAttributes NonResourceAttributes?
SelfSubjectReview: 1 metadata ObjectMeta; 2 status SelfSubjectReviewStatus
SelfSubjectReviewStatus: 1 userInfo UserInfo
SelfSubjectRulesReview: 1 metadata ObjectMeta; 2 spec SelfSubjectRulesReviewSpec; 3 status SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec: 1 namespace string
ServiceAccount: 1 metadata ObjectMeta; 2 secrets []ObjectReference; 3 imagePullSecrets []LocalObjectReference; 4
    automountServiceAccountToken bool?
ServiceAccountTokenProjection: 1 audience string; 2 expirationSeconds int?; 3 path string; 4 user int?
SleepAction: 1 seconds int
SubjectAccessReview: 1 metadata ObjectMeta; 2 spec SubjectAccessReviewSpec; 3 status SubjectAccessReviewStatus
SubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes?; 2 nonResourceAttributes NonResourceAttributes?; 3
    user string; 4 groups []string; 5 extra {}strings; 6 uid string
SubjectAccessReviewStatus: 1 allowed bool; 4 denied bool; 2 reason string; 3 evaluationError string
SubjectRulesReviewStatus: 1 resourceRules []ResourceRule; 2 nonResourceRules []NonResourceRule; 3 incomplete bool; 4
    evaluationError string
Sysctl: 1 name string; 2 value string
TCPSocketAction: 1 port intorstring; 2 host string
Toleration: 1 key string; 2 operator string; 3 value string; 4 effect string; 5 tolerationSeconds int?
TopologySpreadConstraint: 1 maxSkew int; 2 topologyKey string; 3 whenUnsatisfiable string; 4 labelSelector
    LabelSelector?; 5 minDomains int?; 6 nodeAffinityPolicy string?; 7 nodeTaintsPolicy string?; 8 matchLabelKeys
    []string
UserInfo: 1 username string; 2 uid string; 3 groups []string; 4 extra {}strings
Volume: 1 name string; 2 . VolumeSource
VolumeDevice: 1 name string; 2 devicePath string
VolumeMount: 1 name string; 2 readOnly bool; 7 recursiveReadOnly string?; 3 mountPath string; 4 subPath string; 5
    mountPropagation string?; 6 subPathExpr string; 8 bindMountOptions []string
VolumeProjection: 1 secret SecretProjection?; 2 downwardAPI DownwardAPIProjection?; 3 configMap ConfigMapProjection?;
    4 serviceAccountToken ServiceAccountTokenProjection?; 5 clusterTrustBundle ClusterTrustBundleProjection?; 6
    podCertificate PodCertificateProjection?
VolumeSource: 1 hostPath HostPathVolumeSource?; 2 emptyDir EmptyDirVolumeSource?; 6 secret SecretVolumeSource?; 10
    persistentVolumeClaim PersistentVolumeClaimVolumeSource?; 16 downwardAPI DownwardAPIVolumeSource?; 19 configMap
    ConfigMapVolumeSource?; 26 projected ProjectedVolumeSource?; 28 csi CSIVolumeSource?; 30 image ImageVolumeSource?
WeightedPodAffinityTerm: 1 weight int; 2 podAffinityTerm PodAffinityTerm
WindowsSecurityContextOptions: 1 gmsaCredentialSpecName string?; 2 gmsaCredentialSpec string?; 3 runAsUserName
    string?; 4 hostProcess bool?
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``type`` is a word for a plain value or names a message, ``shape`` is ``[]``, ``{}`` or empty."""

    name: str
    type: str
    shape: str
    is_kept: bool
    """Whether zero counts as given."""


@cache
def messages() -> dict[str, dict[int, Field]]:
    """Every message by name, its fields by number."""
    joined = re.sub(r"\n +", " ", _LINES)
    return {name: _fields(text) for name, _, text in (line.partition(": ") for line in joined.splitlines())}


def _fields(text: str) -> dict[int, Field]:
    found = {}
    for item in text.split("; "):
        number, name, word = item.split(" ")
        shape = word[:2] if word[:2] in ("[]", "{}") else ""
        kind = word.removeprefix(shape).rstrip("?!")
        found[int(number)] = Field(name, kind, shape, is_kept=word[-1] in "?!")
    return found
