"""A Pusher server on a free port of this machine. It accepts only requests that are signed with its secret."""

import hashlib
import hmac
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

APP = "deployment"
KEY = "a-public-key"
SECRET = "a secret of channels"


class Channels:
    """Runs for the `with` block; `events` are the accepted events, `refused` the rejected requests."""

    def __init__(self):
        self.events = []
        self.refused = []

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        channels = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                is_good = is_signed(self.path, body)
                if is_good:
                    channels.events += json.loads(body)["batch"]
                else:
                    channels.refused.append(self.path)
                self.send_response(200 if is_good else 401)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        return Handler


def is_signed(target, body):
    """Whether a request to publish events has a valid signature."""
    path, _, query = target.partition("?")
    signed, _, by = query.partition("&auth_signature=")
    said = dict(urllib.parse.parse_qsl(signed))
    return (
        path == f"/apps/{APP}/batch_events"
        and said["auth_key"] == KEY
        and said["body_md5"] == hashlib.md5(body).hexdigest()
        and by == signature(f"POST\n{path}\n{signed}")
    )


def signature(text):
    return hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256).hex()


def parameters(channels, emulator):
    """The parameters of this server, with its secret in Secrets Manager."""
    made = emulator.client("secretsmanager").create_secret(Name="channels", SecretString=f"{SECRET}\n")
    return {
        "PusherAppId": APP,
        "PusherKey": KEY,
        "PusherSecretArn": made["ARN"],
        "PusherHost": channels.url,
    }
