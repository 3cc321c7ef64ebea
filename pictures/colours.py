"""Colours as networks are trained on them: opaque, and in sRGB."""

import io

from PIL import Image, ImageCms

# Behind transparent pixels, as in a browser.
BACKGROUND = (255, 255, 255)
# Profiles of printers have up to 2 MB.
MAX_PROFILE_BYTES = 4 * 1024 * 1024
# Modes that Pillow resizes as they are. It multiplies colours by alpha before it resizes RGBA.
_RESIZABLE = ("L", "RGB")


def to_resizable(image: Image.Image, channels: int) -> Image.Image:
    """Return the image in a mode that can be resized: L, RGB, RGBA, or CMYK if it has a profile.

    Args:
        image: in any mode.
        channels: 3 for RGB, 1 for gray.
    """
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling 16 bits to 8.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        if with_alpha.getchannel("A").getextrema() != (255, 255):
            return with_alpha
    if channels == 1:
        return image.convert("L")
    if image.mode in _RESIZABLE or (image.mode == "CMYK" and "icc_profile" in image.info):
        return image
    return image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None, channels: int) -> Image.Image:
    """Return the image in sRGB or gray, transparent pixels on a white background.

    Args:
        image: in one of the modes that `to_resizable` returns.
        profile: its embedded ICC profile; None for sRGB. One that cannot be read is ignored, as browsers do.
        channels: 3 for RGB, 1 for gray.
    """
    if image.mode == "RGBA":
        opaque = Image.new("RGB", image.size, BACKGROUND)
        opaque.paste(image, mask=image.getchannel("A"))
        image = opaque
    if profile and len(profile) <= MAX_PROFILE_BYTES and image.mode in ("RGB", "CMYK"):
        image = _convert_profile(image, profile)
    return image.convert("L" if channels == 1 else "RGB")


def _convert_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image
