"""The distribution of wealth: statistics, groups, and how both move along a path."""
