"""Global damage classifier: network.py (torch, training only) and predictor.py (numpy over a runtime)."""
