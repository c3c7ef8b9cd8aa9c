"""Texts of components, as a reader would read them aloud."""

from dash.development.base_component import Component


def words(node) -> str:
    """All texts of a component, one space between them."""
    return " ".join(_texts(node)).replace("  ", " ")


def tiles(page) -> dict[str, str]:
    """Text of each tile by its label."""
    found = [node for node in page._traverse() if str(getattr(node, "className", "")).startswith("tile tile-")]
    return {tile.children[0].children: words(tile.children[1:]) for tile in found}


def _texts(node):
    if isinstance(node, list | tuple):
        for child in node:
            yield from _texts(child)
    elif isinstance(node, Component):
        yield from _texts(getattr(node, "children", None))
    elif node is not None and str(node).strip():
        yield str(node).strip()
