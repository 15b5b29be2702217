"""Lints template.yaml and samconfig.toml, offline; any finding is an error.

cfn-lint knows little of SAM's own resources (a missing StartingPosition, an unknown authorizer or
a wrong !Ref pass), so the template is linted twice: as written, and as the SAM transform expands it.
"""

import json
import re
import subprocess
import sys
import tomllib

import sam

EXPANDED = sam.ROOT / "target" / "template-expanded.json"
REGIONS = ["us-east-1", "eu-west-1"]


def cfn_lint(path, *options):
    command = [sam.ROOT / ".venv/bin/cfn-lint", "--format", "parseable", "--regions", *REGIONS, *options]
    run = subprocess.run(
        [*command, "--template", path.relative_to(sam.ROOT)], cwd=sam.ROOT, capture_output=True, text=True
    )
    findings = run.stdout.splitlines()
    if run.returncode and not findings:
        findings = [run.stderr]
    return findings


def expanded_findings():
    try:
        expanded = sam.expand(sam.package(sam.load(), lambda folder: f"s3://bucket/{folder}"))
    except sam.InvalidTemplate as error:
        return [str(error)]
    EXPANDED.parent.mkdir(exist_ok=True)
    EXPANDED.write_text(json.dumps(expanded, indent=1))
    # The transform puts a parameter's value in place of some references: unused ones are found in the source.
    return cfn_lint(EXPANDED, "--ignore-checks", "W2001")


def unused_parameters():
    source = sam.TEMPLATE.read_text()
    return [
        f"{sam.TEMPLATE.name}: parameter {name} is not used"
        for name in sam.load()["Parameters"]
        if len(re.findall(rf"\b{name}\b", source)) < 2
    ]


def samconfig_findings():
    path = sam.ROOT / "samconfig.toml"
    try:
        config = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        return [f"{path.name}: {error}"]
    known = sam.load()["Parameters"]
    findings = []
    for environment in ("dev", "prod"):
        deploy = config.get(environment, {}).get("deploy", {}).get("parameters", {})
        findings += [
            f"{path.name}: {environment}.deploy.parameters lacks {key}"
            for key in ("stack_name", "capabilities")
            if key not in deploy
        ]
        for override in deploy.get("parameter_overrides", []):
            name, _, value = override.partition("=")
            if name not in known:
                findings.append(f"{path.name}: {environment} sets {name}, which the template does not know")
            elif value not in map(str, known[name].get("AllowedValues", [value])):
                findings.append(f"{path.name}: {environment} sets {name} to {value}, which the template does not allow")
    return findings


def main():
    findings = cfn_lint(sam.TEMPLATE) + expanded_findings() + unused_parameters() + samconfig_findings()
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        sys.exit(1)
    print("template.yaml and samconfig.toml: nothing to complain of")


main()
