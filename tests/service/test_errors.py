"""The error tree is what its drawing says."""

import re

import pytest

from service import errors
from service.errors import DamageServiceError, PermanentError, TransientError


def drawn_parents() -> dict[str, str | None]:
    """Class name to the name of its parent, as the module's docstring draws them."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"( *)([A-Z][A-Za-z]+(?:, [A-Z][A-Za-z]+)*)(?: {2}|$)", line)
        if found is None:
            continue
        indent = len(found[1])
        above = [(depth, name) for depth, name in above if depth < indent]
        names = found[2].split(", ")
        parents |= dict.fromkeys(names, above[-1][1] if above else None)
        above.append((indent, names[0]))
    return parents


def test_every_error_stands_where_the_drawing_says():
    defined = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    drawn = drawn_parents()

    assert set(drawn) == set(defined)
    assert {name: kind.__base__.__name__ for name, kind in defined.items() if kind is not DamageServiceError} == {
        name: parent for name, parent in drawn.items() if parent is not None
    }


def test_no_error_is_both_permanent_and_transient():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert not [kind for kind in kinds if issubclass(kind, PermanentError) and issubclass(kind, TransientError)]


@pytest.mark.parametrize("name", ["BadRequest", "PhotoMissing", "QueueUnavailable", "SetupError"])
def test_an_error_says_what_it_was_told(name: str):
    assert (
        str(getattr(errors, name)("photo.key: expected a string, found 7")) == "photo.key: expected a string, found 7"
    )
