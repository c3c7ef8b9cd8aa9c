"""Files of a bundle: `bundle.json`, the estimator's files, and their SHA-256, verified before anything is loaded."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from tickvol.core.errors import CorruptFile, InputError, UsageError
from tickvol.storage.files import replace_directory

MANIFEST = "bundle.json"
CHECKSUMS = "SHA256SUMS"
"""In the format of `sha256sum`, so that `sha256sum -c SHA256SUMS` verifies a bundle by hand."""

PICKLES = (".pkl", ".pickle", ".joblib")


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle's files atomically: into a temporary sibling directory, which then replaces the old one."""
    if directory.exists():
        _refuse_foreign(directory)
    aside = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, content in sorted(files.items()):
        (aside / name).write_bytes(content)
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    (aside / CHECKSUMS).write_text(lines, encoding="ascii")
    replace_directory(aside, directory)


def _refuse_foreign(directory: Path) -> None:
    if any(directory.iterdir()) and not (directory / MANIFEST).exists():
        raise InputError(f"{directory}: exists and is no bundle; nothing was replaced, choose another directory")


def read_files(directory: Path) -> dict[str, bytes]:
    """All files of a bundle by name, each verified against its checksum.

    Raises
    ------
    UsageError
        For a pickle: loading it can run arbitrary code, so none is ever opened.
    InputError
        When the directory is not a bundle.
    CorruptFile
        When a file is absent or does not match its checksum; names the file.
    """
    refuse_pickle(directory)
    sums = directory / CHECKSUMS
    if not (directory / MANIFEST).is_file():
        raise InputError(f"{directory}: is no bundle (no {MANIFEST}); train one by `tickvol train`")
    if not sums.is_file():
        raise CorruptFile(f"{sums}: is absent, so nothing can be checked; train again")
    files: dict[str, bytes] = {}
    for line in sums.read_bytes().decode("ascii", errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        if Path(name).name != name or not name:
            raise CorruptFile(f"{sums}: {line[:120]!r} names no file of the bundle; train again")
        files[name] = _checked(directory / name, expected)
    if MANIFEST not in files:
        raise CorruptFile(f"{sums}: does not name {MANIFEST}; train again")
    return files


def _checked(path: Path, expected: str) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CorruptFile(f"{path}: is absent; train again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise CorruptFile(
            f"{path}: SHA-256 is {found[:12]}..., must be {expected[:12]}...; nothing was loaded, train again"
        )
    return content


def refuse_pickle(path: Path, field: str = "--model-path") -> None:
    """Refuse a pickle, naming the nearest bundle in the message.

    Raises
    ------
    UsageError
        For a path with a pickle's suffix.
    """
    if path.suffix.lower() not in PICKLES:
        return
    beside = sorted(found.parent for found in path.parent.glob(f"*/{MANIFEST}")) if path.parent.is_dir() else []
    named = [found for found in beside if found.name == path.stem]
    bundle = (named or beside or [Path("models/artifacts/forecast")])[0]
    raise UsageError(
        f"{field}: {path}: pickles are never opened, they run code; give the bundle directory, e.g. {bundle}"
    )
