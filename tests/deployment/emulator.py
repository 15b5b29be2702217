"""MiniStack, an AWS emulator, as a process of its own on a free port of this machine."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
import sam
from botocore.config import Config

REGION = "us-east-1"
UP_WITHIN_SECONDS = 60
DONE_WITHIN_SECONDS = 300


class Emulator:
    """Runs for the `with` block; `log` receives its output."""

    def __init__(self, log):
        self.log = pathlib.Path(log)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="tally-deployment-")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [pathlib.Path(sys.executable).with_name("ministack")],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the functions run as its children: one group to stop
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(timeout=5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        self._scratch.cleanup()

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    def run(self, command, log):
        """Runs a program of the repository against this emulator; `log` receives its output."""
        surroundings = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
        }
        with log.open("w") as output:
            run = subprocess.run(
                command,
                cwd=sam.ROOT,
                env=os.environ | surroundings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=DONE_WITHIN_SECONDS,
            )
        if run.returncode:
            raise RuntimeError(f"{command[0]} ended with {run.returncode}:\n{log.read_text()[-4000:]}")

    def _environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": self._scratch.name,
            "TMPDIR": self._scratch.name,
            "S3_DATA_DIR": f"{self._scratch.name}/s3",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AWS_ENDPOINT_URL": self.url,  # handed on to the functions
            "MINISTACK_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Every call is checked against the policies of its caller: a function that
            # lacks a permission in the template fails here as it would on AWS.
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }

    def _wait_until_up(self):
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"MiniStack ended at once:\n{self.log.read_text()}")
            try:
                urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"MiniStack is not up after {UP_WITHIN_SECONDS} s:\n{self.log.read_text()}")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
