"""The parts of the page, one module each, whose ``page(settings)`` Dash draws once."""
