"""Figures of merit, each as its benchmark defines it; vectorised over predictions."""
