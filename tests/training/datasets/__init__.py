"""Readers of annotations, and what is made of them."""
