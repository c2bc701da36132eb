"""Are rendered objects what Kubernetes takes? Built-in kinds by their published schemas, others by their CRDs."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES_VERSIONS: Final = ("1.30", "1.37")
CRD_DIR: Final = Path(__file__).resolve().parents[3] / "shared" / "crds"
CUSTOM_KINDS: Final = {
    "ScaledObject": "keda.sh_scaledobjects",
    "TriggerAuthentication": "keda.sh_triggerauthentications",
    "PodMonitor": "monitoring.coreos.com_podmonitors",
    "ServiceMonitor": "monitoring.coreos.com_servicemonitors",
    "PrometheusRule": "monitoring.coreos.com_prometheusrules",
}


class _Loader(yaml.SafeLoader):
    """YAML in which `=` is a word, as in the CRDs of prometheus-operator."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def validate(found: dict[str, Any]) -> None:
    """Check one object of a built-in kind, unknown fields included.

    Raises:
        AssertionError: naming the object and the field.
    """
    _validate_text(json.dumps(found, sort_keys=True))


@cache  # most objects are the same in most renderings
def _validate_text(text: str) -> None:
    found = json.loads(text)
    for version in KUBERNETES_VERSIONS:
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except jsonschema.ValidationError as error:
            raise AssertionError(f"{found['kind']} {found['metadata']['name']}: {error.message}") from error
        except kubernetes_validate.utils.SchemaNotFoundError as error:
            raise AssertionError(f"{found['kind']} {found['metadata']['name']}: {error.message}") from error


def validate_custom(found: dict[str, Any]) -> None:
    """Check one object of a custom kind against its CRD, unknown fields included.

    Raises:
        AssertionError: naming the object and the field.
    """
    try:
        jsonschema.Draft202012Validator(_crd_schema(found["kind"], found["apiVersion"])).validate(found)
    except jsonschema.ValidationError as error:
        raise AssertionError(f"{found['kind']} {found['metadata']['name']}: {error.message}") from error


@cache
def _crd_schema(kind: str, api_version: str) -> dict[str, Any]:
    definition = yaml.load((CRD_DIR / f"{CUSTOM_KINDS[kind]}.yaml").read_text(), _Loader)["spec"]
    group, version = api_version.split("/")
    assert group == definition["group"]
    assert kind == definition["names"]["kind"]
    served = {one["name"]: one["schema"]["openAPIV3Schema"] for one in definition["versions"] if one["served"]}
    schema = _close(served[version])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _close(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema without unknown fields, where it does not keep them."""
    closed: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            closed[keyword] = {name: _close(one) for name, one in value.items()}
        elif keyword in ("items", "additionalProperties") and isinstance(value, dict):
            closed[keyword] = _close(value)
        elif keyword != "format":
            closed[keyword] = value
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
