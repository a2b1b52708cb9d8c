"""What the end of a descent means: decided once, from facts."""
