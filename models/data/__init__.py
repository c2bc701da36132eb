"""Annotated photos: formats in and out, splits, near duplicates, augmentations."""
