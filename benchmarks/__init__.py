"""Every figure that the documentation quotes comes from a command here."""
