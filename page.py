"""The web page at `/` and the sample picture on it; all else that the page does, it does in the browser."""

from flask import Blueprint, Response, render_template, send_file

from helpers import image_formats
from settings import PROJECT_DIR, Settings

SAMPLE = PROJECT_DIR / "castle_image.jpg"


def page_blueprint(settings: Settings) -> Blueprint:
    """Build the part of the app that serves the page."""
    page = Blueprint("page", __name__)

    @page.get("/")
    def index() -> str:
        return render_template("index.html", formats=image_formats(), max_upload_bytes=settings.max_upload_bytes)

    @page.get(f"/static/{SAMPLE.name}")
    def sample() -> Response:
        return send_file(SAMPLE)

    return page
