"""Rows of a source in blocks, again and again, within little memory, whoever holds the source."""
