"""Score a video file from Python, without any server.

python examples/score_file.py VIDEO
"""

from __future__ import annotations

import sys

from contracts.settings import Settings
from inference.prediction import predict, score_video
from inference.worker import window_spec
from stack.models import open_model
from streaming.files import read_frames


def main() -> None:
    """Print the strongest class, and every action with its time."""
    settings = Settings()
    model = open_model(settings.model)
    frames = read_frames(sys.argv[1], model.bundle.input.sampling)
    scored = score_video(model, window_spec(model.bundle, settings), frames)
    found = predict(model.bundle, scored, settings.events)
    print(f"{found.label} {found.probability:.0%}")
    for segment in found.segments:
        print(f"{segment.start:7.2f} s to {segment.end:7.2f} s  {segment.label}")


if __name__ == "__main__":
    main()
