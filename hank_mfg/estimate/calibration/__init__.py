"""Calibration of stationary economies to targets."""
