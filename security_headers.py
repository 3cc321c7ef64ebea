"""What every answer tells browsers, so that a page can neither be abused nor load or run anything of others."""


def content_policy(images: str = "blob:") -> str:
    """Return the Content-Security-Policy: all from here, and pictures from these sources as well."""
    return f"default-src 'self'; img-src 'self' {images}; frame-ancestors 'none'; base-uri 'none'"


SECURITY_HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
