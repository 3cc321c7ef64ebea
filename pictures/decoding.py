"""Decodes a picture and resizes it to what the network takes."""

import io

from PIL import Image, UnidentifiedImageError

from errors import BadImage, ImageTooLarge, ServiceError, UnsupportedFormat
from helpers import ImageShape
from pictures.formats import accepted_formats, sniff_format
from pictures.limits import check_exif, check_header

# Incremented whenever an upload decodes to other pixels than before, so that cached results are not reused.
DECODING_VERSION = 1
_MODES = {1: "L", 3: "RGB"}


def decode_image(upload: bytes, shape: ImageShape, max_pixels: int) -> bytes:
    """Decode a picture and resize it, exactly as the reference answers of ResNet50 were made.

    That is: the first frame, EXIF orientation ignored, Pillow's default filter, the aspect ratio not kept.

    Args:
        upload: the file's content.
        shape: of the picture that the network takes.
        max_pixels: the largest picture that is decoded, as width x height of its first frame.

    Returns:
        height x width x channels uint8 pixels in C order.

    Raises:
        BadImage: this is no picture, or a damaged one.
        ImageTooLarge: it has more than `max_pixels`.
        UnsupportedFormat: it is a picture in a format that the service does not accept.
    """
    image = _open(upload, max_pixels)
    try:
        check_header(image, upload, max_pixels)
        image.load()
        return _to_mode(image, _MODES[shape.channels]).resize(shape.size).tobytes()
    except ImageTooLarge:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise BadImage(f"The {image.format} picture is damaged or incomplete: {error}") from error


def _open(upload: bytes, max_pixels: int) -> Image.Image:
    """Read the header only."""
    if not upload:
        raise BadImage("The picture is empty.")
    check_exif(upload)
    try:
        return Image.open(io.BytesIO(upload), formats=accepted_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"The picture has too many pixels; at most {max_pixels} are accepted.") from error
    except UnidentifiedImageError as error:
        raise _unreadable(upload) from error
    except Exception as error:  # and so do the readers of its headers
        raise BadImage(f"The picture's header is damaged or incomplete: {error}") from error


def _unreadable(upload: bytes) -> ServiceError:
    """Say what the upload is, as far as its first bytes tell."""
    accepted = ", ".join(accepted_formats())
    name = sniff_format(upload)
    if name is None:
        return BadImage(f"This is not a picture that can be read; send one of {accepted}.")
    if name in accepted_formats():
        return BadImage(f"The header of this {name} picture is damaged or incomplete.")
    return UnsupportedFormat(f"{name} pictures are not accepted; send one of {accepted}.")


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling 16 bits to 8.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)
