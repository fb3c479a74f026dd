"""Report: tables, figures and impulse responses of a solved run."""
