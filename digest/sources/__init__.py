"""One function a format: bytes in, papers and listings out."""
