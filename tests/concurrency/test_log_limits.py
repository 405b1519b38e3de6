"""Limits of log entries that clients can cause as often as they like."""

from django_socketio.concurrency.log_limits import Every, Once


def test_once_allows_one_entry_of_each_of_so_many_kinds():
    once = Once(2)
    assert [once.is_new(kind) for kind in "aabacb"] == [True, False, True, False, False, False]
    assert once.is_full


def test_every_allows_one_entry_in_each_interval():
    times = iter([0.0, 9.9, 10.0, 10.1, 25.0, 34.9, 35.0])
    every = Every(10, lambda: next(times))
    assert [every.is_due() for _ in range(7)] == [True, False, True, False, True, False, True]
