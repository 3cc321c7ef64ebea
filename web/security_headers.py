"""Headers of every answer that keep browsers from loading, running or framing anything foreign."""


def content_policy(images: str = "blob:") -> str:
    """Return the Content-Security-Policy: everything from here, and images from these sources as well."""
    return f"default-src 'self'; img-src 'self' {images}; frame-ancestors 'none'; base-uri 'none'"


SECURITY_HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
