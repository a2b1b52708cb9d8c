"""What is handed back: the record of a fit, its file, and what it can be asked."""
