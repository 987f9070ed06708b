"""Correlated randomness dealt beforehand: one part for each party, sealed to it, good for one session and burnt by it."""
