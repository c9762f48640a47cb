"""Status and kind of body decide before anything in an answer is trusted."""

from __future__ import annotations

import pytest

from marketsync_dagster.platforms.bodies import BodyKind
from marketsync_dagster.platforms.classify import Verdict, classify
from marketsync_dagster.values.outcomes import Outcome


@pytest.mark.parametrize("status", [200, 201, 202, 207])
def test_a_document_with_success_is_to_be_read(status: int) -> None:
    assert classify(status, BodyKind.JSON) == Verdict(read=True)


@pytest.mark.parametrize("kind", [BodyKind.HTML, BodyKind.BROKEN, BodyKind.EMPTY])
@pytest.mark.parametrize("status", [200, 201, 202, 207])
def test_a_success_without_a_document_is_unknown(status: int, kind: BodyKind) -> None:
    assert classify(status, kind) == Verdict(Outcome.UNKNOWN)


def test_no_content_means_what_the_platform_means_by_it() -> None:
    assert classify(204, BodyKind.EMPTY) == Verdict(Outcome.UNKNOWN)
    taken = classify(204, BodyKind.EMPTY, no_content=Outcome.ACCEPTED_UNVERIFIED)
    assert taken == Verdict(Outcome.ACCEPTED_UNVERIFIED)


@pytest.mark.parametrize("kind", list(BodyKind))
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *[(status, Outcome.REFUSED) for status in (300, 301, 302, 303, 304, 307, 308)],
        (401, Outcome.AUTH_FAILED),
        *[
            (status, Outcome.REFUSED)
            for status in (400, 402, 403, 404, 405, 406, 407, 409, 410, 415, 418, 422, 451)
        ],
        *[(status, Outcome.RETRYABLE) for status in (408, 425, 429)],
        *[(status, Outcome.RETRYABLE) for status in (500, 501, 502, 503, 504, 520, 522, 599)],
    ],
)
def test_every_other_status_speaks_for_itself(
    status: int, outcome: Outcome, kind: BodyKind
) -> None:
    assert classify(status, kind) == Verdict(outcome)


@pytest.mark.parametrize("kind", list(BodyKind))
def test_too_large_is_split(kind: BodyKind) -> None:
    assert classify(413, kind) == Verdict(split=True)
