"""Who gains from a change, and what would be best: welfare by household, reforms, the constrained planner."""
