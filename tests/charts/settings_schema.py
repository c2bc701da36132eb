"""What the chart's schema says of `worker.settings`, made from the service's own settings.

`python tests/charts/settings_schema.py` writes it into values.schema.json; a test holds that the two are equal.
"""

import json
from pathlib import Path
from typing import Any, Final

from service.settings import Settings

SCHEMA_PATH: Final = Path(__file__).parents[2] / "charts" / "vehicle-damage" / "values.schema.json"
# What the chart sets itself, from values of its own.
OWNED: Final = {
    "queue_url",
    "photo_buckets",
    "results_bucket",
    "results_prefix",
    "ledger_url",
    "model_store",
    "model_set",
    "runtime",
    "device",
    "shutdown_grace_s",
    "http_host",
    "http_port",
}
_KEPT: Final = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "description")


def build_settings_schema() -> dict[str, Any]:
    """Build the JSON Schema of `worker.settings`: type and limits of each setting that the chart leaves to users."""
    properties = {}
    for name, found in Settings.model_json_schema()["properties"].items():
        if name not in OWNED:
            of_value = next((kind for kind in found.get("anyOf", ()) if kind["type"] != "null"), {})
            properties[name] = {key: (found | of_value)[key] for key in _KEPT if key in found | of_value}
    return {
        "type": "object",
        "description": "Settings of the service without their prefix, in lower case.",
        "additionalProperties": False,
        "properties": properties,
    }


def main() -> None:
    """Write it into the chart's schema."""
    schema = json.loads(SCHEMA_PATH.read_text())
    schema["properties"]["worker"]["properties"]["settings"] = build_settings_schema()
    SCHEMA_PATH.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
