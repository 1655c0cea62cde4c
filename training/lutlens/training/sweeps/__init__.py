"""Sweeps: many networks of a family trained, and the best accuracy for every number of LUTs."""
