"""Several datasets at once, with parameters that they share."""
