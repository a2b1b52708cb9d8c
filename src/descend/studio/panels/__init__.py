"""The panels of the page: data, model, descent, runs."""
