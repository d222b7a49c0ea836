"""A small MQTT broker, so that nothing has to be installed: MQTT 3.1.1 and MQTT 5.

It serves what the product and its neighbours use: QoS 0 and 1 (QoS 2 from publishers), retained
messages, wills, user name and password, message expiry, bounded queues. It does not keep sessions
over a disconnect and does not write to disk; for that there is mosquitto.
"""
