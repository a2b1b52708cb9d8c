"""What a call asks for: options, data, parameters, and where they begin."""
