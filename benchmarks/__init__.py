"""Measurements of the library against a plain implementation of the same mathematics."""
