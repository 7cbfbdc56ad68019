"""The fields of volumes, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.fieldtype import Field, Table, not_yet
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import refused as u
from nodeguard.model.fieldtype import warned as w

_OURS = (
    "this kind of volume is not supported yet; "
    "supported are emptyDir, hostPath, downwardAPI, configMap, secret, projected"
)
_NO_ISSUER = "not supported: on one host nobody issues tokens or certificates to pods"
_MODE: dict[str, Any] = {"low": 0, "high": 0o777}
_USER = not_yet("files belong to root")

_FS_TYPE = h("string", "File system type.")
_READ_ONLY = h("bool", "Mount it read-only.")
_OPTIONAL = h("bool", "Whether it may be missing.")
_SECRET = h("LocalObjectReference", "Secret with credentials.")
_DEFAULT_MODE = h("int32", "Mode of files that name none.", **_MODE, default=0o644)
_DEFAULT_USER = w("int64", "Owner of files that name none.", _USER)
_FILE_USER = w("int64", "Owner.", _USER)
_LABELS = h("LabelSelector", "Labels to select by.")

_PROJECTION = {
    "name": h("string", "Name."),
    "items": h("[]KeyToPath", "Keys to show as files."),
    "optional": _OPTIONAL,
}


def _foreign(type: str, doc: str) -> Field:  # noqa: A002 - the column's name
    return u(type, doc, _OURS)


VOLUME: Table = {
    "Volume": {
        "name": h("string!", "Name, unique in the pod.", syntax="dns_label"),
        "emptyDir": h("EmptyDirVolumeSource", "Empty directory that lives as long as the pod."),
        "hostPath": h("HostPathVolumeSource", "File or directory of the host."),
        "downwardAPI": h("DownwardAPIVolumeSource", "Files that tell of the pod."),
        "configMap": h("ConfigMapVolumeSource", "Files from a ConfigMap."),
        "secret": h("SecretVolumeSource", "Files from a Secret."),
        "projected": h("ProjectedVolumeSource", "Several sources in one directory."),
        "persistentVolumeClaim": _foreign("PersistentVolumeClaimVolumeSource", "Claimed storage."),
        "ephemeral": _foreign("EphemeralVolumeSource", "Storage claimed for this pod."),
        "csi": _foreign("CSIVolumeSource", "Volume of a CSI driver."),
        "image": _foreign("ImageVolumeSource", "Content of an image."),
        "nfs": _foreign("NFSVolumeSource", "Directory of an NFS server."),
        "iscsi": _foreign("ISCSIVolumeSource", "iSCSI disk."),
        "fc": _foreign("FCVolumeSource", "Fibre Channel disk."),
        "cephfs": _foreign("CephFSVolumeSource", "Ceph file system."),
        "rbd": _foreign("RBDVolumeSource", "Ceph block device."),
        "glusterfs": _foreign("GlusterfsVolumeSource", "Gluster volume."),
        "cinder": _foreign("CinderVolumeSource", "OpenStack disk."),
        "flexVolume": _foreign("FlexVolumeSource", "Volume of a FlexVolume driver."),
        "flocker": _foreign("FlockerVolumeSource", "Flocker volume."),
        "gitRepo": _foreign("GitRepoVolumeSource", "Clone of a git repository."),
        "awsElasticBlockStore": _foreign("AWSElasticBlockStoreVolumeSource", "AWS disk."),
        "gcePersistentDisk": _foreign("GCEPersistentDiskVolumeSource", "Google disk."),
        "azureDisk": _foreign("AzureDiskVolumeSource", "Azure disk."),
        "azureFile": _foreign("AzureFileVolumeSource", "Azure file share."),
        "vsphereVolume": _foreign("VsphereVirtualDiskVolumeSource", "vSphere disk."),
        "photonPersistentDisk": _foreign("PhotonPersistentDiskVolumeSource", "Photon disk."),
        "portworxVolume": _foreign("PortworxVolumeSource", "Portworx volume."),
        "quobyte": _foreign("QuobyteVolumeSource", "Quobyte volume."),
        "scaleIO": _foreign("ScaleIOVolumeSource", "ScaleIO volume."),
        "storageos": _foreign("StorageOSVolumeSource", "StorageOS volume."),
    },
    "EmptyDirVolumeSource": {
        "medium": h("string", "Memory, HugePages, HugePages-<size>, or empty for disk."),
        "sizeLimit": h("quantity", "Most it may hold."),
        "mode": w("int32", "Mode of the directory.", not_yet("the mode is 0777"), low=0, high=0o1777, quiet=(0o777,)),
    },
    "HostPathVolumeSource": {
        "path": h("string!", "Path on the host."),
        "type": h(
            "string",
            "What must be there.",
            words=(
                *("DirectoryOrCreate", "Directory", "FileOrCreate", "File"),
                *("Socket", "CharDevice", "BlockDevice"),
            ),
        ),
    },
    "DownwardAPIVolumeSource": {
        "items": h("[]DownwardAPIVolumeFile", "Files."),
        "defaultMode": _DEFAULT_MODE,
        "defaultUser": _DEFAULT_USER,
    },
    "DownwardAPIVolumeFile": {
        "path": h("string!", "Path of the file.", syntax="relative_path"),
        "fieldRef": h("ObjectFieldSelector", "Field of the pod."),
        "resourceFieldRef": h("ResourceFieldSelector", "Request or limit of a container."),
        "mode": h("int32", "Mode.", **_MODE),
        "user": _FILE_USER,
    },
    "KeyToPath": {
        "key": h("string!", "Key."),
        "path": h("string!", "Path of the file.", syntax="relative_path"),
        "mode": h("int32", "Mode.", **_MODE),
        "user": _FILE_USER,
    },
    "ConfigMapVolumeSource": {
        "name": h("string", "ConfigMap."),
        "items": h("[]KeyToPath", "Keys to show as files."),
        "defaultMode": _DEFAULT_MODE,
        "optional": _OPTIONAL,
        "defaultUser": _DEFAULT_USER,
    },
    "SecretVolumeSource": {
        "secretName": h("string", "Secret."),
        "items": h("[]KeyToPath", "Keys to show as files."),
        "defaultMode": _DEFAULT_MODE,
        "optional": _OPTIONAL,
        "defaultUser": _DEFAULT_USER,
    },
    "ProjectedVolumeSource": {
        "sources": h("[]VolumeProjection", "Sources."),
        "defaultMode": _DEFAULT_MODE,
        "defaultUser": _DEFAULT_USER,
    },
    "VolumeProjection": {
        "configMap": h("ConfigMapProjection", "Keys of a ConfigMap."),
        "secret": h("SecretProjection", "Keys of a Secret."),
        "downwardAPI": h("DownwardAPIProjection", "Fields of the pod."),
        "serviceAccountToken": u("ServiceAccountTokenProjection", "Token.", _NO_ISSUER),
        "clusterTrustBundle": u("ClusterTrustBundleProjection", "Certificates to trust.", _NO_ISSUER),
        "podCertificate": u("PodCertificateProjection", "Certificate of the pod.", _NO_ISSUER),
    },
    "ConfigMapProjection": _PROJECTION,
    "SecretProjection": _PROJECTION,
    "DownwardAPIProjection": {"items": h("[]DownwardAPIVolumeFile", "Files.")},
    "ServiceAccountTokenProjection": {
        "audience": h("string", "Who the token is for."),
        "expirationSeconds": h("int64", "How long it is valid.", low=600, high=2**32),
        "path": h("string!", "Path of the file.", syntax="relative_path"),
        "user": _FILE_USER,
    },
    "ClusterTrustBundleProjection": {
        "name": h("string", "Bundle."),
        "signerName": h("string", "Signer of the bundles."),
        "labelSelector": _LABELS,
        "optional": _OPTIONAL,
        "path": h("string!", "Path of the file.", syntax="relative_path"),
        "user": _FILE_USER,
    },
    "PodCertificateProjection": {
        "signerName": h("string", "Signer."),
        "keyType": h("string", "Kind of key."),
        "maxExpirationSeconds": h("int32", "Longest life."),
        "credentialBundlePath": h("string", "File for key and certificates.", syntax="relative_path"),
        "keyPath": h("string", "File for the key.", syntax="relative_path"),
        "certificateChainPath": h("string", "File for the certificates.", syntax="relative_path"),
        "userAnnotations": h("map[string]string", "Notes for the signer."),
        "user": _FILE_USER,
    },
    "PersistentVolumeClaimVolumeSource": {"claimName": h("string!", "Claim."), "readOnly": _READ_ONLY},
    "EphemeralVolumeSource": {"volumeClaimTemplate": h("PersistentVolumeClaimTemplate", "Claim to make.")},
    "PersistentVolumeClaimTemplate": {
        "metadata": h("ObjectMeta", "Labels and annotations of the claim."),
        "spec": h("PersistentVolumeClaimSpec!", "What is claimed."),
    },
    "PersistentVolumeClaimSpec": {
        "accessModes": h("[]string", "How it can be mounted."),
        "selector": _LABELS,
        "resources": h("VolumeResourceRequirements", "Size."),
        "volumeName": h("string", "Volume to use."),
        "storageClassName": h("string", "StorageClass."),
        "volumeMode": h("string", "Filesystem or Block.", words=("Filesystem", "Block")),
        "dataSource": h("TypedLocalObjectReference", "What to fill it from."),
        "dataSourceRef": h("TypedObjectReference", "What to fill it from."),
        "volumeAttributesClassName": h("string", "VolumeAttributesClass."),
    },
    "VolumeResourceRequirements": {
        "limits": h("map[string]quantity", "Most."),
        "requests": h("map[string]quantity", "Least."),
    },
    "TypedLocalObjectReference": {
        "apiGroup": h("string", "API group."),
        "kind": h("string!", "Kind."),
        "name": h("string!", "Name."),
    },
    "TypedObjectReference": {
        "apiGroup": h("string", "API group."),
        "kind": h("string!", "Kind."),
        "name": h("string!", "Name."),
        "namespace": h("string", "Namespace."),
    },
    "CSIVolumeSource": {
        "driver": h("string!", "Driver."),
        "readOnly": _READ_ONLY,
        "fsType": _FS_TYPE,
        "volumeAttributes": h("map[string]string", "What the driver needs to know."),
        "nodePublishSecretRef": _SECRET,
    },
    "ImageVolumeSource": {
        "reference": h("string", "Image."),
        "pullPolicy": h("string", "When it is pulled.", words=("Always", "Never", "IfNotPresent")),
    },
    "NFSVolumeSource": {
        "server": h("string!", "Server."),
        "path": h("string!", "Exported path."),
        "readOnly": _READ_ONLY,
    },
    "ISCSIVolumeSource": {
        "targetPortal": h("string!", "Portal."),
        "iqn": h("string!", "Target."),
        "lun": h("int32!", "Unit."),
        "iscsiInterface": h("string", "Interface."),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
        "portals": h("[]string", "Further portals."),
        "chapAuthDiscovery": h("bool", "CHAP at discovery."),
        "chapAuthSession": h("bool", "CHAP in the session."),
        "secretRef": _SECRET,
        "initiatorName": h("string", "Initiator."),
    },
    "FCVolumeSource": {
        "targetWWNs": h("[]string", "Targets."),
        "lun": h("int32", "Unit."),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
        "wwids": h("[]string", "World-wide ids."),
    },
    "CephFSVolumeSource": {
        "monitors": h("[]string!", "Monitors."),
        "path": h("string", "Path in the file system."),
        "user": h("string", "User."),
        "secretFile": h("string", "Key ring."),
        "secretRef": _SECRET,
        "readOnly": _READ_ONLY,
    },
    "RBDVolumeSource": {
        "monitors": h("[]string!", "Monitors."),
        "image": h("string!", "Image."),
        "fsType": _FS_TYPE,
        "pool": h("string", "Pool."),
        "user": h("string", "User."),
        "keyring": h("string", "Key ring."),
        "secretRef": _SECRET,
        "readOnly": _READ_ONLY,
    },
    "GlusterfsVolumeSource": {
        "endpoints": h("string!", "Endpoints."),
        "path": h("string!", "Volume."),
        "readOnly": _READ_ONLY,
    },
    "CinderVolumeSource": {
        "volumeID": h("string!", "Disk."),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
        "secretRef": _SECRET,
    },
    "FlexVolumeSource": {
        "driver": h("string!", "Driver."),
        "fsType": _FS_TYPE,
        "secretRef": _SECRET,
        "readOnly": _READ_ONLY,
        "options": h("map[string]string", "Options of the driver."),
    },
    "FlockerVolumeSource": {"datasetName": h("string", "Dataset."), "datasetUUID": h("string", "Dataset.")},
    "GitRepoVolumeSource": {
        "repository": h("string!", "URL."),
        "revision": h("string", "Commit."),
        "directory": h("string", "Directory to clone into."),
    },
    "AWSElasticBlockStoreVolumeSource": {
        "volumeID": h("string!", "Disk."),
        "fsType": _FS_TYPE,
        "partition": h("int32", "Partition."),
        "readOnly": _READ_ONLY,
    },
    "GCEPersistentDiskVolumeSource": {
        "pdName": h("string!", "Disk."),
        "fsType": _FS_TYPE,
        "partition": h("int32", "Partition."),
        "readOnly": _READ_ONLY,
    },
    "AzureDiskVolumeSource": {
        "diskName": h("string!", "Disk."),
        "diskURI": h("string!", "URI of the disk."),
        "cachingMode": h("string", "Caching.", words=("None", "ReadOnly", "ReadWrite")),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
        "kind": h("string", "Kind of disk.", words=("Shared", "Dedicated", "Managed")),
    },
    "AzureFileVolumeSource": {
        "secretName": h("string!", "Secret with the key."),
        "shareName": h("string!", "Share."),
        "readOnly": _READ_ONLY,
    },
    "VsphereVirtualDiskVolumeSource": {
        "volumePath": h("string!", "Path of the disk."),
        "fsType": _FS_TYPE,
        "storagePolicyName": h("string", "Storage policy."),
        "storagePolicyID": h("string", "Storage policy."),
    },
    "PhotonPersistentDiskVolumeSource": {"pdID": h("string!", "Disk."), "fsType": _FS_TYPE},
    "PortworxVolumeSource": {"volumeID": h("string!", "Volume."), "fsType": _FS_TYPE, "readOnly": _READ_ONLY},
    "QuobyteVolumeSource": {
        "registry": h("string!", "Registry."),
        "volume": h("string!", "Volume."),
        "readOnly": _READ_ONLY,
        "user": h("string", "User."),
        "group": h("string", "Group."),
        "tenant": h("string", "Tenant."),
    },
    "ScaleIOVolumeSource": {
        "gateway": h("string!", "Gateway."),
        "system": h("string!", "System."),
        "secretRef": h("LocalObjectReference!", "Secret with credentials."),
        "sslEnabled": h("bool", "Use TLS."),
        "protectionDomain": h("string", "Protection domain."),
        "storagePool": h("string", "Pool."),
        "storageMode": h("string", "Thick or thin."),
        "volumeName": h("string", "Volume."),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
    },
    "StorageOSVolumeSource": {
        "volumeName": h("string", "Volume."),
        "volumeNamespace": h("string", "Scope of the name."),
        "fsType": _FS_TYPE,
        "readOnly": _READ_ONLY,
        "secretRef": _SECRET,
    },
}
