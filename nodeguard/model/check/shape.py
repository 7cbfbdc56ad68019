"""Objects against the field table: unknown fields, types, words, bounds, syntax, support."""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.document import Path
from nodeguard.model.field import OBJECTS
from nodeguard.model.fieldtype import Field, Support, Table
from nodeguard.model.finding import Fault
from nodeguard.model.quantity import Quantity
from nodeguard.model.syntax import SYNTAX, base64_text

_DROPPED = object()
"""Stands for a value that was reported and is left out."""

_INT_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_EXPECTED = {
    "string": "a string",
    "bool": "true or false",
    "int32": "a whole number",
    "int64": "a whole number",
    "intOrString": "a port number or name",
    "time": "a string",
}
_PLACES = (
    ("Pod", "the top level"),
    ("ObjectMeta", "metadata"),
    ("PodSpec", "spec"),
    ("PodSecurityContext", "spec.securityContext"),
    ("Container", "spec.containers[]"),
    ("SecurityContext", "spec.containers[].securityContext"),
    ("ResourceRequirements", "spec.containers[].resources"),
    ("VolumeMount", "spec.containers[].volumeMounts[]"),
    ("Probe", "a probe, such as spec.containers[].livenessProbe"),
    ("Lifecycle", "spec.containers[].lifecycle"),
    ("Affinity", "spec.affinity"),
)
"""Where a misplaced field may belong, best guess first."""


def check_shape(report: Report, name: str, value: Any, path: Path, table: Table = OBJECTS) -> dict[str, Any]:
    """What is well formed in ``value``, an object ``name`` of the table; everything else is reported.

    In the result nulls are gone, whole floats are ints, and quantities are ``Quantity``.
    """
    checked = _Shape(report, table).object(name, value, path, heed=True)
    return checked if isinstance(checked, dict) else {}


class _Shape:
    def __init__(self, report: Report, table: Table) -> None:
        self._report = report
        self._table = table

    def object(self, name: str, value: Any, path: Path, *, heed: bool) -> Any:
        """Check an object; ``heed`` False: a field around it was warned of already."""
        if not isinstance(value, dict):
            self._report.error(path, f"expected an object, found {shown(value)}", Fault.TYPE)
            return _DROPPED
        fields = self._table[name]
        result: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                self._unknown(name, key, (*path, key))
            elif item is not None:
                checked = self._field(field, item, (*path, key), heed=heed)
                if checked is not _DROPPED:
                    result[key] = checked
        for key, field in fields.items():
            if field.required and value.get(key) is None:
                self._report.error((*path, key), f"required, but missing: {field.doc}", Fault.REQUIRED)
        return result

    def _field(self, field: Field, value: Any, path: Path, *, heed: bool) -> Any:
        if field.required and value in ("", []):
            words = "must not be empty" if value == "" else "must have at least one entry"
            self._report.error(path, words, Fault.REQUIRED)
            return _DROPPED
        if field.support is Support.HONOURED or not heed:
            return self._value(field, field.type, value, path, heed=heed)
        checked = self._value(field, field.type, value, path, heed=False)
        if checked is not _DROPPED and checked not in (None, "", [], {}, False, field.default, *field.quiet):
            if field.support is Support.WARNING:
                self._report.warn(path, field.reason)
            else:
                self._report.unsupported(path, f"valid Kubernetes, but not possible here: {field.reason}")
        return checked

    def _value(self, field: Field, type: str, value: Any, path: Path, *, heed: bool) -> Any:  # noqa: A002
        if type.startswith("[]"):
            return self._list(field, type[2:], value, path, heed=heed)
        if type.startswith("map[string]"):
            return self._map(field, type[11:], value, path, heed=heed)
        if type in self._table:
            return self.object(type, value, path, heed=heed)
        if type == "any":
            return value
        if type in _INT_BOUNDS:
            return self._number(field, type, value, path)
        if type == "quantity":
            return self._quantity(value, path)
        if type == "bool":
            return value if isinstance(value, bool) else self._wrong(type, value, path)
        if type == "intOrString":
            return self._port(field, value, path)
        if type == "bytes":
            return self._bytes(value, path)
        return self._string(field, type, value, path)

    def _list(self, field: Field, type: str, value: Any, path: Path, *, heed: bool) -> Any:  # noqa: A002
        if not isinstance(value, list):
            self._report.error(path, f"expected a list, found {shown(value)}", Fault.TYPE)
            return _DROPPED
        result = []
        for position, item in enumerate(value):
            checked = self._value(field, type, item, (*path, position), heed=heed)
            if checked is not _DROPPED:
                result.append(checked)
            elif type in self._table:
                result.append({})  # keeps the positions of the others
        return result

    def _map(self, field: Field, type: str, value: Any, path: Path, *, heed: bool) -> Any:  # noqa: A002
        if not isinstance(value, dict):
            self._report.error(path, f"expected an object, found {shown(value)}", Fault.TYPE)
            return _DROPPED
        result = {}
        for key, item in value.items():
            if item is None and type == "string":
                result[key] = ""
                continue
            checked = self._value(field, type, item, (*path, key), heed=heed)
            if checked is not _DROPPED:
                result[key] = checked
        return result

    def _string(self, field: Field, type: str, value: Any, path: Path) -> Any:  # noqa: A002
        if not isinstance(value, str):
            return self._wrong(type, value, path)
        if not value:
            return value
        if field.words and value not in field.words:
            meant = guess(value, field.words)
            hint = f"; did you mean {meant}?" if meant else ""
            words = f"found {shown(value)}; allowed are {', '.join(field.words)}{hint}"
            self._report.error(path, words, Fault.NOT_SUPPORTED)
            return _DROPPED
        if field.syntax:
            return self._syntax(field.syntax, value, path)
        return value

    def _syntax(self, rule: str, value: str, path: Path) -> Any:
        allowed = SYNTAX[rule](value)
        if allowed is None:
            return value
        self._report.error(path, f"found {shown(value)}; {allowed}")
        return _DROPPED

    def _number(self, field: Field, type: str, value: Any, path: Path) -> Any:  # noqa: A002
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
            value = int(value)  # 1e3 reaches the API server as 1000
        if isinstance(value, bool) or not isinstance(value, int):
            return self._wrong(type, value, path)
        low, high = _INT_BOUNDS[type]
        low = low if field.low is None else field.low
        high = high if field.high is None else field.high
        if low <= value <= high:
            return value
        bound = (
            f"at least {low}" if value < low and field.low is not None and field.high is None else f"{low} to {high}"
        )
        self._report.error(path, f"found {shown(value).removeprefix('the number ')}; allowed is {bound}")
        return _DROPPED

    def _quantity(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict | list):
            self._report.error(path, f"expected a quantity such as 500m or 64Mi, found {shown(value)}", Fault.TYPE)
            return _DROPPED
        try:
            return Quantity.parse(value if value is not None else 0)
        except ValueError as e:
            self._report.error(path, str(e), Fault.TYPE)
            return _DROPPED

    def _bytes(self, value: Any, path: Path) -> Any:
        """Base64; what was found is not told, as it may be a secret."""
        if not isinstance(value, str):
            self._report.error(path, "expected a text in base64", Fault.TYPE)
            return _DROPPED
        wrong = base64_text(value)
        if wrong is not None:
            self._report.error(path, wrong)
            return _DROPPED
        return value

    def _port(self, field: Field, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self._syntax("port_name", value, path)
        return self._number(field._replace(low=1, high=65535), "int32", value, path)

    def _wrong(self, type: str, value: Any, path: Path) -> Any:  # noqa: A002
        hint = "; write it in quotes" if type == "string" and isinstance(value, int | float) else ""
        self._report.error(path, f"expected {_EXPECTED[type]}, found {shown(value)}{hint}", Fault.TYPE)
        return _DROPPED

    def _unknown(self, name: str, key: str, path: Path) -> None:
        fields = self._table[name]
        same = next((known for known in fields if known.lower() == key.lower()), "")
        home = "" if same else next((place for other, place in _PLACES if other != name and key in OBJECTS[other]), "")
        meant = same or ("" if home else guess(key, fields))
        hint = f", did you mean {meant}?" if meant else f"; {key} belongs in {home}" if home else ""
        self._report.error(path, f"unknown field{hint}", Fault.UNKNOWN)
