"""How far the parameters can be trusted: standard errors, intervals, bands, bootstrap."""
