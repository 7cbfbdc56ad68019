"""ConfigMaps and Secrets: text folded into data, and what ``immutable`` forbids.

Source: kubernetes, pkg/apis/core/v1/conversion.go (Convert_v1_Secret_To_core_Secret), pkg/apis/core/validation
(ValidateSecretUpdate, ValidateConfigMapUpdate).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from nodeguard.api.status import Cause

Object = dict[str, Any]

MAX_DATA_BYTES = 1024 * 1024


def fill_secret(secret: Object) -> list[Cause]:
    """Fold ``stringData`` into ``data``, which must be base64; every fault. No message holds what the secret does."""
    data = dict(secret.get("data") or {})
    for key, text in (secret.pop("stringData", None) or {}).items():
        data[key] = base64.b64encode(text.encode()).decode()
    faults, total = [], 0
    for key, value in data.items():
        try:
            total += len(base64.b64decode(value or "", validate=True))
        except (binascii.Error, ValueError):
            faults.append(Cause("FieldValueInvalid", "Invalid value: illegal base64 data", f"data[{key}]"))
    if total > MAX_DATA_BYTES:
        faults.append(Cause("FieldValueTooLong", f"Too long: may not be more than {MAX_DATA_BYTES} bytes", "data"))
    if data:
        secret["data"] = data
    secret["type"] = secret.get("type") or "Opaque"
    return faults


def immutable_faults(new: Object, old: Object) -> list[Cause]:
    """Every change of what is marked immutable, and of a Secret's type."""
    faults = []
    if old.get("immutable"):
        message = "Forbidden: field is immutable when `immutable` is set"
        keys = ("data", "binaryData") if new["kind"] == "ConfigMap" else ("data",)
        faults = [
            Cause("FieldValueForbidden", message, key) for key in keys if (new.get(key) or {}) != (old.get(key) or {})
        ]
        if not new.get("immutable"):
            faults.append(Cause("FieldValueForbidden", message, "immutable"))
    if new["kind"] == "Secret" and new["type"] != old.get("type"):
        faults.append(Cause("FieldValueInvalid", f'Invalid value: "{new["type"][:200]}": field is immutable', "type"))
    return faults
