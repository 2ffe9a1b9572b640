"""Answers kept in memory, the last used ones."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from segmentation_core.ports import AnswerCache


class LruAnswers(AnswerCache):
    """Keeps a number of answers and forgets the one that was asked for the longest ago; none where that number is 0.

    Any number of threads may use it. `hits` and `misses` count what was asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = Lock()
        self.hits = 0
        self.misses = 0

    def get(self, key: tuple[str, ...]) -> Any | None:  # noqa: ANN401  what was put
        with self._lock:
            answer = self._kept.get(key)
            if answer is None:
                self.misses += 1
            else:
                self.hits += 1
                self._kept.move_to_end(key)
            return answer

    def put(self, key: tuple[str, ...], answer: object) -> None:
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)
