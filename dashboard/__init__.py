"""MQTT to pictures: subscriber, store, figures, page. Needs neither torch nor PyAV."""
