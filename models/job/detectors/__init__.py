"""Families of detectors that the job trains: ultralytics' networks, and this project's SR-RCNN and Mask R-CNN.

choice.py tells which family a cfg is of; family.py says what one does.
"""
