"""Priors, modes and draws of posteriors."""
