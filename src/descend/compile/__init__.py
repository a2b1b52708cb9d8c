"""Compiling: from graphs and programs to native code."""
