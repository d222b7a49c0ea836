"""Frames to scores: models, bundles, engine, events, MQTT publisher, worker."""
