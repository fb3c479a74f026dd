"""Follow a policy along a path of common noise: rollouts, prices that clear inside the period, finer mass."""
