"""What the worker holds is counted right, from every thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

from service.in_flight import Delivery, InFlight
from service.metrics import REGISTRY
from service.sqs import Message


def delivery(number: int = 0, *, parts: int = 1) -> Delivery:
    return Delivery(Message(f"id-{number}", f"receipt-{number}", "{}", 1, 0.0, {}), parts)


def test_a_message_ends_with_its_last_part():
    held = delivery(parts=3)
    assert [held.end_part() for _ in range(3)] == [False, False, True]
    assert not held.goes_back


def test_the_first_error_of_any_part_sends_the_message_back():
    held = delivery(parts=3)
    first, second = ValueError("first"), ValueError("second")
    held.end_part(error=first)
    held.end_part(error=second)
    held.end_part()
    assert (held.error, held.goes_back, held.is_returned) == (first, True, False)


def test_a_part_that_was_not_tried_sends_the_message_back_without_an_error():
    held = delivery(parts=2)
    held.end_part(is_returned=True)
    held.end_part()
    assert (held.error, held.goes_back) == (None, True)


def test_exactly_one_of_many_threads_ends_the_message():
    held = delivery(parts=200)
    start = threading.Barrier(8)

    def end(_: int) -> int:
        start.wait()
        return sum(held.end_part() for _ in range(25))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(end, range(8))) == 1


def test_room_is_what_the_limit_leaves():
    in_flight = InFlight(2)
    first, second = delivery(1), delivery(2)
    assert (in_flight.room(), in_flight.is_empty()) == (2, True)
    in_flight.add(first)
    in_flight.add(second)
    assert (in_flight.room(), in_flight.is_empty()) == (0, False)
    assert in_flight.snapshot() == [first, second]
    assert in_flight.remove(first)
    assert not in_flight.remove(first)
    assert in_flight.snapshot() == [second]


def test_two_deliveries_of_one_message_are_held_apart():
    in_flight = InFlight(5)
    again = Delivery(Message("id-1", "another receipt", "{}", 2, 0.0, {}), 1)
    in_flight.add(delivery(1))
    in_flight.add(again)
    in_flight.remove(delivery(1))
    assert in_flight.snapshot() == [again]


def test_the_gauge_counts_what_is_held():
    in_flight = InFlight(5)
    in_flight.add(delivery(1))
    in_flight.add(delivery(2))
    assert REGISTRY.get_sample_value("vehicle_damage_in_flight_messages") == 2
    in_flight.remove(delivery(1))
    in_flight.remove(delivery(2))
    assert REGISTRY.get_sample_value("vehicle_damage_in_flight_messages") == 0


def test_who_waits_for_room_is_woken_by_a_leaving_delivery():
    in_flight = InFlight(1)
    held = delivery()
    in_flight.add(held)
    is_waiting = threading.Event()

    def has_room() -> bool:
        is_waiting.set()
        return in_flight.room() > 0

    waited: list[bool] = []
    waiter = threading.Thread(target=lambda: waited.append(in_flight.wait(has_room, 600)), daemon=True)
    waiter.start()
    assert is_waiting.wait(30)
    in_flight.remove(held)
    waiter.join(30)
    assert waited == [True]


def test_a_wait_ends_when_its_time_is_over():
    in_flight = InFlight(1)
    in_flight.add(delivery())
    assert not in_flight.wait(lambda: in_flight.room() > 0, 0.01)
