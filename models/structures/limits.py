"""Refusing options that cannot be, by name."""

from collections.abc import Mapping


def check_limits(options: object, limits: Mapping[str, tuple[bool, str]]) -> None:
    """Refuse the first option that breaks its limit.

    Args:
        options: has the options as attributes.
        limits: option to whether it is fine, and what is expected of it.

    Raises:
        ValueError: names the option, what was expected and what was found.
    """
    for name, (is_fine, expected) in limits.items():
        if not is_fine:
            raise ValueError(f"{name}: expected {expected}, found {getattr(options, name)!r}")
