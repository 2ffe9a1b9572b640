"""What the planner is measured on, and the measurement."""
