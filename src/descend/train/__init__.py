"""Fitting and minimising: from the user's call to a finished, recorded descent."""
