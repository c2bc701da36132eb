"""Capacity: how many pods a day's photos need, what they cost, and what gives way first."""
