"""What Prometheus reads: requests, how long they took, and runs that were taken up."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from graphrec.serve.live import Live

__all__ = ["Numbers"]

# A path that is none of these is counted as "other": labels must not grow with what strangers ask.
_ROUTES = (
    "/",
    "/docs",
    "/explain",
    "/health",
    "/history",
    "/items",
    "/metrics",
    "/openapi.json",
    "/recommend",
    "/similar",
    "/users",
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Numbers:
    """Counters of one service, in a registry of its own."""

    def __init__(self, live: Live) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("graphrec_requests", "Requests answered.", ["route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "graphrec_request_seconds", "Seconds of a request.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        taken = Gauge("graphrec_runs_taken_up", "How often a new run was taken up.", registry=self._registry)
        taken.set_function(lambda: live.taken)
        refused = Gauge("graphrec_runs_refused", "How often a new run could not be read.", registry=self._registry)
        refused.set_function(lambda: live.refused)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        route = path if path in _ROUTES else "other"
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> tuple[bytes, int, dict[str, str]]:
        """All of it as Prometheus reads it: body, status, headers."""
        return generate_latest(self._registry), 200, {"content-type": CONTENT_TYPE_LATEST}
