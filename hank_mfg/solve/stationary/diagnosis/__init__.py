"""Why a stationary equilibrium was not found: causes and remedies, each tested before it is named."""
