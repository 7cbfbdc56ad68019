"""The fields of volumes, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.fieldtype import Field, Table, not_yet
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import refused as u
from nodeguard.model.fieldtype import warned as w
from nodeguard.model.foreignvolumetable import FOREIGN_VOLUME

_OURS = (
    "this kind of volume is not supported yet; "
    "supported are emptyDir, hostPath, downwardAPI, configMap, secret, projected"
)
_NO_ISSUER = "not supported: on one host nobody issues tokens or certificates to pods"
_MODE: dict[str, Any] = {"low": 0, "high": 0o777}
_USER = not_yet("files belong to root")

_OPTIONAL = h("bool", "Whether it may be missing.")
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
    **FOREIGN_VOLUME,
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
}
