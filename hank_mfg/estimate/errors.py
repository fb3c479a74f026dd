"""The errors of calibration and estimation."""

from hank_mfg.errors import HankError


class CalibrationError(HankError, RuntimeError):
    """No parameters in the box meet the targets, or the targets do not determine the parameters; the message says how
    near the search came, at which parameters, and what stopped it."""


class EstimationError(HankError, ValueError):
    """What cannot be estimated, or data and priors that do not fit; the message says what to change."""
