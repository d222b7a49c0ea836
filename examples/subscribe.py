"""Print every action as it begins and ends: all that an integration needs.

    python examples/subscribe.py [HOST] [PORT]

Only paho-mqtt is used, so that the file can be copied anywhere.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def on_connect(client: mqtt.Client, *_: object) -> None:
    """Subscribe on every connection, so that a restarted broker changes nothing."""
    client.subscribe("actionstream/streams/+/events", qos=1)


def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    """Say what happened; the same id marks the messages of one action."""
    event = json.loads(message.payload)
    clock = datetime.fromtimestamp(event["start"]).strftime("%H:%M:%S")
    if event["type"] == "new":
        print(f"{clock} {event['stream']}: {event['label']} began", flush=True)
    elif event["type"] == "end":
        seconds = event["end"] - event["start"]
        print(f"{clock} {event['stream']}: {event['label']} took {seconds:.1f} s", flush=True)


def main() -> None:
    """Listen until interrupted."""
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 1883
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(host, port)
    client.loop_forever()


if __name__ == "__main__":
    main()
