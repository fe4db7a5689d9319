"""Rendering of a page in headless Chromium: its pictures, its width, its text, and the messages of the console."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr").split()

PROBE = """<!DOCTYPE html>%s<pre id="answer"></pre><script>
onload = () => {
  const pages = Array.from(document.getElementsByTagName("iframe"), frame => {
    const page = frame.contentDocument, root = page.documentElement;
    return {images: Array.from(page.images, image => image.complete && image.naturalWidth),
            too_wide: root.scrollWidth - root.clientWidth, text: page.body.innerText,
            hidden: Math.max(0, ...Array.from(page.querySelectorAll(".scroll:not(.rows)"), e => e.scrollWidth - e.clientWidth)),
            smallest: Math.min(...Array.from(page.querySelectorAll("p, li, td, th, dt, dd, summary, figcaption"),
                                             e => parseFloat(page.defaultView.getComputedStyle(e).fontSize)))};
  });
  document.getElementById("answer").textContent = JSON.stringify(pages);
};
</script>"""


def look(page, *widths):
    """Return what is seen of ``page`` for each width of the window, and the lines of the console.

    What is seen is a dict. ``images`` has the width of each picture, 0 or false if it does not render. ``too_wide`` is
    the number of pixels beyond the right edge, and ``hidden`` that of the widest table beyond its box. ``smallest`` is the
    smallest font size of the text, in pixels. ``text`` is the text of the page.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        probe = Path(folder) / "probe.html"
        address = Path(page).resolve().as_uri()
        probe.write_text(PROBE % "".join(f'<iframe src="{address}" width="{w}" height="900"></iframe>' for w in widths))
        done = subprocess.run(
            [BROWSER, *FLAGS, f"--user-data-dir={folder}/profile", "--allow-file-access-from-files",
             "--virtual-time-budget=20000", "--dump-dom", probe.as_uri()],
            capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": folder})
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.S)
    assert answer and answer[1], done.stderr[-2000:]
    return json.loads(unescape(answer[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]
