"""The damage classes, in the order of every (3, H, W) array."""

from typing import Final

DAMAGE_CLASSES: Final[tuple[str, ...]] = ("scratch", "dent", "spacing")
"""Channel c of a map holds DAMAGE_CLASSES[c]; its class_id in annotations is c + 1, 0 being background."""

CLASS_IDS: Final[dict[str, int]] = {name: channel + 1 for channel, name in enumerate(DAMAGE_CLASSES)}


def class_name_of(class_id: int) -> str:
    """Name the class that an annotation calls class_id.

    Args:
        class_id: 1 scratch, 2 dent, 3 spacing.

    Raises:
        ValueError: class_id is background or unknown.
    """
    if not 1 <= class_id <= len(DAMAGE_CLASSES):
        raise ValueError(f"class_id: expected 1 to {len(DAMAGE_CLASSES)}, found {class_id}")
    return DAMAGE_CLASSES[class_id - 1]
