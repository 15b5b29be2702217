"""`cargo dev --functions cargo-lambda`, used as its users do: it starts, counts a play over HTTP, rebuilds after an
edit, and `cargo lambda invoke` accepts every example event of every function."""

import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
# Maximum time of a step that starts functions on a busy machine.
PATIENCE_S = 300
# The function that is edited, and the log line of the edited version.
EDITED = "get-track"
MARK = "tests/cargo-lambda: this is the edited function"


def main():
    events = {folder.parent.name: sorted(folder.glob("*.json")) for folder in ROOT.glob("functions/*/events")}
    functions = sorted(folder.name for folder in ROOT.glob("functions/*"))
    missing = [name for name in functions if not events.get(name)]
    assert not missing, f"functions without an example event: {missing}"

    with tempfile.TemporaryFile() as log, Cloud(log) as cloud:
        step("a play is counted over HTTP", lambda: counts_a_play(cloud))
        step("an edited function is rebuilt", lambda: rebuilds_after_an_edit(cloud))
        everything = [(name, path) for name in functions for path in events[name]]
        step(f"{len(everything)} events of {len(functions)} functions", lambda: invokes(cloud, everything))


def step(name, run):
    began = time.monotonic()
    run()
    print(f"cargo lambda: {name} ({time.monotonic() - began:.0f} s)", flush=True)


class Cloud:
    """The local cloud, with its functions in `cargo lambda watch`."""

    def __init__(self, log):
        self.log = log
        self.port = free_port()

    def __enter__(self):
        arguments = ["--in-memory", "--port", "0", "--json"]
        arguments += ["--functions", "cargo-lambda", "--functions-port", str(self.port)]
        self.process = subprocess.Popen(
            [TARGET / "debug/local", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            self.tell()
            sys.exit("cargo dev --functions cargo-lambda does not start")
        self.ready = json.loads(line)
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        if kind is not None or code != 0:
            self.tell()
        assert kind is not None or code == 0, f"cargo dev ended with {code}"

    def tell(self):
        sys.stderr.write("\n".join(self.logged().splitlines()[-200:]) + "\n")

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def call(self, method, path, body=None, headers=()):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.ready["apiUrl"] + path, data, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def free_port():
    family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
    try:
        listener = socket.socket(family)
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    except OSError:
        listener = socket.socket(socket.AF_INET)
        listener.bind(("127.0.0.1", 0))
    with listener:
        return listener.getsockname()[1]


def until(holds, what):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"timed out: {what}"
        time.sleep(0.2)


def counts_a_play(cloud):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    play = {"id": "e1", "type": "play", "trackId": "song", "sessionId": "s1", "source": "search", "duration": 45}
    headers = {"content-type": "application/json", "x-write-key": cloud.ready["writeKey"]}
    status, body = cloud.call("POST", "/api/stats/events", {"events": [play | {"timestamp": now}]}, headers)
    assert status == 200 and body["accepted"] == 1, (status, body)
    until(lambda: is_counted(cloud), "the play is counted")


def is_counted(cloud):
    status, body = cloud.call("GET", "/api/tracks/song")
    assert status in (200, 404), (status, body)
    return status == 200 and body["counters"]["totalPlays"] == 1


def rebuilds_after_an_edit(cloud):
    path = ROOT / "functions" / EDITED / "src/main.rs"
    source = path.read_text()
    edited = source.replace("-> std::process::ExitCode {\n", f'-> std::process::ExitCode {{\n    eprintln!("{MARK}");\n')
    assert edited != source, f"{path} has no main to edit"
    try:
        path.write_text(edited)
        until(lambda: MARK in cloud.logged(), "the edited function runs")
        assert is_counted(cloud)
    finally:
        before = cloud.logged()
        path.write_text(source)
    # cargo lambda watch restarts every function after every change, and loses an invocation that the old process took.
    running = started(before)
    until(lambda: running <= started(cloud.logged()[len(before) :]), "all functions run again")


def started(log):
    """The functions that cargo reports as running."""
    return set(re.findall(r"Running `.*/debug/([a-z-]+)`", log))


def invokes(cloud, everything):
    # Their first starts wait for each other at cargo's lock.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = list(filter(None, pool.map(lambda event: problem(cloud, *event), everything)))
    assert not problems, "\n".join(problems)


def problem(cloud, name, path):
    """The error in a function's response to an example event, or None."""
    command = ["cargo", "lambda", "invoke", name, "--invoke-port", str(cloud.port), "--data-file", str(path)]
    if not is_ipv6(cloud.port):
        command += ["--invoke-address", "127.0.0.1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    where = path.relative_to(ROOT)
    if done.returncode != 0:
        return f"{where}: {done.stdout}{done.stderr}"
    answer = json.loads(done.stdout)
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    if status is not None and (status >= 500 or status == 400):
        return f"{where}: {answer}"
    return None


def is_ipv6(port):
    try:
        socket.create_connection(("::1", port), 5).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
