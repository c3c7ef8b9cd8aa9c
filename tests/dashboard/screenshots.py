"""Pictures of the pages for the documentation, from seeded tables: `python -m tests.dashboard.screenshots DIR`."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.dashboard.hosting import Visit, chromium, served
from tests.risk.pages.stored import fill

PICTURES = {"risk.png": "risk?product=ETH-USD", "pipeline.png": "pipeline"}
_COLOURS = 256
"""A palette keeps a picture below 200 KB."""


def take(directory: Path) -> list[Path]:
    """Save one picture per page."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    with tempfile.TemporaryDirectory() as lake:
        fill(Path(lake))
        with chromium() as browser, served(Path(lake), refresh_s=30) as address:
            for name, path in PICTURES.items():
                visit = Visit.of(browser, address)
                visit.open(path).screenshot(path=directory / name, full_page=True)
                visit.assert_calm()
                with Image.open(directory / name) as picture:
                    small = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
                small.save(directory / name, optimize=True)
                paths.append(directory / name)
    return paths


if __name__ == "__main__":
    for saved in take(Path(sys.argv[1])):
        print(f"{saved}: {saved.stat().st_size / 1000:.0f} KB")
