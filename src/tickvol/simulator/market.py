"""A seeded market: regime-switching stochastic volatility with jumps, in blocks of simulated seconds.

Every second has a log-volatility, the sum of four parts::

    log(base) + regime level (three-state Markov chain, common) + common OU + own OU of the product

A product's *activity* (an OU of its own) raises its tick rate and widens its spread at once and feeds its volatility
over the next minute, so that a burst of trading predicts part, not all, of what follows. Ticks arrive as a Poisson
process whose rate follows activity and volatility; the price between them is a Brownian motion on the integrated
variance plus compound Poisson jumps, each of which raises the volatility that follows.
`docs/simulated_exchange.md` has the parameters and their effects.
"""

import math
import zlib
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S

BLOCK_S = 20
"""Simulated seconds drawn at a time; part of the definition: another length would give another market."""

REGIME_LOG_LEVEL = (-0.3, 0.0, 0.45)
REGIME_MEAN_S = (2400.0, 1800.0, 1200.0)
REGIME_NEXT = ((0.0, 0.85, 0.15), (0.6, 0.0, 0.4), (0.3, 0.7, 0.0))
COMMON_HALF_LIFE_S, COMMON_SD = 60.0, 0.15
OWN_HALF_LIFE_S, OWN_SD = 15.0, 0.40
ACTIVITY_HALF_LIFE_S, ACTIVITY_TO_VOL = 40.0, 0.018
JUMPS_PER_S, JUMP_SCALE, JUMP_VOL_KICK = 1 / 400, 5.0, 0.3
RATE_ON_VOL, RATE_ON_ACTIVITY, RATE_LOG_SHIFT, MAX_RATE_RATIO = 0.15, 0.6, -0.20, 8.0

KNOWN_START_PRICES = {"BTC-USD": 67000.0, "ETH-USD": 2050.0, "SOL-USD": 150.0}

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class MarketProduct(msgspec.Struct, frozen=True):
    """One product: start price, tick rate and volatility."""

    product_id: str
    start_price: float
    price_decimals: int = 2
    ticks_per_s: float = 3.0
    vol_60s_bp: float = 3.0
    """Realized volatility of a typical minute, in basis points."""


class MarketSpec(msgspec.Struct, frozen=True):
    """Parameters that define a seeded market; with `duration_s` None it never ends."""

    products: tuple[MarketProduct, ...]
    seed: int
    start_ns: int
    duration_s: int | None = None


class Ticks(msgspec.Struct, frozen=True, gc=False):
    """One block of one product, columns of equal length in order of time."""

    time_ns: Integers
    log_price: Floats
    """Log of the efficient price, around which quotes are set."""
    second_vol: Floats
    """Standard deviation of the log-price over one second."""
    activity: Floats
    draws: Floats
    """(n, 5) uniforms on [0, 1), which decide quotes and trades."""
    quantity_normals: Floats
    """(n, 3) standard normals: bid, ask and trade quantity."""


def market_products(product_ids: Sequence[str], *, ticks_per_s: float = 3.0) -> tuple[MarketProduct, ...]:
    """Products by name, with a realistic start price (names without a known one get one from 1 to 1000)."""
    return tuple(
        MarketProduct(name, KNOWN_START_PRICES.get(name) or _start_price(name), ticks_per_s=ticks_per_s)
        for name in product_ids
    )


def _start_price(product_id: str) -> float:
    return round(10 ** (3 * (zlib.crc32(product_id.encode()) % 1000) / 1000), 2)


def market_blocks(spec: MarketSpec) -> Iterator[tuple[int, list[Ticks]]]:
    """Yield `(block start in ns, ticks of each product)`; a product's path does not depend on the other products."""
    common = _Common(_generator(spec.seed, "common"))
    paths = [_Product(product, _generator(spec.seed, product.product_id)) for product in spec.products]
    second = 0
    while spec.duration_s is None or second < spec.duration_s:
        start_ns = spec.start_ns + second * NS_PER_S
        common_vol = common.step(BLOCK_S)
        yield start_ns, [path.step(start_ns, common_vol) for path in paths]
        second += BLOCK_S


def _generator(seed: int, stream: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(stream.encode())]))


def _decay(half_life_s: float) -> float:
    return float(0.5 ** (1.0 / half_life_s))


class _Common:
    """Regime and volatility that all products share."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._regime = 1
        self._ou = 0.0

    def step(self, seconds: int) -> Floats:
        decay = _decay(COMMON_HALF_LIFE_S)
        noise = self._random.standard_normal(seconds) * (COMMON_SD * math.sqrt(1 - decay * decay))
        levels = np.empty(seconds)
        for i, (leave, choose, shock) in enumerate(
            zip(
                self._random.random(seconds).tolist(),
                self._random.random(seconds).tolist(),
                noise.tolist(),
                strict=True,
            )
        ):
            if leave * REGIME_MEAN_S[self._regime] < 1.0:
                self._regime = _pick(REGIME_NEXT[self._regime], choose)
            self._ou = decay * self._ou + shock
            levels[i] = REGIME_LOG_LEVEL[self._regime] + self._ou
        return levels


def _pick(shares: tuple[float, ...], uniform: float) -> int:
    for state, share in enumerate(shares):
        uniform -= share
        if uniform < 0:
            return state
    return max(range(len(shares)), key=shares.__getitem__)


class _Product:
    """Volatility, activity and price of one product, carried from block to block."""

    def __init__(self, product: MarketProduct, random: np.random.Generator) -> None:
        self._random = random
        self._rate = product.ticks_per_s
        self._log_base_vol = math.log(product.vol_60s_bp * 1e-4 / math.sqrt(60))
        self._own = 0.0
        self._activity = 0.0
        self._log_price = math.log(product.start_price)
        self._variance_owed = 0.0
        self._jump_owed = 0.0

    def step(self, start_ns: int, common_vol: Floats) -> Ticks:
        seconds = len(common_vol)
        own, activity, jump_times, jump_normals = self._states(seconds)
        above_base = common_vol + own
        vol = np.exp(self._log_base_vol + above_base)
        log_rate = RATE_ON_VOL * above_base + RATE_ON_ACTIVITY * activity + RATE_LOG_SHIFT
        counts = self._random.poisson(self._rate * np.minimum(np.exp(log_rate), MAX_RATE_RATIO))
        second = np.repeat(np.arange(seconds), counts)
        offsets = np.minimum(np.sort(second + self._random.random(len(second))), np.nextafter(seconds, 0))
        jump_sizes = jump_normals * JUMP_SCALE * vol[jump_times.astype(np.int64)]
        second = offsets.astype(np.int64)
        return Ticks(
            time_ns=start_ns + (offsets * 1e9).astype(np.int64),
            log_price=self._prices(offsets, vol, jump_times, jump_sizes),
            second_vol=vol[second],
            activity=activity[second],
            draws=self._random.random((len(second), 5)),
            quantity_normals=self._random.standard_normal((len(second), 3)),
        )

    def _states(self, seconds: int) -> tuple[Floats, Floats, Floats, Floats]:
        own_decay, activity_decay = _decay(OWN_HALF_LIFE_S), _decay(ACTIVITY_HALF_LIFE_S)
        own_noise = self._random.standard_normal(seconds) * (OWN_SD * math.sqrt(1 - own_decay * own_decay))
        activity_noise = self._random.standard_normal(seconds) * math.sqrt(1 - activity_decay * activity_decay)
        jumps = self._random.random(seconds) < JUMPS_PER_S
        own, activity = np.empty(seconds), np.empty(seconds)
        for i, (a, x, jump) in enumerate(zip(activity_noise.tolist(), own_noise.tolist(), jumps.tolist(), strict=True)):
            self._activity = activity_decay * self._activity + a
            self._own = own_decay * self._own + ACTIVITY_TO_VOL * self._activity + x + (JUMP_VOL_KICK if jump else 0.0)
            own[i], activity[i] = self._own, self._activity
        times = np.flatnonzero(jumps) + self._random.random(int(jumps.sum()))
        return own, activity, times, self._random.standard_normal(len(times))

    def _prices(self, offsets: Floats, vol: Floats, jump_times: Floats, jump_sizes: Floats) -> Floats:
        """Log-prices at `offsets` (s since the block's start); the part after the last is carried to the next block."""
        integrated = np.concatenate(([0.0], np.cumsum(vol * vol)))
        variance = np.interp(offsets, np.arange(len(integrated)), integrated) + self._variance_owed
        jumped = np.concatenate(([0.0], np.cumsum(jump_sizes))) + self._jump_owed
        jump = jumped[np.searchsorted(jump_times, offsets)]
        steps = np.sqrt(np.diff(variance, prepend=0.0)) * self._random.standard_normal(len(offsets))
        prices = self._log_price + np.cumsum(steps) + jump
        self._variance_owed += float(integrated[-1])
        self._jump_owed = float(jumped[-1])
        if len(offsets):
            self._log_price = float(prices[-1])
            self._variance_owed -= float(variance[-1])
            self._jump_owed -= float(jump[-1])
        return prices
