"""The fields of the kinds of volumes that are not mounted on one host, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from nodeguard.model.fieldtype import Table
from nodeguard.model.fieldtype import honoured as h

_FS_TYPE = h("string", "File system type.")
_READ_ONLY = h("bool", "Mount it read-only.")
_SECRET = h("LocalObjectReference", "Secret with credentials.")

FOREIGN_VOLUME: Table = {
    "PersistentVolumeClaimVolumeSource": {"claimName": h("string!", "Claim."), "readOnly": _READ_ONLY},
    "EphemeralVolumeSource": {"volumeClaimTemplate": h("PersistentVolumeClaimTemplate", "Claim to make.")},
    "PersistentVolumeClaimTemplate": {
        "metadata": h("ObjectMeta", "Labels and annotations of the claim."),
        "spec": h("PersistentVolumeClaimSpec!", "What is claimed."),
    },
    "PersistentVolumeClaimSpec": {
        "accessModes": h("[]string", "How it can be mounted."),
        "selector": h("LabelSelector", "Labels to select by."),
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
