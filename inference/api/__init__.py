"""REST API of the worker: one module a group of routes, put together in ``app``."""
