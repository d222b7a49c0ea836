"""The subcommands of ``actionstream``, one module for those that belong together."""
