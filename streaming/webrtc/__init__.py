"""Video from and to browsers beside the embedded RTSP server: WHEP and WHIP.

    Endpoint       the HTTP side, in MediaMTX's URL shape
    WebrtcOptions  settings

Inside: ``access_units`` (RTP to coded pictures) and ``packets`` (back again), pure formats; ``tap``
(what one browser is to be sent), ``viewer`` and ``intake`` (one browser each), ``recoder`` (VP8 to
H.264), ``peer`` (aiortc), ``endpoint``.
"""

from .endpoint import Endpoint
from .options import WebrtcOptions

__all__ = ["Endpoint", "WebrtcOptions"]
