"""Rows of many groups, within little memory: in which order they come, and where results go."""
