"""The command line: solve, show, compare and report, and what a person reads on the terminal."""
