"""Profiles as their readers write them, for the tests."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path, handle: str, address: str | None = None, text: str = "") -> Path:
    path = folder / f"{handle}.toml"
    path.write_text(f'address = "{address or handle + "@example.org"}"\n{text}\n', "utf-8")
    return path
