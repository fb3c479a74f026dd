"""Model-free baselines: they see sampled individuals only, never the exact mass, the lottery or the kernel."""
