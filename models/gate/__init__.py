"""Global damage classifier: one score a crop; network.py (torch, training only) and predictor.py (numpy over a runtime)."""
