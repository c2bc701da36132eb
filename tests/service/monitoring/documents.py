"""Where the generated files lie, and what reads them."""

import re
import shutil
from pathlib import Path
from typing import Final

from service.commands.reference import REFERENCES
from tests.conftest import require

ROOT: Final = Path(__file__).resolve().parents[3]
FILES: Final = ROOT / "charts" / "vehicle-damage" / "files"
GENERATED: Final = {"rules.yaml": "rules", "rules_test.yaml": "rules-test", "dashboard.json": "dashboard"}
_SELECTOR: Final = re.compile(
    r"\b((?:namespace_job\w*:)?(?:vehicle_damage|kube|keda|ALERTS)[\w:]*)(\{[^}]*\})?(\[[^]]*\])?"
)


def generate(name: str) -> str:
    """A file's text as it ought to be."""
    return REFERENCES[GENERATED[name]]().rstrip("\n") + "\n"


def find_tool(name: str) -> str:
    """The path of promtool or prometheus; without it the test is skipped, or fails in CI."""
    found = shutil.which(name)
    require(found, f"{name}; apt-get install prometheus")
    return str(found)


def list_selectors(expr: str) -> list[str]:
    """Every selector of an expression, without its range."""
    return [name + (matchers or "") for name, matchers, _ in _SELECTOR.findall(expr)]
