"""Extracts the picture from a request: a file in a multipart form, or the body itself."""

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from errors import BadImage, ImageTooLarge, UnsupportedFormat


class UploadRequest(Request):
    """A request whose multipart form raises an error if it cannot be parsed, instead of being empty."""

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that raises errors."""
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
    upload = _file_of_form() if request.mimetype == "multipart/form-data" else _body()
    if len(upload) > max_bytes:
        raise too_large(max_bytes)
    return upload


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


def _file_of_form() -> bytes:
    try:
        files = request.files.getlist("image")
    except ValueError as error:
        raise BadImage(f"The multipart form is broken or incomplete: {error}.") from error
    except RequestEntityTooLarge:
        if (request.content_length or 0) > (request.max_content_length or 0):
            raise
        raise BadImage(f"The form has more than {request.max_form_parts} fields.") from None
    if len(files) > 1:
        raise BadImage("There are several pictures in the field `image`; send one per request.")
    if files:
        upload: bytes = files[0].read()
        return upload
    if "image" in request.form:
        raise BadImage("The field `image` is text, not a file; with curl, put an @ before the name of the file.")
    raise BadImage("There is no file in the multipart field `image` (curl -F image=@picture.jpg).")
