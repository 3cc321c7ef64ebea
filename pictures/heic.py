"""HEIC, the format of phones: opened by libheif, with Pillow's interface.

Only what decodes pictures imports this module; a web server itself does not.
"""

import io
import re
from typing import Any

import pillow_heif
from PIL import Image

from pictures.formats import HEIC

# How libheif's messages for heif_error_Memory_allocation_error begin, and what it says of std::bad_alloc.
_NO_MEMORY = re.compile(r"Memory allocation error|Out of memory")


class HeicImageFile(pillow_heif.HeifImageFile):
    """A HEIC file, of which the primary picture is decoded, upright."""

    format = HEIC
    format_description = "HEIC"

    def load(self) -> Any:
        """Decode the picture.

        Raises:
            MemoryError: libheif has no memory for it, which pillow_heif tells as any other of its errors.
        """
        try:
            return super().load()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if _NO_MEMORY.match(str(error)):
                raise MemoryError(str(error)) from error
            raise


def register() -> None:
    """Have Pillow open HEIC, without anything that belongs to the picture but is not it."""
    # Tiles are decoded in the calling thread, not in one of their own: libheif/heif_context.h.
    pillow_heif.options.DECODE_THREADS = 0
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    Image.register_open(HEIC, HeicImageFile, _accept)


def encoded(image: Image.Image, *others: Image.Image, **options: Any) -> bytes:
    """Return a HEIC of these pictures, for the warm-up and for tests; the options are those of `HeifFile.save`."""
    buffer = io.BytesIO()
    file = pillow_heif.from_pillow(image)
    for other in others:
        file.add_from_pillow(other)
    file.save(buffer, **options)
    return buffer.getvalue()


def _accept(prefix: bytes) -> bool:
    """Take the brands of pictures and sequences in HEVC, and the general ones, which AVIF has had the first look at."""
    return prefix[4:8] == b"ftyp" and (prefix[8:10] == b"he" or prefix[8:12] in (b"mif1", b"msf1"))
