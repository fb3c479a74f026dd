"""Why a stationary equilibrium was not found: causes and remedies, each tried before it is named."""
