"""Data to models: drawn figures, datasets, trainer, metrics, export."""
