from dataclasses import dataclass

import pytest

from models.structures import check_limits


@dataclass
class Walk:
    steps: int = 3
    way: str = "north"


def test_first_broken_limit_is_named_with_what_was_found():
    walk = Walk(way="up")
    check_limits(walk, {"steps": (True, "1 or more")})
    limits = {"steps": (True, "1 or more"), "way": (False, "north or south"), "none": (False, "looked at last")}
    with pytest.raises(ValueError, match=r"^way: expected north or south, found 'up'$"):
        check_limits(walk, limits)
