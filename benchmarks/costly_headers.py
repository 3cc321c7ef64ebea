"""Small pictures with the costliest headers that fit into an upload, most of which no reader of pictures expects."""

import struct
import zlib
from collections.abc import Callable

from benchmarks.colour_network import picture

# Below MAX_UPLOAD_BYTES, with room for the rest of the picture.
HEADER_BYTES = 10_000_000
EXIF_SEGMENTS = 900
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A type and tags of TIFF.
_SHORT = 3
_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _STRIP_OFFSETS, _ROWS_PER_STRIP = 256, 257, 258, 262, 273, 278


def jpeg_of_padding() -> bytes:
    """Fill bytes before a marker, of which there may be any number: ITU-T T.81, B.1.1.2."""
    return _jpeg_with(b"\xff" * HEADER_BYTES)


def jpeg_of_restarts() -> bytes:
    """Markers without content, where none belong."""
    return _jpeg_with(_repeated(b"\xff\xd0"))


def jpeg_of_segments() -> bytes:
    """Application segments without content."""
    return _jpeg_with(_repeated(b"\xff\xe2\0\2"))


def jpeg_of_exif() -> bytes:
    """Exif in segments, of which Pillow copies all when it reads another one."""
    content = b"Exif\0\0" + bytes(HEADER_BYTES // EXIF_SEGMENTS - 10)
    return _jpeg_with((b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content) * EXIF_SEGMENTS)


def png_of_chunks() -> bytes:
    """Private chunks without content."""
    return _png_with(png_chunk(b"prVt"))


def png_of_texts() -> bytes:
    """Text chunks without content."""
    return _png_with(png_chunk(b"tEXt"))


def gif_of_comments() -> bytes:
    """A comment of millions of blocks."""
    upload = picture(format="GIF")
    frame = upload.index(b"\x2c\0\0\0\0")
    return upload[:frame] + b"\x21\xfe" + _repeated(b"\2ab") + b"\0" + upload[frame:]


def tiff_of_strips() -> bytes:
    """Millions of strips, all of the same row of pixels."""
    count = HEADER_BYTES // 2  # of offsets, two bytes each
    entries = [
        (_WIDTH, _SHORT, 1, 8),
        (_LENGTH, _SHORT, 1, 0xFFFF),
        (_BITS, _SHORT, 1, 8),
        (_PHOTOMETRIC, _SHORT, 1, 1),
        (_STRIP_OFFSETS, _SHORT, count, 8),
        (_ROWS_PER_STRIP, _SHORT, 1, 1),
    ]
    return b"II*\0" + struct.pack("<I", 8 + 2 * count) + bytes(2 * count) + _tiff_directory(entries)


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Return a chunk: w3.org/TR/png-3, 5.3."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _repeated(part: bytes) -> bytes:
    return part * (HEADER_BYTES // len(part))


def _jpeg_with(segments: bytes) -> bytes:
    upload = picture(format="JPEG")
    return upload[:2] + segments + upload[2:]


def _png_with(chunk: bytes) -> bytes:
    upload = picture(format="PNG")
    end_of_header = len(PNG_SIGNATURE) + len(png_chunk(b"IHDR", bytes(13)))
    return upload[:end_of_header] + _repeated(chunk) + upload[end_of_header:]


def _tiff_directory(entries: list[tuple[int, int, int, int]]) -> bytes:
    return struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)


# Names and factories.
COSTLY_HEADERS: dict[str, Callable[[], bytes]] = {
    "JPEG of padding": jpeg_of_padding,
    "JPEG of restart markers": jpeg_of_restarts,
    "JPEG of empty segments": jpeg_of_segments,
    f"JPEG of {EXIF_SEGMENTS} Exif segments": jpeg_of_exif,
    "PNG of empty private chunks": png_of_chunks,
    "PNG of empty text chunks": png_of_texts,
    "GIF of comments": gif_of_comments,
    "TIFF of 5 million strips": tiff_of_strips,
}
