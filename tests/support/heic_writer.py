"""Has Pillow write HEIC, so that tests treat it like every other format."""

from typing import IO

from PIL import Image

from pictures.formats import HEIC
from pictures.heic import encoded


def register_writer() -> None:
    """Make `Image.save` know HEIC; `append_images` are further pictures of the file."""
    Image.register_save(HEIC, _save)
    Image.register_save_all(HEIC, _save)


def _save(image: Image.Image, file: IO[bytes], _name: str | bytes) -> None:
    options = dict(image.encoderinfo)
    exif = options.get("exif")
    if isinstance(exif, Image.Exif):
        options["exif"] = exif.tobytes()  # as which alone its orientation is heeded
    file.write(encoded(image, *options.pop("append_images", ()), **options))
