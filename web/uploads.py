"""Extracts the pictures from a request: files in a multipart form, base64 in JSON, or the body itself."""

from collections.abc import Sequence, Sized
from typing import NamedTuple

from flask import request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from errors import BadImage, BadRequest, ImageTooLarge, ServiceError, UnsupportedFormat
from settings import Settings
from web.json_pictures import decoded_picture, encoded_pictures

# A form needs one for each picture; parsing a million of them would take a core for seconds.
MAX_FORM_FIELDS = 1000
# Of one header of a field, which may hold a long name of a file.
MAX_FORM_HEADER_BYTES = 64 * 1024
# What a form or JSON adds around the pictures.
FORM_OVERHEAD_BYTES = 64 * 1024
# A single request may take so much of MAX_PENDING_BYTES, so that a few large ones do not keep all others away.
MAX_PENDING_SHARE = 4


class Uploads(NamedTuple):
    """The pictures of a request.

    Attributes:
        pictures: the content of each file, or what is wrong with it.
        is_single: the request is of the kind that has one picture, and whose answer has no list.
    """

    pictures: list[bytes | ServiceError]
    is_single: bool


def max_body_bytes(settings: Settings) -> int:
    """Return how large a request may be: all its pictures in base64, or a quarter of MAX_PENDING_BYTES if that is less.

    One picture of MAX_UPLOAD_BYTES is always accepted.
    """
    encoded_bytes = (settings.max_upload_bytes + 2) // 3 * 4  # RFC 4648, section 4
    all_bytes = settings.max_pictures * encoded_bytes + FORM_OVERHEAD_BYTES
    return max(encoded_bytes + FORM_OVERHEAD_BYTES, min(all_bytes, settings.max_pending_bytes // MAX_PENDING_SHARE))


def uploaded_pictures(settings: Settings) -> Uploads:
    """Return the pictures, from the multipart fields `image`, from JSON, or from the body.

    Raises:
        BadImage: there is none, or the upload is broken.
        BadRequest: the JSON has another form, or there are more than MAX_PICTURES, or than the queue could ever take.
        UnsupportedFormat: the request's content type is none of a form, of JSON or of a picture.
    """
    most = min(settings.max_pictures, settings.queue_capacity)
    if request.mimetype == "application/json":
        encoded = encoded_pictures(request.get_data(cache=False))
        _check_count(encoded, most)
        files: Sequence[bytes | ServiceError] = [decoded_picture(text) for text in encoded]
        is_single = False
    else:
        files = _files_of_form() if request.mimetype == "multipart/form-data" else [_body()]
        _check_count(files, most)
        is_single = len(files) == 1
    return Uploads([_bounded(file, settings.max_upload_bytes) for file in files], is_single)


def _check_count(pictures: Sized, most: int) -> None:
    if len(pictures) > most:
        raise BadRequest(f"The request has {len(pictures)} pictures; at most {most} are accepted.")


def _bounded(file: bytes | ServiceError, max_bytes: int) -> bytes | ServiceError:
    return too_large(max_bytes) if isinstance(file, bytes) and len(file) > max_bytes else file


def too_large(max_bytes: int) -> ImageTooLarge:
    """Return the error for too many bytes."""
    return ImageTooLarge(f"The upload is too large; at most {max_bytes} bytes are accepted.")


def _body() -> bytes:
    if request.mimetype.startswith("image/"):
        return request.get_data(cache=False)
    if request.mimetype:
        raise UnsupportedFormat(
            f"The request's content type is {request.mimetype}. Send the picture as the multipart field `image` "
            "(curl -F image=@picture.jpg), or as the body with a type such as image/jpeg."
        )
    raise BadImage(
        "There is no picture, or its content type is missing. Send it as the multipart field `image` "
        "(curl -F image=@picture.jpg)."
    )


def _files_of_form() -> list[bytes]:
    files, has_text = _images_of_form(request.get_data(cache=False), request.mimetype_params.get("boundary", ""))
    if files:
        return files
    if has_text:
        raise BadImage("The field `image` is text, not a file; with curl, put an @ before the name of the file.")
    raise BadImage("There is no file in the multipart field `image` (curl -F image=@picture.jpg).")


def _images_of_form(body: bytes, boundary: str) -> tuple[list[bytes], bool]:
    """Return the contents of all files in the field `image` of a multipart form, and whether it is a text field too.

    Werkzeug's own parser takes 1.5 ms for a form of 130 KB, which is more than Redis and the worker need for it.
    """
    files: list[bytes] = []
    fields, has_text, is_image, is_file, content = 0, False, False, False, b""
    try:
        # Strict, since a header that is continued over many lines would be put together anew with each of them.
        # Names of files are not used, and in this charset none is wrong.
        options = {"strict": True, "header_charset": "latin-1"}
        with PushMultipartParser(boundary, len(body), MAX_FORM_HEADER_BYTES, **options) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    fields += 1
                    if fields > MAX_FORM_FIELDS:
                        raise BadImage(f"The form has more than {MAX_FORM_FIELDS} fields.")
                    is_image, is_file, content = event.name == "image", event.filename is not None, b""
                elif event:
                    content = bytes(event)  # whole, since the body is
                elif is_image and is_file:
                    files.append(content)
                elif is_image:
                    has_text = True
    except MultipartError as error:
        raise BadImage(f"The multipart form is broken or incomplete: {error}.") from error
    return files, has_text
