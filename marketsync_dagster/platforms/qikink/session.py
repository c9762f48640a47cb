"""One client of Qikink, open: calls that carry the token which all processes share.

A token that the platform refuses is replaced once, and the call is made once more: with the token
that somebody else has minted meanwhile, if there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self
from urllib.parse import urlencode, urlsplit

from marketsync_dagster.platforms import answers
from marketsync_dagster.platforms.answers import Readable, Rules
from marketsync_dagster.platforms.base import NOT_CALLED, Answer, Call, Pace, PlatformError
from marketsync_dagster.platforms.http import Transport
from marketsync_dagster.platforms.qikink.words import BUSY_WAIT_S, fault_of, text_of
from marketsync_dagster.platforms.reading import RetryRules
from marketsync_dagster.platforms.signing import Signer
from marketsync_dagster.platforms.tokens import AccessToken, Tokens
from marketsync_dagster.platforms.urls import base_path, encode_query, place_of
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import Outcome

TOKEN_LIFE_S = 3_600.0
"""Where an answer does not say how long a token lives."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Everything an open account needs, secrets resolved: never shown, never logged."""

    name: str
    profile: Literal["real", "spec"]
    base_url: str
    token_url: str
    client_id: str
    secrets: tuple[str, ...]
    """Usable client secrets, newest first."""
    hint: str
    """Where the secret comes from, `accounts.x.client_secret (environment variable Y)`."""
    signing: Literal["none", "canonical_v1"] = "none"
    early_s: float = 100.0
    """Tokens are renewed so long before their end."""
    retry: RetryRules = field(default_factory=RetryRules)


@dataclass(frozen=True, slots=True)
class Said:
    """What one call came to, and the calls that it took before, for tokens."""

    answer: Answer | Readable
    before: tuple[Call, ...] = ()


class Session:
    """Calls to one account."""

    def __init__(
        self, access: Access, transport: Transport, token_transport: Transport, tokens: Tokens
    ) -> None:
        self.access = access
        self._transport = transport
        self._token_transport = token_transport
        self._tokens = tokens
        self._at = 0
        """Which of the secrets the platform takes; those before it were refused."""
        self._base_path = base_path(access.base_url)
        self._rules = _rules(access, access.base_url)
        self._token_rules = _rules(access, access.token_url)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        await self._token_transport.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._token_transport.__aexit__(*args)
        await self._transport.__aexit__(*args)

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        private: Sequence[str] = (),
        count: int = 1,
        pace: Pace | None = None,
    ) -> Said:
        """One call, made twice at most: the second time with another token.

        `pace` is awaited before each call beyond the first. Nothing was sent to `path` where no
        token could be had: AUTH_FAILED, or RETRYABLE.
        """
        before: list[Call] = []
        refused = ""
        while True:
            try:
                token = await self._token(refused, before, pace)
                if pace is not None and before:
                    await pace()
            except (PlatformError, Busy) as error:
                return _without_token(error, method, path, before)
            answer = await self._attempt(
                method, path, body, params, {**(headers or {})}, (*private, token), count, token
            )
            if not _refuses_token(answer):
                return Said(answer, tuple(before))
            if refused:
                return Said(self._locked_out(answer), tuple(before))
            before.append(answer.call)
            refused = token

    async def _attempt(
        self,
        method: str,
        path: str,
        body: bytes | None,
        params: Mapping[str, str] | None,
        headers: dict[str, str],
        private: Sequence[str],
        count: int,
        token: str,
    ) -> Answer | Readable:
        access = self.access
        signer = Signer(access.signing, access.secrets[self._at])
        signature = signer.headers(
            method, path, base_path=self._base_path, query=encode_query(params), body=body or b""
        )
        if access.profile == "real":
            headers |= {"ClientId": access.client_id, "Accesstoken": token}
        else:
            headers |= {"Authorization": f"Bearer {token}", "X-Client-ID": access.client_id}
        if body is not None:
            headers["Content-Type"] = "application/json"
        signed = signature.get("X-Signature", "").removeprefix("v1=")
        result, call = await self._transport.request(
            method,
            path,
            content=body,
            headers={**headers, **signature},
            params=params,
            private=(*private, signed),
        )
        return answers.settle(result, call, self._rules, count=count)

    def _locked_out(self, answer: Answer | Readable) -> Answer:
        if isinstance(answer, Answer):
            return replace(answer, outcome=Outcome.AUTH_FAILED, split=False)
        fault = fault_of(answer.document)
        words = answer.clean(fault.words if fault else "")
        message = f"the platform did not take the token ({words}); {self._rules.auth_hint}"
        return Answer(answer.call, outcome=Outcome.AUTH_FAILED, message=message)

    # --- tokens

    async def _token(self, refused: str, before: list[Call], pace: Pace | None) -> str:
        """The token in force; PlatformError where none can be had.

        A secret that the platform refuses gives way to an older one that is usable too.
        """
        secrets = self.access.secrets
        while True:
            at = self._at

            async def mint(at: int = at) -> AccessToken:
                if pace is not None and before:
                    await pace()
                return await self._mint(secrets[at], before)

            try:
                return await self._tokens.current(
                    self._name(secrets[at]), mint, early_s=self.access.early_s, not_this=refused
                )
            except PlatformError as error:
                if error.outcome is not Outcome.AUTH_FAILED or at + 1 == len(secrets):
                    raise
                self._at = max(self._at, at + 1)

    def _name(self, secret: str) -> str:
        """A token belongs to the client and to the secret that it was minted with: after a change
        of the secret it proves nothing."""
        said = "\0".join((place_of(self.access.token_url), self.access.client_id, secret))
        return f"qikink/{hashlib.sha256(said.encode()).hexdigest()[:32]}"

    async def _mint(self, secret: str, before: list[Call]) -> AccessToken:
        """One attempt to make a token; PlatformError, AUTH_FAILED or RETRYABLE, if there is none:
        nothing of what was to be done has been sent then."""
        client = self.access.client_id
        if self.access.profile == "real":
            form = {"ClientId": client, "client_secret": secret}
        else:
            form = {"grant_type": "client_credentials", "client_id": client}
            form["client_secret"] = secret
        parts = urlsplit(self.access.token_url)
        result, call = await self._token_transport.request(
            "POST", parts.path, content=urlencode(form).encode(), headers=_FORM, private=(secret,)
        )
        answer = answers.settle(result, call, self._token_rules, count=1)
        if isinstance(answer, Readable):
            before.append(call)
            return self._minted(answer, call)
        words = answer.message
        if call.status is not None and 200 <= call.status < 300:
            words = _UNREADABLE  # it may hold a token all the same
            call = replace(call, error=_UNREADABLE)
        before.append(call)
        unsure = answer.outcome in (Outcome.RETRYABLE, Outcome.UNKNOWN)
        raise PlatformError(
            f"there is no access token: {words}",
            self._token_rules.auth_hint,
            outcome=Outcome.RETRYABLE if unsure else Outcome.AUTH_FAILED,
            calls=(call,),
            retry_after_s=answer.retry_after_s,
        )

    def _minted(self, answer: Readable, call: Call) -> AccessToken:
        document, fault = answer.document, fault_of(answer.document)
        outcome = Outcome.RETRYABLE
        if fault is not None:
            words = answer.clean(fault.words)
            if fault.outcome is not Outcome.RETRYABLE:
                outcome = Outcome.AUTH_FAILED
                words = f"the platform did not take the key ({words}); {self._rules.auth_hint}"
        else:
            said = document if isinstance(document, dict) else {}
            text = text_of(said.get("Accesstoken") or said.get("access_token"))
            life = text_of(said.get("expires_in"))
            if text and text.isascii() and text.isprintable() and " " not in text:
                return AccessToken(text, float(life) if life.isdecimal() else TOKEN_LIFE_S)
            words = _UNREADABLE
        raise PlatformError(
            f"there is no access token: {words}",
            self._rules.auth_hint,
            outcome=outcome,
            calls=(call,),
            retry_after_s=BUSY_WAIT_S if fault is not None and fault.status == 429 else None,
        )


_UNREADABLE = "an answer without a token that can be read; is base_url right?"


def _rules(access: Access, url: str) -> Rules:
    return Rules(
        host=urlsplit(url).hostname or "",
        auth_hint=f"set a valid secret: {access.hint}",
        retry_cap_s=access.retry.retry_after_cap_s,
        busy_wait_s=BUSY_WAIT_S,
        exact=True,
    )


def _refuses_token(answer: Answer | Readable) -> bool:
    if isinstance(answer, Answer):
        return answer.outcome is Outcome.AUTH_FAILED
    fault = fault_of(answer.document)
    return fault is not None and fault.of_token


def _without_token(error: PlatformError | Busy, method: str, path: str, before: list[Call]) -> Said:
    """A call that was not made for want of a token."""
    call = Call(method, path, None, 0, error=NOT_CALLED)
    if not isinstance(error, PlatformError):
        return Said(Answer(call, outcome=Outcome.RETRYABLE, message=error.message), tuple(before))
    outcome = error.outcome if error.outcome is Outcome.AUTH_FAILED else Outcome.RETRYABLE
    said = Answer(call, outcome=outcome, message=error.message, retry_after_s=error.retry_after_s)
    return Said(said, tuple(before))
