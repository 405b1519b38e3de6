"""The deadlines of a process, on a clock of the test's."""

from django_socketio.concurrency.timers import Timers


def test_a_timer_that_is_cancelled_while_it_is_called_is_not_set_again():
    now, calls = 0.0, []
    timers = Timers(lambda: now)

    def call(time):
        calls.append(time)
        if len(calls) == 2:
            timers.cancel(timer)
        return time + 1

    timer = timers.set(1, call)
    for now in (1, 2, 3, 4):  # noqa: B007  the timers read it
        timers.call_due()
    assert (calls, len(timers)) == ([1, 2], 0)
    timers.stop()


def test_a_step_that_fails_is_called_again_after_the_interval(caplog):
    now, calls = 0.0, []
    timers = Timers(lambda: now)

    def fail():
        calls.append(now)
        raise ValueError("told to")

    timers.every(2, fail)
    for now in range(7):  # noqa: B007  the timers read it
        timers.call_due()
    assert calls == [2, 4, 6]
    assert caplog.text.count("ValueError: told to") == len(calls)
    timers.stop()
    assert len(timers) == 0
