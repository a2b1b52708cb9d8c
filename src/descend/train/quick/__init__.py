"""Runs that are made again with other numbers, from the arrays straight to the program."""
