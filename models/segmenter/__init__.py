"""Damage probabilities per pixel and class; network.py (torch, training only) and predictor.py (numpy over a runtime)."""
