"""Finds vehicles in a photo: network.py (torch, training only) and predictor.py (numpy over a runtime)."""
