"""What Qikink says in its own way: what is about the token, and what about the order."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.platforms.qikink.words import fault_of
from marketsync_dagster.values.outcomes import Outcome

AUTH, REFUSED = Outcome.AUTH_FAILED, Outcome.REFUSED


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"error": "Unauthorized", "status_code": 401}, AUTH),
        ({"error": "Invalid or expired access token"}, AUTH),
        ({"error": "Accesstoken is wrong"}, AUTH),
        ({"success": False, "message": "Token has expired"}, AUTH),
        ({"error": "SKU TEE-TOKEN is not in your products", "status_code": "400"}, REFUSED),
        ({"error": "SKU TEE-TOKEN is not in your products"}, REFUSED),
        ({"error": "SKU TEE-TOKEN is invalid"}, REFUSED),
        ({"error": "Invalid access token", "status_code": 400}, REFUSED),
        ({"error": "busy", "status_code": 429}, Outcome.RETRYABLE),
    ],
)
def test_a_refusal_is_about_the_token_only_if_it_says_so(
    document: dict[str, Any], outcome: Outcome
) -> None:
    fault = fault_of(document)
    assert fault is not None
    assert fault.outcome is outcome
