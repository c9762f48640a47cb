"""Rate limits: a sliding minute and a sliding hour per key.

What a platform answers beyond the limit belongs to that platform.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0
HOUR = 3600.0


@dataclass(slots=True)
class Window:
    """When one key was served, in seconds of the sandbox's clock; refusals do not count."""

    served: deque[float] = field(default_factory=deque)

    def admit(self, now: float, per_minute: int | None, per_hour: int | None) -> float | None:
        """Count one request, or say how many seconds until one would be served."""
        served = self.served
        while served and served[0] <= now - HOUR:
            served.popleft()
        wait = 0.0
        if per_hour is not None and len(served) >= per_hour:
            wait = served[len(served) - per_hour] + HOUR - now if per_hour else HOUR
        if per_minute is not None and self.in_last_minute(now) >= per_minute:
            oldest = served[len(served) - per_minute] + MINUTE - now if per_minute else MINUTE
            wait = max(wait, oldest)
        if wait > 0:
            return wait
        if per_minute is not None or per_hour is not None:
            served.append(now)
        return None

    def in_last_minute(self, now: float) -> int:
        """How many requests were served in the minute before `now`."""
        count = 0
        for moment in reversed(self.served):
            if moment <= now - MINUTE:
                break
            count += 1
        return count
