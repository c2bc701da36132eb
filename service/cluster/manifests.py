"""manifests: a template of YAML documents with ${…} where values stand becomes manifests.

In:   the template's text, typed values. Out: manifests, as dicts.
Must not know: what is in a template. A value replaces a whole scalar after parsing, so none can change the structure.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from service.errors import SetupError

_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")
_PACKAGED_DIR: Final = Path(__file__).parent / "templates"
_SOURCE_DIR: Final = Path(__file__).parents[2] / "k8s" / "jobs"


def load_template(name: str) -> str:
    """Read a template: from the installed package, or from k8s/jobs next to the sources.

    Args:
        name: file name without its suffix.

    Raises:
        SetupError: there is no such template.
    """
    for folder in (_PACKAGED_DIR, _SOURCE_DIR):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path.read_text()
    raise SetupError(f"job template: there is no {name}.yaml in {_PACKAGED_DIR} or {_SOURCE_DIR}")


def fill_template(text: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put values where placeholders stand.

    Args:
        text: YAML documents; a placeholder is a whole scalar.
        values: by placeholder; None removes the entry whose value it would be.

    Raises:
        ValueError: a placeholder without a value, a value without a placeholder, or a placeholder inside other text.
    """
    used: set[str] = set()
    documents = [_fill(document, values, used) for document in yaml.safe_load_all(text) if document is not None]
    if unused := set(values) - used:
        raise ValueError(f"template: no placeholder for {', '.join(sorted(unused))}")
    return documents


def write_yaml(manifests: list[dict[str, Any]]) -> str:
    """Manifests as YAML documents."""
    return yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True, width=120)


def _fill(node: Any, values: Mapping[str, Any], used: set[str]) -> Any:
    if isinstance(node, dict):
        filled = {key: _fill(value, values, used) for key, value in node.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(node, list):
        return [value for each in node if (value := _fill(each, values, used)) is not None]
    if not isinstance(node, str) or "${" not in node:
        return node
    found = _PLACEHOLDER.fullmatch(node)
    if found is None:
        raise ValueError(f"template: expected a placeholder to be a whole value, found {node!r}")
    if found[1] not in values:
        raise ValueError(f"template: no value for {node}")
    used.add(found[1])
    return copy.deepcopy(values[found[1]])  # YAML would write a shared one as an alias
