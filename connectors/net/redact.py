"""URLs and texts fit for logs, errors and repr: the secrets in them masked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

__all__ = ["MASK", "mask_text", "mask_url"]

MASK = "***"

# Query names whose value is or may be a secret: listenKey, signature, auth, token,
# oauth_token, apiKey, sessionToken, bearer_token, api_secret, password ...
_SECRET_NAME = r"[\w.-]*(?:key|sign|auth|token|secret|session|passw|cookie)[\w.-]*"
_QUERY = re.compile(rf"(?i)(^|[?&;])({_SECRET_NAME})=[^&;\s#]*")
# Listen keys also travel as a path segment: long and without any separator.
_OPAQUE_SEGMENT = re.compile(r"(?<=/)[A-Za-z0-9_-]{40,}(?=/|$)")
_URL_IN_TEXT = re.compile(r"\b(?:wss?|https?|socks[45]h?)://[^\s'\"<>]+")


def mask_url(url: str) -> str:
    """Return the URL with secret query values, opaque path segments and passwords masked."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc
    except ValueError:  # not a URL: keep nothing that could be secret
        return MASK
    if "@" in netloc:
        netloc = f"{MASK}@{netloc.rpartition('@')[2]}"
    path = _OPAQUE_SEGMENT.sub(MASK, parts.path)
    query = _QUERY.sub(rf"\1\2={MASK}", parts.query)
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def mask_text(text: str) -> str:
    """Return the text with every URL in it masked."""
    return _URL_IN_TEXT.sub(lambda found: mask_url(found.group()), text)
