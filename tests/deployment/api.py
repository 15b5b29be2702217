"""A client of the API: requests, answers, tokens."""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TIMEOUT_SECONDS = 30


@dataclass
class Answer:
    request: str
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    def expect(self, *statuses):
        """Asserts that the status is one of these, and returns the answer."""
        assert self.status in statuses, f"{self}; expected {' or '.join(map(str, statuses))}"
        return self

    def problem(self, status):
        """Asserts that the answer is a problem document (RFC 9457) of this status, and returns its body."""
        self.expect(status)
        assert self.headers.get("content-type", "").startswith("application/problem+json"), f"{self}; no problem+json"
        assert self.json["status"] == status and self.json["title"] and self.json["requestId"], str(self)
        return self.json

    def __str__(self):
        return f"{self.request} → {self.status} {self.text[:2000]}"


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None, token=None, **headers):
        """Sends a request. A body that is not text is sent as JSON; `x_write_key="k"` sends the header x-write-key."""
        headers = {"user_agent": BROWSER} | headers
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if body is not None:
            headers.setdefault("content_type", "application/json")
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            answered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(f"{method} {path}", response.status, answered, response.read().decode())


def token(secret, subject, role, lives_seconds=3600):
    """A JWT signed with HS256."""
    now = int(time.time())
    claims = {"sub": subject, "role": role, "iat": now, "exp": now + lives_seconds}
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def _base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
