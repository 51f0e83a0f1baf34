"""What PyAV 19 says and PyAV 18 does not: 18 is the last one for Python 3.11, and serves there with what it knows."""

import av
from av.video.codeccontext import VideoCodecContext


def chroma_site(frame: av.VideoFrame, context: VideoCodecContext) -> int:
    """AVChromaLocation of the frame, or else of its stream; 0, unspecified, where PyAV does not tell."""
    return getattr(frame, "chroma_location", 0) or getattr(context, "chroma_sample_location", 0)


def tells_chroma_site() -> bool:
    """Whether this PyAV can say where chroma lies."""
    return hasattr(av.VideoFrame, "chroma_location")


def coded_side_data(context: VideoCodecContext) -> dict[str, bytes]:
    """Side data of the stream by PyAV's names; {} where PyAV does not tell (most of it hangs on the frames too)."""
    return dict(getattr(context, "coded_side_data", {}))
