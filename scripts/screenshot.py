"""Take ``docs/page.png``: the page of a repository for images, with an answer.

Wants Chromium and ``pip install playwright``, and a repository whose ``make serve`` works:
``python scripts/screenshot.py ~/digit-reader``.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from service import clean_environ, running

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "page.png"
EXAMPLE = Path("examples") / "7.png"
WIDTH, HEIGHT = 1200, 780


def take(url: str, example: Path, picture: Path) -> None:
    """Open the page at *url*, give it *example*, and write what it shows to *picture*."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.set_input_files("input[type=file]", example)
        page.locator("#result").get_by_text("%").first.wait_for()
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Serve the repository that the command line names, and take the picture."""
    repo = Path(sys.argv[1]).resolve()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(repo, clean_environ(), Path(folder) / "service.log", sys.argv[2:]) as service,
    ):
        service.wait_until_ready()
        take(service.url, repo / EXAMPLE, PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
