"""YAML as people write it: long expressions over several lines, keys in their order."""

from typing import Any

from service.errors import SetupError


def write_yaml(document: Any) -> str:
    """Write a document; strings of several lines become literal blocks.

    Raises:
        SetupError: PyYAML is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - a worker does without
    except ImportError as error:
        raise SetupError("rules: PyYAML is not installed; pip install 'vehicle-damage[cluster]'") from error

    class Dumper(yaml.SafeDumper):
        """Writes strings of several lines as literal blocks."""

    def write_text(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, write_text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
