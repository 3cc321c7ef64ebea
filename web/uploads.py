"""Extracts the picture from a request: a file in a multipart form, or the body itself."""

from flask import request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from errors import BadImage, ImageTooLarge, UnsupportedFormat

# A form needs one; parsing a million of them would take a core for seconds.
MAX_FORM_FIELDS = 1000
# Of one header of a field, which may hold a long name of a file.
MAX_FORM_HEADER_BYTES = 64 * 1024


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
    files, has_text = _images_of_form(request.get_data(cache=False), request.mimetype_params.get("boundary", ""))
    if len(files) > 1:
        raise BadImage("There are several pictures in the field `image`; send one per request.")
    if files:
        return files[0]
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
        with PushMultipartParser(boundary, len(body), MAX_FORM_HEADER_BYTES) as parser:
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
