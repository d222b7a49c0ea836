"""What the parts agree on: value types, messages, topics, settings and errors.

Imports nothing of the other packages, so that everything may import it.
"""
