"""The handover between threads."""

import threading

import pytest

from alanet_core.media.channel import Channel, Stopped


def test_items_come_in_order_and_end():
    channel: Channel[int] = Channel(2, threading.Event())
    thread = threading.Thread(target=lambda: ([channel.put(n, heavy=n % 3 == 0) for n in range(50)], channel.end()))
    thread.start()
    assert list(channel) == list(range(50))
    thread.join()


def test_heavy_items_wait_for_room_and_light_ones_do_not():
    channel: Channel[str] = Channel(1, threading.Event())
    channel.put("frame", heavy=True)
    for _ in range(100):
        channel.put("sound")
    passed = threading.Event()
    thread = threading.Thread(target=lambda: (channel.put("next frame", heavy=True), passed.set(), channel.end()))
    thread.start()
    assert not passed.wait(0.05)
    items = iter(channel)
    assert next(items) == "frame"
    assert passed.wait(10)
    assert list(items) == ["sound"] * 100 + ["next frame"]
    thread.join()


def test_a_stop_wakes_both_sides():
    stop = threading.Event()
    full: Channel[int] = Channel(1, stop)
    full.put(1, heavy=True)
    empty: Channel[int] = Channel(1, stop)
    stop.set()
    with pytest.raises(Stopped):
        full.put(2, heavy=True)
    with pytest.raises(Stopped):
        next(iter(empty))
