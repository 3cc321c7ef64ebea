"""Where this project lies, and its version."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
VERSION = "0.1.0"
# Services and clients read it, and end with the same line when they cannot.
ENV_FILE_NOT_TEXT = ".env is not text in UTF-8; save it as UTF-8"
