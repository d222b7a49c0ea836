"""Annotated video in one form, whatever files it came from.

`dataset.Dataset` is that form; one module per published format reads it, `reading.read_dataset`
finds the module by the format's name.
"""
