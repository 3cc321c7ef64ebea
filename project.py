"""Where this project lies, and its version."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
VERSION = "0.1.0"
