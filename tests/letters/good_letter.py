"""A small letter with which the linter finds nothing wrong; each test spoils one thing of it."""

from __future__ import annotations

HTML = """<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Two papers on bees</title>
<style>
.ink { color: #222222; }
@media (max-width: 480px) { h1 { font-size: 24px !important; } }
@media (prefers-color-scheme: dark) {
  body, .page { background: #101010 !important; }
  .ink { color: #eeeeee !important; }
  .link { color: #9ecbff !important; }
}
</style>
</head>
<body style="margin:0;background:#ffffff;">
<div style="display:none;max-height:0;overflow:hidden;">Bees that count, and one more</div>
<!--[if mso]><table role="presentation" width="600"><tr><td><![endif]-->
<table role="presentation" class="page" width="100%" style="max-width:600px;border-radius:4px;background:#ffffff;">
<tr><td class="ink" style="font:16px/24px Georgia,serif;color:#222222;">
<h1 style="font-size:28px;">The Bee Letter</h1>
<h2 class="title"><a class="link" href="https://example.org/1" style="color:#0b57d0;">Bees That Count</a></h2>
<p class="authors" dir="auto">Mina Varga, Oskar Lind</p>
<p>They count to four. <a class="link" href="https://example.org/1.pdf" style="color:#0b57d0;">PDF</a></p>
<h2 class="title"><a class="link" href="https://example.org/2" style="color:#0b57d0;">A Map of Clover</a></h2>
<p class="authors" dir="auto">Ines Rocha</p>
<p>Clover, mapped. <a class="link" href="https://example.org/2.pdf" style="color:#0b57d0;">PDF</a></p>
<h2>About this letter</h2>
<p>You asked for it:
<a class="link" href="mailto:bees@example.org?subject=unsubscribe" style="color:#0b57d0;">unsubscribe</a></p>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</body>
</html>
"""
TEXT = """The Bee Letter

 1. Bees That
    Count
    Mina Varga, Oskar Lind
    They count to four.
    https://example.org/1
    https://example.org/1.pdf

 2. A Map of Clover
    Ines Rocha
    Clover, mapped.
    https://example.org/2
    https://example.org/2.pdf

To stop, write to bees@example.org with the subject unsubscribe
"""
HEADERS = """From: The Bee Letter <bees@example.org>
To: ada@example.net
Subject: Two papers on bees
Date: Fri, 20 Nov 2026 06:00:00 +0000
Message-ID: <abc123@example.org>
List-Id: The Bee Letter <bees.example.org>
List-Unsubscribe: <mailto:bees@example.org?subject=unsubscribe>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_b"
"""


def mail(headers: str = HEADERS, html: str = HTML, text: str = TEXT) -> bytes:
    parts = [("text/plain", text), ("text/html", html)]
    body = "".join(f"--=_b\nContent-Type: {kind}; charset=utf-8\n\n{part}\n" for kind, part in parts)
    return f"{headers}\n{body}--=_b--\n".replace("\n", "\r\n").encode("utf-8")
