"""Deploys the packaged functions with `infra/deploy dev` into MiniStack, and uses the API as clients do.

MiniStack is an AWS emulator that nobody here wrote, so this shows what no test of our own cloud can:
that template, policies, packages and functions fit together elsewhere too. Every call is checked against
the policies of the template. What the emulator does not do is not shown here: retries, bisecting and
on-failure delivery of stream batches, TTL, point-in-time recovery.

Three things that it does not do are done for it: the SAM transform runs here (with the library that the service runs), the
OpenAPI body that comes out of it is spelled out as resources, and so are alarms on expressions; see stack.py. The rest is what
docs/deploying.md says: the environment's parameters in samconfig.toml, and `sam deploy`.
"""

import re
import signal
import sys
import time
import traceback

import channels
import sam
from api import Api
from emulator import Emulator
from resources import CHECKS
from stack import Stack
from story import PARAMETERS, SECRET, STEPS, Story

LOGS = sam.ROOT / "target" / "deployment-test"
EMULATOR_LOG = LOGS / "emulator.log"
FUNCTIONS_LOG = LOGS / "functions.log"
DEPLOY_LOG = LOGS / "deploy.log"
COMPLAINTS_SHOWN = 50


def main():
    # A SIGTERM stops the emulator too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with Emulator(EMULATOR_LOG) as emulator, channels.Channels() as server:
        stack = None
        try:
            parameters = PARAMETERS | channels.parameters(server, emulator) | secret_of_tokens(emulator)
            stack = timed("infra/deploy creates the stack", Stack, emulator, parameters, DEPLOY_LOG)
            for title, check in CHECKS:
                timed(title, check, stack)
            story = Story(Api(stack.api_url), stack, server)
            for title, step in STEPS:
                timed(title, step, story)
        except Exception:
            traceback.print_exc()
            if stack:
                show_complaints(stack.function_logs())
            print(f"\nall logs: {LOGS.relative_to(sam.ROOT)}", file=sys.stderr)
            sys.exit(1)
    print(f"all {1 + len(CHECKS) + len(STEPS)} passed in {time.monotonic() - began:.1f} s")


def secret_of_tokens(emulator):
    """The parameter with the ARN of the token secret, which is in Secrets Manager."""
    made = emulator.client("secretsmanager").create_secret(Name="tokens", SecretString=SECRET)
    return {"JwtSecretArn": made["ARN"]}


def show_complaints(lines):
    """Stores the output of the functions, and shows warnings, errors and lines that are not log lines."""
    FUNCTIONS_LOG.write_text("\n".join(lines))
    everyday = re.compile(r"(START|END|REPORT) RequestId: |\{\"_aws\"|\{.*\"level\":\"INFO\"")
    complaints = [line for line in lines if not everyday.match(line)]
    print("\nthe functions complain:", *complaints[-COMPLAINTS_SHOWN:], sep="\n", file=sys.stderr)


def timed(title, action, *arguments):
    start = time.monotonic()
    passed, detail = False, ""
    try:
        result = action(*arguments)
        passed, detail = True, f" ({result})" if isinstance(result, str) else ""
        return result
    finally:
        took = (time.monotonic() - start) * 1000
        print(f"{'ok  ' if passed else 'FAIL'} {took:7.0f} ms  {title}{detail}", flush=True)


main()
