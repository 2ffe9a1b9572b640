"""Several processes that serve one port, and a parent that looks after them.

Each worker is a fork of the parent, which holds the listening socket and nothing that a worker needs: catalogue,
population and connections are each worker's own. The kernel gives a connection to whichever accepts it, so none is lost
while one worker leaves and another is there.

The parent passes on SIGTERM and SIGINT and ends when all have ended in order. On SIGHUP it replaces one worker after
another: the new one reads its files anew and serves, and only then is the old one told to leave. One that dies is
replaced.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import SegmentationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

READY_SECONDS: Final = 120.0
"""How long a worker may take until it serves."""

LEAVE_SECONDS: Final = 90.0
"""How long one may take to leave, draining included, before it is killed."""

LOOK_SECONDS: Final = 0.1
"""How often the parent looks at what it has heard, and for workers that have ended."""

PAUSE_SECONDS: Final = 1.0
"""Before another try to start a worker that did not come to serve."""

_STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_HEEDED: Final = _STOP | {signal.SIGHUP, signal.SIGCHLD}

_log: Final = logging.getLogger("segmentation.workers")


class Workers:
    """Runs `serve` in several processes; it calls what it is given once it serves, and returns when told to stop.

    It is given the worker's number too: the least that no other one has which runs, and so no more than their count,
    which one has that is to take another's place. `forget` is called with that of each that has ended.
    """

    def __init__(
        self, count: int, serve: Callable[[int, Callable[[], object]], None], forget: Callable[[int], object]
    ) -> None:
        self._count = count
        self._serve = serve
        self._forget = forget
        self._running: list[int] = []
        self._numbers: dict[int, int] = {}
        self._heard: set[int] = set()

    def run(self, on_serving: Callable[[], object]) -> None:
        """Have all workers serve, say so, and look after them until told to stop.

        Raises Unavailable where one does not come to serve at the start: the log has why.
        """
        # Handlers that only note: to block the signals would not do, since other threads could still take them.
        before = {number: signal.signal(number, lambda heard, _: self._heard.add(heard)) for number in _HEEDED}
        try:
            for _ in range(self._count):
                worker = self._started()
                if worker is None:
                    msg = "A worker did not start; the log says why."
                    raise Unavailable(msg)
                self._running.append(worker)
            on_serving()
            self._look_after()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look_after(self) -> None:
        while not self._heard & _STOP:
            if signal.SIGHUP in self._heard:
                self._heard.discard(signal.SIGHUP)
                self._replace_all()
            self._replace_dead()
            time.sleep(LOOK_SECONDS)

    def _replace_all(self) -> None:
        """Let a new worker take the place of each; where one does not come to serve, the old ones stay."""
        for old in tuple(self._running):
            new = self._started()
            if new is None:
                _log.error("a new worker does not serve: the old ones stay")
                return
            self._running[self._running.index(old)] = new
            os.kill(old, signal.SIGTERM)
            self._wait_for(old)
        _log.info("all %d workers are new", self._count)

    def _replace_dead(self) -> None:
        for worker in tuple(self._running):
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                _log.error("worker %d has ended by itself, with status %d", worker, os.waitstatus_to_exitcode(status))
                self._running.remove(worker)
                self._gone(worker)
        if len(self._running) < self._count:
            new = self._started()
            if new is None:
                time.sleep(PAUSE_SECONDS)
            else:
                self._running.append(new)

    def _started(self) -> int | None:
        """Start a worker and wait until it serves; return None, with nothing left of it, where it does not."""
        told, tell = os.pipe()
        number = min({*range(self._count + 1)} - {*self._numbers.values()})
        worker = os.fork()
        if not worker:
            os.close(told)
            self._be_a_worker(number, tell)
        os.close(tell)
        self._numbers[worker] = number
        try:
            readable, _, _ = select.select([told], [], [], READY_SECONDS)
            if readable and os.read(told, 1):
                return worker
        finally:
            os.close(told)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        self._gone(worker)
        return None

    def _be_a_worker(self, number: int, tell: int) -> None:
        """Serve, and end the process: nothing of the parent is unwound here."""
        status = 1
        try:
            for heeded in _HEEDED:
                signal.signal(heeded, signal.SIG_IGN if heeded == signal.SIGHUP else signal.SIG_DFL)
            self._serve(number, lambda: os.write(tell, b"1"))
            status = 0
        except SegmentationError as fault:
            _log.error("%s", fault)
        except BaseException:  # noqa: BLE001  it must not go on as the parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _end(self) -> None:
        """Tell all workers to leave, and wait for them."""
        for worker in self._running:
            os.kill(worker, signal.SIGTERM)
        for worker in self._running:
            self._wait_for(worker)
        self._running.clear()

    def _wait_for(self, worker: int) -> None:
        """Wait until a worker has ended; one that takes too long is killed."""
        until = time.monotonic() + LEAVE_SECONDS
        while not os.waitpid(worker, os.WNOHANG)[0]:
            if time.monotonic() >= until:
                _log.error("worker %d does not leave and is killed", worker)
                os.kill(worker, signal.SIGKILL)
                os.waitpid(worker, 0)
                break
            time.sleep(0.02)
        self._gone(worker)

    def _gone(self, worker: int) -> None:
        self._forget(self._numbers.pop(worker))
