"""Video in and out: sources, capture clock, RTSP server, publisher."""
