"""Reference tables of the README, made from the code that they describe."""

from pydantic_core import PydanticUndefined

from models.store import PRETRAINED_DIR
from service.metrics import REGISTRY
from service.settings import ENV_PREFIX, Settings


def describe_settings() -> str:
    """Every variable as a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if default is None or default is PydanticUndefined or default in ("", ()):
            shown = "–"
        elif default == PRETRAINED_DIR:
            shown = "the shipped set"
        else:
            shown = f"`{default}`"
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def describe_metrics() -> str:
    """Every metric as a Markdown table."""
    rows = ["| metric | type | meaning |", "|---|---|---|"]
    for family in REGISTRY.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(rows)
