"""Trains SR-RCNN and plain Mask R-CNN side by side and compares them: models.sr_rcnn holds the networks.

run.py does it all, step by step resumable; trained.py opens what came out.
"""
