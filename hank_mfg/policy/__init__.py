"""Policies: an encoder of public history with a memory, and a head that evaluates the whole cross-section at once."""
