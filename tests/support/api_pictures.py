"""Schemathesis hooks: for uploads it generates real pictures."""

import base64

import schemathesis
from hypothesis import strategies as st

from benchmarks.colour_network import COLOURS, picture

PICTURES = st.builds(picture, st.sampled_from(sorted(COLOURS)), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))

schemathesis.openapi.format("binary", PICTURES)
schemathesis.openapi.format("byte", PICTURES.map(lambda upload: base64.b64encode(upload).decode()))
