"""ARIA attributes of components."""

from typing import Any


def aria(**attributes: str) -> dict[str, Any]:
    """Keywords for a component of Dash, whose names hold a hyphen.

    >>> aria(label="Key figures", hidden="true")
    {'aria-label': 'Key figures', 'aria-hidden': 'true'}
    """
    return {f"aria-{name}": value for name, value in attributes.items()}
