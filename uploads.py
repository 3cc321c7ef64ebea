"""Takes the picture out of a request: a file in a multipart form, or the body itself, whole and not too large."""

import contextlib

from flask import Request, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser

from errors import BadImage, ImageTooLarge, UnsupportedFormat

# How much of an upload that is refused is still read, and in what portions.
DRAINED_BYTES = 100 * 1024 * 1024
DRAINED_AT_ONCE_BYTES = 64 * 1024


class UploadRequest(Request):
    """A request whose multipart form, when it cannot be read, is an error instead of an empty form."""

    def make_form_data_parser(self) -> FormDataParser:
        """Let the parser complain."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


def uploaded_picture(max_bytes: int) -> bytes:
    """Return the picture's bytes, from the multipart field `image` or from the body.

    Raises:
        BadImage: there is none, or several, or the upload is broken.
        ImageTooLarge: it has more than `max_bytes`.
        UnsupportedFormat: the request's content type is neither a form's nor a picture's.
    """
    try:
        upload = _file_of_form() if request.mimetype == "multipart/form-data" else _body()
    except (ClientDisconnected, ParseException) as error:  # gunicorn's, about chunks
        raise BadImage("The upload broke off before its end, or its chunks are malformed.") from error
    if len(upload) > max_bytes:
        raise too_large(max_bytes)
    return upload


def too_large(max_bytes: int) -> ImageTooLarge:
    """Return the error for too many bytes."""
    return ImageTooLarge(f"The upload is too large; at most {max_bytes} bytes are taken.")


def drain_upload() -> None:
    """Read what nobody has read of the upload, within bounds.

    A client that is still sending when the connection is closed gets a reset, and never sees the answer.
    """
    stream, left = request.environ["wsgi.input"], DRAINED_BYTES
    with contextlib.suppress(OSError, ParseException):
        while left > 0 and (portion := stream.read(DRAINED_AT_ONCE_BYTES)):
            left -= len(portion)


def _body() -> bytes:
    if request.mimetype.startswith("image/"):
        body = request.get_data(cache=False)
        if len(body) < (request.content_length or 0):
            raise BadImage(f"The upload broke off after {len(body)} of {request.content_length} bytes.")
        return body
    if request.mimetype:
        raise UnsupportedFormat(
            f"The request's content type is {request.mimetype}. Send the picture as the multipart field `image` "
            "(curl -F image=@picture.jpg), or as the body with a type such as image/jpeg."
        )
    raise BadImage(
        "There is no picture, or no content type that tells of one. Send it as the multipart field `image` "
        "(curl -F image=@picture.jpg)."
    )


def _file_of_form() -> bytes:
    try:
        files = request.files.getlist("image")
    except ValueError as error:
        raise BadImage(f"The multipart form is broken or incomplete: {error}.") from error
    if len(files) > 1:
        raise BadImage("There are several pictures in the field `image`; send one a request.")
    if files:
        upload: bytes = files[0].read()
        return upload
    if "image" in request.form:
        raise BadImage("The field `image` is text, not a file; with curl, put an @ before the name of the file.")
    raise BadImage("There is no file in the multipart field `image` (curl -F image=@picture.jpg).")
