"""Lints template.yaml and samconfig.toml, offline; any finding is an error.

cfn-lint knows little of SAM's own resources (a missing StartingPosition, an unknown authorizer or
a wrong !Ref pass), so the template is linted twice: as written, and as the SAM transform expands it.
"""

import json
import re
import subprocess
import sys

import alarms
import deployment
import operation
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
    # The transform replaces some references by values, so unused parameters are searched in the source.
    return cfn_lint(EXPANDED, "--ignore-checks", "W2001")


def unused_parameters():
    source = sam.TEMPLATE.read_text()
    return [
        f"{sam.TEMPLATE.name}: parameter {name} is not used"
        for name in sam.load()["Parameters"]
        if len(re.findall(rf"\b{name}\b", source)) < 2
    ]


def samconfig_findings():
    path = deployment.SAMCONFIG
    known = sam.load()["Parameters"]
    findings = []
    try:
        environments = deployment.environments()
        for environment, deploy in environments.items():
            findings += [
                f"{path.name}: {environment}.deploy.parameters lacks {key}"
                for key in ("stack_name", "capabilities")
                if key not in deploy
            ]
            for name, value in deployment.parameters(environment).items():
                if value not in map(str, known[name].get("AllowedValues", [value])):
                    findings.append(f"{path.name}: {environment}: the template does not allow {name} to be {value}")
    except deployment.Refused as problem:
        return [str(problem)]
    return findings + [f"{path.name}: there is no {name}" for name in ("dev", "prod") if name not in environments]


def main():
    findings = cfn_lint(sam.TEMPLATE) + expanded_findings() + unused_parameters() + samconfig_findings()
    findings += alarms.findings(sam.load(), (sam.ROOT / "docs" / "operations.md").read_text())
    findings += operation.findings(sam.load())
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        sys.exit(1)
    print("template.yaml and samconfig.toml: no findings")


main()
