"""Games stated by hand on the interface of `environment/game.py`; `load_game` finds them by name."""
