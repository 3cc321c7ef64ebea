"""The description of the interface: as it stands, and as a page that shows it and lets people try it out."""

from importlib.resources import files

from flask import Blueprint, Response, render_template, send_from_directory

from security_headers import content_policy
from settings import PROJECT_DIR

# As strict as for the other pages, but for Swagger UI's icons, which are data: URLs.
PAGE_POLICY = content_policy(images="data: blob:")


def api_docs() -> Blueprint:
    """Return the routes `/openapi.yaml`, `/docs` and what that page needs."""
    docs = Blueprint("api_docs", __name__)

    @docs.get("/openapi.yaml")
    def description() -> Response:
        return send_from_directory(PROJECT_DIR, "openapi.yaml", mimetype="application/yaml", conditional=False)

    @docs.get("/docs")
    def page() -> Response:
        response = Response(render_template("docs.html"))
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    @docs.get("/docs/<any('swagger-ui-bundle.js', 'swagger-ui.css'):name>")
    def asset(name: str) -> Response:
        return send_from_directory(str(files("flask_swagger_ui") / "dist"), name)

    return docs
