"""Builds broken and oversized pictures, byte by byte where Pillow cannot."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image

from tests.conftest import COLOURS


def saved(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def one_colour(mode: str, colour: Any, format: str, size: tuple[int, int] = (8, 8), **options: Any) -> bytes:  # noqa: A002
    return saved(Image.new(mode, size, colour), format, **options)


def noise(format: str, size: tuple[int, int] = (64, 64)) -> bytes:  # noqa: A002
    """A picture that cannot be compressed, so that cut or overwritten bytes always affect pixels."""
    pixels = random.Random(0).randbytes(size[0] * size[1] * 3)  # noqa: S311
    return saved(Image.frombytes("RGB", size, pixels), format)


def frames(format: str, **options: Any) -> bytes:  # noqa: A002
    """Three frames, the first one red."""
    first, *others = (Image.new("RGB", (8, 8), COLOURS[name]) for name in ("red", "green", "blue"))
    return saved(first, format, save_all=True, append_images=others, **options)


def overwritten(upload: bytes, start: int, length: int) -> bytes:
    return upload[:start] + b"\xa5" * length + upload[start + length :]


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small picture whose header claims another size."""
    upload = bytearray(one_colour("RGB", "red", "JPEG"))
    struct.pack_into(">HH", upload, upload.index(b"\xff\xc0") + 5, height, width)
    return bytes(upload)


def jpeg_of_scans(side: int, more: int) -> bytes:
    """A progressive JPEG whose last scan is repeated; each scan is another pass over all pixels."""
    upload = one_colour("L", 0, "JPEG", (side, side), progressive=True)
    return upload[:-2] + upload[upload.rindex(b"\xff\xda") : -2] * more + upload[-2:]


def jpeg_with_exif(*contents: bytes) -> bytes:
    """A red picture with one Exif segment for each of the contents."""
    upload = one_colour("RGB", "red", "JPEG")
    segments = (b"\xff\xe1" + struct.pack(">H", 8 + len(content)) + b"Exif\0\0" + content for content in contents)
    return upload[:2] + b"".join(segments) + upload[2:]


def zeros(size: int) -> bytes:
    """`size` zeros, compressed block by block, so that they are never all in memory."""
    compressor = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [compressor.compress(block[: min(len(block), size - start)]) for start in range(0, size, len(block))]
    return b"".join(parts) + compressor.flush()


def png(width: int, height: int, data: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """An RGB picture with these compressed rows, and further chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    all_chunks = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in all_chunks
    )


def gif(canvas: tuple[int, int], frame: tuple[int, int], disposal: int = 0) -> bytes:
    """A GIF with one frame of two colours and hardly any pixel data."""
    screen = struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    control = b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2, 0, 0, 0)
    return b"GIF89a" + screen + control + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00;"


def bmp(width: int, height: int, data: bytes, compression: int = 1) -> bytes:
    """A picture with 256 grays, by default run-length encoded."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(data), 0, 0, 256, 0)
    palette = b"".join(bytes([n, 0, n, 0]) for n in range(256))
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


def webp(width: int, height: int) -> bytes:
    """A lossless picture of one colour: its size is only a number in the header, at most 16383 x 16383."""
    upload = bytearray(saved(Image.new("RGB", (1, 1), (255, 0, 0)), "WEBP", lossless=True))
    start = upload.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", upload, start)
    struct.pack_into("<I", upload, start, (bits & 0xF0000000) | (width - 1) | (height - 1) << 14)
    return bytes(upload)


def avif(width: int, height: int) -> bytes:
    """A small picture whose container claims another size."""
    upload = bytearray(saved(Image.new("RGB", (64, 64), (255, 0, 0)), "AVIF"))
    struct.pack_into(">II", upload, upload.index(b"ispe") + 8, width, height)
    return bytes(upload)


def heic(width: int, height: int) -> bytes:
    """A small picture whose container claims another size."""
    upload = bytearray(saved(Image.new("RGB", (64, 64), (255, 0, 0)), "HEIC"))
    struct.pack_into(">II", upload, upload.index(b"ispe") + 8, width, height)
    return bytes(upload)


def tiff(*entries: tuple[int, int, int, int], after: bytes = b"") -> bytes:
    """A TIFF directory of (tag, type, count, value or offset), and the data `after` it."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + after


def gray_tiff(width: int, height: int, data: bytes, compression: int, *more: tuple[int, int, int, int]) -> bytes:
    """A gray picture in one strip."""
    entries = {
        256: (256, 4, 1, width),
        257: (257, 4, 1, height),
        258: (258, 3, 1, 8),
        259: (259, 3, 1, compression),
        262: (262, 3, 1, 1),
        273: (273, 4, 1, 0),
        277: (277, 3, 1, 1),
        278: (278, 4, 1, height),
        279: (279, 4, 1, len(data)),
    } | {entry[0]: entry for entry in more}
    offset = 8 + 2 + 12 * len(entries) + 4
    for tag in entries.keys() & {273, 324}:
        entries[tag] = (tag, 4, 1, offset)
    return tiff(*entries.values(), after=data)


def tiled_tiff(side: int) -> bytes:
    """A tiny picture in one tile, with data for 16 x 16 pixels of it."""
    data = zeros(16 * 16)
    tile = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 0), (325, 4, 1, len(data))]
    return gray_tiff(8, 8, data, 8, *tile)


def tiff_of_large_tags(count: int) -> bytes:
    """Many tags whose values are all the same 8 MiB."""
    size = 8 * 1024 * 1024
    return tiff(*((tag, 7, size, 8) for tag in range(1000, 1000 + count)), after=bytes(size))


def tiff_in_a_loop() -> bytes:
    """A TIFF whose next page, Exif and GPS directories are its own directory."""
    upload = gray_tiff(8, 8, bytes(64), 1, (0x8769, 4, 1, 8), (0x8825, 4, 1, 8))
    return upload[: -64 - 4] + struct.pack("<I", 8) + upload[-64:]
