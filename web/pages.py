"""The pages: `/`, on which the browser classifies pictures, `/status`, and `/docs`, which shows `/openapi.yaml`."""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, render_template, send_file, send_from_directory

from pictures.formats import accepted_formats
from project import PROJECT_DIR
from settings import Settings
from web.security_headers import content_policy

SAMPLE = PROJECT_DIR / "castle_image.jpg"
# As strict as for the other pages, except for Swagger UI's icons, which are data: URLs.
DOCS_POLICY = content_policy(images="data: blob:")


def create_pages(settings: Settings) -> Blueprint:
    """Return the routes of the pages and of what they load."""
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def index() -> str:
        return render_template(
            "index.html",
            formats=accepted_formats(),
            max_upload_bytes=settings.max_upload_bytes,
            crop=settings.crop,
            shape=settings.image_shape,
        )

    @pages.get(f"/static/{SAMPLE.name}")
    def sample() -> Response:
        return send_file(SAMPLE)

    @pages.get("/status")
    def status() -> str:
        return render_template("status.html")

    @pages.get("/openapi.yaml")
    def description() -> Response:
        folder = Path(__file__).parent
        return send_from_directory(folder, "openapi.yaml", mimetype="application/yaml", conditional=False)

    @pages.get("/docs")
    def docs() -> Response:
        response = Response(render_template("docs.html"))
        response.headers["Content-Security-Policy"] = DOCS_POLICY
        return response

    @pages.get("/docs/<any('swagger-ui-bundle.js', 'swagger-ui.css'):name>")
    def docs_asset(name: str) -> Response:
        return send_from_directory(str(files("flask_swagger_ui") / "dist"), name)

    return pages
