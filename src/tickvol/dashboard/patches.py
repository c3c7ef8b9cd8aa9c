"""Changes between two contents of a page, so that what stays is not built again and keeps focus, scroll and zoom.

Dash builds everything below a component again when its children are set. So each component gets an id by its place,
and of a new content only the properties that differ are sent.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from dash.development.base_component import Component

Node = Any
"""A component as JSON (`type`, `namespace`, `props`), a text, a number, None, or a list of them."""

_KEPT = 64


@dataclass(frozen=True, slots=True)
class Content:
    """A page's content as JSON, each component with an id.

    Attributes
    ----------
    digest : SHA-256 of the JSON.
    """

    nodes: Sequence[Node]
    digest: str

    @classmethod
    def of(cls, components: Sequence[Component]) -> "Content":
        """The JSON of components, with ids by place."""
        nodes = json.loads(json.dumps(list(components), default=Component.to_plotly_json))
        for number, node in enumerate(nodes):
            _identify(node, f"at-{number}")
        return cls(nodes, hashlib.sha256(json.dumps(nodes).encode()).hexdigest())


class Shown:
    """Contents that open pages show, by their digests; the oldest are forgotten."""

    def __init__(self) -> None:
        self._contents: OrderedDict[str, Content] = OrderedDict()
        self._lock = Lock()

    def keep(self, content: Content) -> None:
        """Remember a content that is sent."""
        with self._lock:
            self._contents[content.digest] = content
            self._contents.move_to_end(content.digest)
            while len(self._contents) > _KEPT:
                self._contents.popitem(last=False)

    def patches(self, digest: str | None, content: Content) -> Mapping[str, Mapping[str, Any]] | None:
        """Properties to set, by id, that lead from what is shown to the content; None: the whole content must be sent.

        Parameters
        ----------
        digest : of what is shown.
        """
        with self._lock:
            before = self._contents.get(digest or "")
        if before is None or len(before.nodes) != len(content.nodes):
            return None
        found: dict[str, dict[str, Any]] = {}
        for old, new in zip(before.nodes, content.nodes, strict=True):
            if not _is_same_component(old, new):
                return None
            _compare(old, new, found)
        return found


def _identify(node: Node, place: str) -> None:
    if not _is_component(node):
        return
    properties = node["props"]
    properties.setdefault("id", place)
    children = properties.get("children")
    for number, child in enumerate(children if isinstance(children, list) else [children]):
        _identify(child, f"{place}-{number}")


def _is_component(node: Node) -> bool:
    return isinstance(node, dict) and {"type", "namespace", "props"} <= node.keys()


def _is_same_component(old: Node, new: Node) -> bool:
    if not (_is_component(old) and _is_component(new)):
        return False
    is_named_alike = old["type"] == new["type"] and old["props"]["id"] == new["props"]["id"]
    return bool(is_named_alike and old["props"].keys() == new["props"].keys())


def _compare(old: Node, new: Node, found: dict[str, dict[str, Any]]) -> None:
    before, after = old["props"], new["props"]
    changed = {name: value for name, value in after.items() if name != "children" and value != before[name]}
    if "children" in after and not _compare_children(before["children"], after["children"], found):
        changed["children"] = after["children"]
    if changed:
        found.setdefault(after["id"], {}).update(changed)


def _compare_children(old: Node, new: Node, found: dict[str, dict[str, Any]]) -> bool:
    """Compare below; False where the children must be replaced as a whole."""
    if old == new:
        return True
    olds, news = ([node] if not isinstance(node, list) else node for node in (old, new))
    if len(olds) != len(news):
        return False
    pairs = list(zip(olds, news, strict=True))
    if not all(_is_same_component(a, b) or (a == b and not _is_component(a)) for a, b in pairs):
        return False
    for a, b in pairs:
        if _is_component(a):
            _compare(a, b, found)
    return True
