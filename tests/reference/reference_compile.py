"""Compile plain loops with numba when it is installed; run them as Python when it is not.

The reference modules are written as explicit loops so that they can be read against the equations. `compiled` changes
their speed, never their arithmetic (no `fastmath`): the Krusell-Smith solution needs it, the small household problems
do not.
"""

try:
    from numba import njit

    compiled = njit(cache=True, error_model="numpy")
except ImportError:  # numba is optional: slower, same numbers

    def compiled(function):
        """Return `function` unchanged."""
        return function
