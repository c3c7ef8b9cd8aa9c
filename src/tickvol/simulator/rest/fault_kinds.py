"""All kinds of faults of the simulated REST exchange, with the paths that they apply to."""

from collections.abc import Mapping
from dataclasses import dataclass

from tickvol.simulator.rest.answer_faults import ANSWER_FAULTS
from tickvol.simulator.rest.book_faults import BOOK_FAULTS
from tickvol.simulator.rest.candle_faults import ROW_FAULTS, SHAPE_FAULTS
from tickvol.simulator.rest.socket_faults import SOCKET_FAULTS
from tickvol.simulator.rest.trades import TRADE_FAULTS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it does, and parts of the paths that it may hit."""

    about: str
    paths: tuple[str, ...]


ANY = ("",)
CANDLES = ("/candles",)
BOOK = ("/book", "/product_book")
TRADES = ("/trades", "/ticker")

KINDS: Mapping[str, Kind] = (
    {name: Kind(entry[0], ANY) for name, entry in ANSWER_FAULTS.items()}
    | {name: Kind(entry[0], ANY) for name, entry in SOCKET_FAULTS.items()}
    | {name: Kind(entry[0], CANDLES) for name, entry in ROW_FAULTS.items()}
    | {name: Kind(entry[0], CANDLES) for name, entry in SHAPE_FAULTS.items()}
    | {name: Kind(entry[0], BOOK) for name, entry in BOOK_FAULTS.items()}
    | {name: Kind(entry[0], TRADES) for name, entry in TRADE_FAULTS.items()}
)
