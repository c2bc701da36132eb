"""cost: a simulated day becomes requests and USD.

In:   a Day and the options. Out: Requests, Cost.
Must not know: how the day came about, pages.
"""

from dataclasses import dataclass, fields
from typing import Final

from service.capacity.options import CapacityOptions
from service.capacity.simulation import Day
from service.sqs import MAX_BATCH

_DAYS_A_MONTH: Final = 365 / 12
_GB: Final = 1e9


@dataclass(frozen=True)
class Requests:
    """API calls of a day.

    Attributes:
        sqs_sends: one a photo, as S3's notifications make them.
        sqs_receives: full batches while a batch a pod is waiting, else one a photo; and idle pods' empty ones.
        sqs_deletes: in the same batches.
        sqs_extends: renewals of what is in flight.
        s3_gets: the photo, and the look whether its result is there.
        s3_puts: the result; the photo was put by whoever took it.
    """

    sqs_sends: float
    sqs_receives: float
    sqs_deletes: float
    sqs_extends: float
    s3_gets: float
    s3_puts: float

    @property
    def sqs(self) -> float:
        """All calls to SQS."""
        return self.sqs_sends + self.sqs_receives + self.sqs_deletes + self.sqs_extends


@dataclass(frozen=True)
class Cost:
    """USD a day; storage is a day's share of what has gathered once the oldest is deleted as the newest comes."""

    compute: float
    sqs: float
    s3_requests: float
    photo_storage: float
    result_storage: float
    ledger_storage: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(getattr(self, field.name) for field in fields(self))


def count_requests(day: Day, options: CapacityOptions) -> Requests:
    """Count a day's API calls, rather too many than too few."""
    worker = options.worker
    is_busy = day.backlog >= MAX_BATCH * day.ready.clip(min=1)
    batches = float((day.done / MAX_BATCH)[is_busy].sum() + day.done[~is_busy].sum())
    idle = (day.ready - day.done).clip(min=0)[day.backlog == 0]
    return Requests(
        sqs_sends=float(day.arrived.sum()),
        sqs_receives=batches + float(idle.sum()) / worker.receive_wait_s,
        sqs_deletes=batches,
        sqs_extends=float(day.in_flight.sum()) / MAX_BATCH / worker.renewal_interval_s,
        s3_gets=2 * float(day.done.sum()),
        s3_puts=float(day.done.sum()),
    )


def price_day(day: Day, options: CapacityOptions) -> Cost:
    """Price a day."""
    prices, requests = options.prices, count_requests(day, options)
    paid_core_hours = float(day.paid.sum()) / 3600 * options.worker.cores / (1 - prices.node_overhead_ratio)
    photos = float(day.arrived.sum())

    def store(bytes_each: float, days: float, gb_month_usd: float) -> float:
        return photos * bytes_each * days / _GB * gb_month_usd / _DAYS_A_MONTH

    return Cost(
        compute=paid_core_hours * prices.core_hour_usd,
        sqs=requests.sqs / 1e6 * prices.sqs_million_usd,
        s3_requests=(requests.s3_puts * prices.put_thousand_usd + requests.s3_gets * prices.get_thousand_usd) / 1000,
        photo_storage=store(prices.photo_bytes, prices.photo_days, prices.object_gb_month_usd),
        result_storage=store(prices.result_bytes, prices.result_days, prices.object_gb_month_usd),
        ledger_storage=store(prices.ledger_row_bytes, prices.result_days, prices.ledger_gb_month_usd),
    )
