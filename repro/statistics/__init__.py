"""Paired statistics over users: tests, intervals, effect sizes, corrections and their words."""
