"""Architectures of the action models, in torch.

Only training and export need them; running a bundle needs no torch. So nothing is imported here,
and each module imports torch itself.
"""
