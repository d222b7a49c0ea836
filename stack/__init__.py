"""Puts the parts together: command line, all-in-one stack, demo."""
