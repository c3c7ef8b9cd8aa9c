"""The champion: the only place that moves the alias `champion`, and the ledger of which version served when and why.

The ledger is written before the alias is moved, so no change lacks an entry; if the move fails, the next entry records
it. The registered model carries the ledger's last hash as a tag, and nothing is appended to a ledger that does not end
in it: truncating the ledger and forging its end would require a change in MLflow too.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from tickvol.core.errors import InputError, LedgerBroken, TrackingUnavailable
from tickvol.storage.files import exclusive
from tickvol.storage.journal import Entry, Ledger
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.registry.versions import CHAMPION, PREVIOUS, aliases, mlflow_client

BOOTSTRAP = "bootstrap"
PROMOTED = "promoted"
ROLLED_BACK = "rolled back"
REFUSED = "refused"
DECLINED = "declined"
FAILED = "failed"

_CHANGES = (BOOTSTRAP, PROMOTED, ROLLED_BACK, FAILED)
"""After these `content["version"]` serves; a failed change names the version that continues to serve."""

_TAG = "ledger_head"


def champions_ledger(settings: MlflowConfig) -> Ledger:
    """Champions ledger of the configured model."""
    return Ledger(settings.ledger_dir / f"{settings.registered_model}.champions.jsonl")


def changing(settings: MlflowConfig) -> AbstractContextManager[None]:
    """Lock for reading and changing the champion; others wait."""
    path = champions_ledger(settings).path
    return exclusive(path.with_name(f"{path.name}.changing"))


def note(settings: MlflowConfig, kind: str, content: Mapping[str, Any]) -> Entry:
    """Append an entry that records no change of champion.

    Raises
    ------
    LedgerBroken
        When the ledger is invalid, or is not the one that MLflow saw.
    """
    entry = _append(settings, kind, content)
    with mlflow_client(settings) as client:
        _witness(settings, client, entry)
    return entry


def make_champion(settings: MlflowConfig, version: str, *, kind: str, content: Mapping[str, Any]) -> Entry:
    """Make a version the champion, inside of `changing`; the former champion becomes `previous`, except in a bootstrap.

    A bootstrap follows no champion, or one of the simulated market, which is no target for a rollback.

    Raises
    ------
    LedgerBroken
        When the change cannot be recorded; nothing is changed then.
    """
    model, served = settings.registered_model, aliases(settings).get(CHAMPION)

    def move(client: Any) -> None:
        if kind == BOOTSTRAP:
            client.delete_registered_model_alias(model, PREVIOUS)
        elif served is not None and served != version:
            client.set_registered_model_alias(model, PREVIOUS, served)
        client.set_registered_model_alias(model, CHAMPION, version)

    return _change(settings, kind, {**content, "version": version, "served_before": served}, move)


def roll_back(settings: MlflowConfig, *, at: str, reason: str) -> Entry:
    """Make the previous champion serve again; afterwards there is no version left to roll back to.

    Raises
    ------
    InputError
        When there is no previous champion, or it already serves.
    """
    model = settings.registered_model
    with changing(settings):
        found = aliases(settings)
        served, previous = found.get(CHAMPION), found.get(PREVIOUS)
        if previous is None or previous == served:
            why = "it serves already" if previous else "no champion was replaced yet, or it was gone back already"
            raise InputError(
                f"models:/{model}@{PREVIOUS}: {why}; `tickvol promote --candidate VERSION` lets another version serve"
            )

        def move(client: Any) -> None:
            client.set_registered_model_alias(model, CHAMPION, previous)
            client.delete_registered_model_alias(model, PREVIOUS)

        content = {"at": at, "reason": reason, "version": previous, "served_before": served}
        return _change(settings, ROLLED_BACK, content, move)


def _change(settings: MlflowConfig, kind: str, content: Mapping[str, Any], move: Callable[[Any], None]) -> Entry:
    """Record a change, then make it; if that fails, another entry names the version that continues to serve."""
    entry = _append(settings, kind, content)
    try:
        with mlflow_client(settings) as client:
            _witness(settings, client, entry)
            move(client)
    except TrackingUnavailable as error:
        serves = content["served_before"]
        with suppress(TrackingUnavailable):  # if MLflow is unreachable nothing was moved
            serves = aliases(settings).get(CHAMPION)
        failed = {"at": content["at"], "version": serves, "reason": str(error)}
        entry = champions_ledger(settings).append(FAILED, failed)
        with suppress(TrackingUnavailable), mlflow_client(settings) as client:
            _witness(settings, client, entry)
        raise
    return entry


def _append(settings: MlflowConfig, kind: str, content: Mapping[str, Any]) -> Entry:
    ledger = champions_ledger(settings)
    require_anchored(settings, ledger.entries())
    return ledger.append(kind, content)


def _witness(settings: MlflowConfig, client: Any, entry: Entry) -> None:
    client.set_registered_model_tag(settings.registered_model, _TAG, f"{entry.number}:{entry.sha256}")


def served_by_ledger(entries: Sequence[Entry]) -> str | None:
    """Serving version according to the ledger; None if there is none."""
    changes = [entry.content.get("version") for entry in entries if entry.kind in _CHANGES]
    return None if not changes or changes[-1] is None else str(changes[-1])


def rolled_back(entries: Sequence[Entry], version: str, bundle_hash: str) -> str | None:
    """Time and reason of the last rollback of a version, or of another one with the same bundle; None without one."""
    promoted = [entry.content for entry in entries if entry.kind == PROMOTED]
    same = {version} | {str(content["version"]) for content in promoted if content.get("bundle_hash") == bundle_hash}
    found = None
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        was = str(entry.content.get("served_before"))
        failed = following is not None and following.kind == FAILED and str(following.content["version"]) == was
        if entry.kind == ROLLED_BACK and was in same and not failed:
            found = f"{entry.content['at']}, {entry.content['reason']}"
    return found


def require_anchored(settings: MlflowConfig, entries: Sequence[Entry]) -> None:
    """Check the ledger against the hash of its last entry that MLflow keeps.

    It may be followed by a change that MLflow failed to make, and the entry that records the failure.

    Raises
    ------
    LedgerBroken
        When MLflow names an entry that the ledger does not hold, or further entries follow it.
    """
    if not aliases(settings):
        return
    with mlflow_client(settings) as client:
        tag = client.get_registered_model(settings.registered_model).tags.get(_TAG)
    if tag is None:
        return
    number, _, sha256 = str(tag).partition(":")
    path = champions_ledger(settings).path
    held = [place for place, entry in enumerate(entries) if entry.sha256 == sha256]
    if not held:
        raise LedgerBroken(
            f"{path}: line {number}: MLflow saw it with hash {sha256[:12]}..., the ledger does not hold it: it was "
            "cut, or replaced by another"
        )
    behind = [entry.kind for entry in entries[held[0] + 1 :]]
    if len(behind) > 2 or behind[1:] not in ([], [FAILED]):
        raise LedgerBroken(f"{path}: line {len(entries)}: MLflow saw nothing behind line {number}: lines were added")
