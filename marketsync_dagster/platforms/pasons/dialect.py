"""What single words of Pasons' answers mean: statuses, errors, counts, as `response` says.

Pure. Which result belongs to which item, and what becomes of the others, is `results`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketsync_dagster.config.pasons import PasonsResponse, plain_word
from marketsync_dagster.platforms.base import ItemResult
from marketsync_dagster.platforms.bodies import error_words, lookup
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome

Clean = Callable[[str], str]

_GOOD = (
    "accepted applied completed created done imported ok success succeeded unchanged updated true"
)
_BAD = (
    "bad_request conflict denied error failed failure forbidden ignored invalid not_found "
    "rejected refused skipped unknown_sku unprocessable false"
)
_PASSING = (
    "busy internal_error internal_server_error locked rate_limited retry service_unavailable "
    "temporarily_unavailable temporary_error timeout too_many_requests try_again"
)
"""Words for what may go away by itself, as a status or as the code of an error."""
_USUAL = {
    **dict.fromkeys(_GOOD.split(), Outcome.APPLIED),
    **dict.fromkeys(_BAD.split(), Outcome.REFUSED),
    **dict.fromkeys(_PASSING.split(), Outcome.RETRYABLE),
}
_CONFIGURED = {"accepted_async": Outcome.ACCEPTED_UNVERIFIED}
"""What is taken for later is never told of again here: there is nothing to ask for."""
NOT_TAKEN = "the platform lists it among what it did not take"


@dataclass(frozen=True, slots=True)
class Dialect:
    """An account's `response`, with its words looked up once."""

    response: PasonsResponse
    words: Mapping[str, Outcome]
    """Plain word -> what it means; configured ones go before the usual ones."""
    said: frozenset[str]
    """The words that were configured."""
    good: frozenset[str]
    """Words, as they are written, that mean applied."""
    quick: bool
    """Results carry ids and words, and no name has a dot."""
    counts: Mapping[str, str]
    """received, accepted, rejected -> where it stands; empty: counts prove nothing."""
    success_words: frozenset[str]

    @classmethod
    def of(cls, response: PasonsResponse) -> Dialect:
        """The dialect of an account."""
        said = {
            plain_word(word): _CONFIGURED.get(outcome) or Outcome(outcome)
            for outcome, words in response.words.items()
            for word in words
        }
        words = {**_USUAL, **said}
        counts: dict[str, str] = {}
        if response.counts is not None:
            counts = {name: name for name in ("received", "accepted", "rejected")}
            counts |= dict(response.counts)
        return cls(
            response=response,
            words=words,
            said=frozenset(said),
            good=frozenset(word for word, means in words.items() if means is Outcome.APPLIED)
            | {word for word in response.words.get("applied", []) if isinstance(word, str)},
            quick=_is_flat(response),
            counts=counts,
            success_words=frozenset(map(plain_word, response.success_words)),
        )

    def count(self, document: Any, name: str) -> int | None:
        """One of the counts of an answer; None where there is none."""
        place = self.counts.get(name)
        value = lookup(document, place) if place is not None else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def success(self, document: Any) -> bool | None:
        """Whether an answer says that it took what was sent; None: it does not say."""
        place = self.response.success
        value = lookup(document, place) if place is not None else None
        if self.success_words:
            return None if value is None else plain_word(value) in self.success_words
        return None if not isinstance(value, bool) else value

    def result(self, entry: dict[str, Any], clean: Clean) -> ItemResult:
        """What one result of an answer says of its item."""
        response = self.response
        status = _at(entry, response.status)
        fault = _at(entry, response.error)
        if isinstance(fault, list) and len(fault) == 1:
            fault = fault[0]
        code, message = error_words({"error": fault}) if fault else ("", "")
        if response.code is not None:
            own = _at(entry, response.code)
            code = code or ("" if own in (None, "", False) else str(own))
        code, message = clean(code), clean(message)
        outcome = self._outcome(status, faulty=bool(fault), code=code)
        if outcome is Outcome.UNKNOWN:
            hint = "" if fault else "; if that is an answer, say so in response.words"
            message = clean(
                f"the platform answered {status!r}{': ' + message if message else ''}{hint}"
            )
        elif outcome is not Outcome.APPLIED and not message:
            message = code or (NOT_TAKEN if status is None else clean(str(status)))
        return ItemResult(outcome, message, code)

    def passing(self, code: str) -> bool:
        """Whether the code of an error says that it may go away by itself."""
        return self.words.get(plain_word(code)) is Outcome.RETRYABLE

    def _outcome(self, status: Any, *, faulty: bool, code: str) -> Outcome:
        outcome = self._of_status(status, faulty)
        if outcome is Outcome.REFUSED and code:
            # the code says more than "rejected" does; but it cannot turn a refusal into success
            means = self.words.get(plain_word(code))
            if means is Outcome.RETRYABLE:
                return means
        return outcome

    def _of_status(self, status: Any, faulty: bool) -> Outcome:
        word = plain_word(status)
        number = isinstance(status, int) and not isinstance(status, bool)
        if number and word not in self.said:
            return _outcome_of_number(status)
        if status is None:
            if faulty:
                return Outcome.REFUSED
            if self.response.status is not None:
                return Outcome.UNKNOWN
            everything = self.response.results == "all"
            return Outcome.APPLIED if everything else Outcome.REFUSED
        means = self.words.get(word, Outcome.UNKNOWN)
        # "accepted", and yet an error beside it: neither is to be believed
        taken = means in ACKNOWLEDGED
        return Outcome.UNKNOWN if taken and faulty else means


def _is_flat(response: PasonsResponse) -> bool:
    names = (response.key, response.status, response.error or "", response.index or "")
    return all(name is not None and "." not in name for name in names)


def _at(entry: dict[str, Any], place: str | None) -> Any:
    if place is None:
        return None
    return lookup(entry, place) if "." in place else entry.get(place)


def _outcome_of_number(status: int) -> Outcome:
    """A status per item as 207 has it."""
    if 200 <= status < 300:
        return Outcome.APPLIED
    if status in (408, 425, 429) or 500 <= status < 600:
        return Outcome.RETRYABLE
    return Outcome.REFUSED if 400 <= status < 500 else Outcome.UNKNOWN
