#!/usr/bin/env python3
"""Packs what training on a lent GPU needs into a folder that is small enough to travel.

    scripts/gpu_pack.py PHOTOS CLIPS OUT [--mib 20]

Photographs are shrunk, all alike, until together they fit; clips are shrunk to 360 lines and cut to their first 64
frames. File names stay, so the same ones are held out there as here. scripts/gpu_train.sh reads the result.
"""

import argparse
import subprocess
import sys
from pathlib import Path

WIDTHS = (768, 640, 512, 384)
CLIP = ("-frames:v", "64", "-vf", "scale=-2:360", "-c:v", "libx264", "-crf", "16", "-an", "-pix_fmt", "yuv420p")


def ffmpeg(source: Path, target: Path, *options: str) -> None:
    """One file through ffmpeg; what goes wrong is said by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def size(folder: Path) -> float:
    """MiB of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 2**20


def main() -> int:
    """Write OUT/photos and OUT/clips -> exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mib", type=float, default=20.0, help="size of all together (20)")
    options = parser.parse_args()
    for kind in ("photos", "clips"):
        (options.out / kind).mkdir(parents=True, exist_ok=True)
    for clip in sorted(options.clips.iterdir()):
        ffmpeg(clip, options.out / "clips" / f"{clip.stem}.mp4", *CLIP)
    left = options.mib - size(options.out / "clips")
    for width in WIDTHS:
        shrink = f"scale='min(iw,{width})':-1:flags=area"
        for photo in sorted(options.photos.iterdir()):
            ffmpeg(photo, options.out / "photos" / photo.name, "-vf", shrink, "-q:v", "4", "-pix_fmt", "yuvj420p")
        if size(options.out / "photos") <= left:
            print(f"{options.out}: {size(options.out / 'photos') + options.mib - left:.1f} MiB, photos {width} wide")
            return 0
    print(f"alanet: mib must be enough for the clips and small photographs, got {options.mib}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
