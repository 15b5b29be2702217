"""Deploys an environment of samconfig.toml, with all its parameters, or not at all.

`sam deploy --parameter-overrides` replaces the list of samconfig.toml instead of adding to it, and ignores names that the
template does not declare. So this program merges the given values with those of the file. Other parameters keep their deployed
value or the template's default. CloudFormation rejects a parameter that has neither.

Packages for another machine than `Architecture` are rejected before the upload.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tomllib

import packages
import sam

SAMCONFIG = sam.ROOT / "samconfig.toml"


class Refused(Exception):
    """The reason why nothing is deployed."""


def environments():
    """The environments of samconfig.toml: the parameters of their `sam deploy`, by name."""
    try:
        config = tomllib.loads(SAMCONFIG.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{SAMCONFIG.name}: {error}") from error
    return {
        name: commands["deploy"]["parameters"]
        for name, commands in config.items()
        if isinstance(commands, dict) and "deploy" in commands
    }


def assignments(arguments, known):
    """Parses NAME=VALUE; every name must be a parameter of the template."""
    values = {}
    for argument in arguments:
        name, is_assignment, value = argument.partition("=")
        if not is_assignment or name not in known:
            raise Refused(f"{name!r} is not a parameter of the template")
        values[name] = value
    return values


def parameters(environment, arguments=(), template=None):
    """All values of a deploy: those of samconfig.toml, overridden by the given ones."""
    known = (template or sam.load())["Parameters"]
    all_of_them = environments()
    if environment not in all_of_them:
        raise Refused(f"{environment!r} is none of the environments of {SAMCONFIG.name}: {', '.join(all_of_them)}")
    of_file = all_of_them[environment].get("parameter_overrides", [])
    # The architecture is always explicit, because the packages are checked against it.
    architecture = {"Architecture": known["Architecture"]["Default"]}
    return architecture | assignments(of_file, known) | assignments(arguments, known)


def check_packages(template, architecture):
    """Rejects functions that are not built for the architecture."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            packages.check(sam.ROOT / resource["Properties"]["CodeUri"], architecture)


def command(environment, values, template, options=()):
    """The command line of the deploy."""
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    overrides = [f'{name}="{value}"' for name, value in escaped.items()]
    # Both files are explicit: sam looks for one beside the other, and prefers the output of an earlier `sam build`.
    files = ["--config-file", str(SAMCONFIG), "--template-file", str(template)]
    return ["sam", "deploy", *files, "--config-env", environment, "--parameter-overrides", *overrides, *options]


def main(arguments):
    usage = argparse.ArgumentParser(prog="infra/deploy", description=__doc__.splitlines()[0])
    usage.add_argument("environment", help="an environment of samconfig.toml, such as dev")
    usage.add_argument("values", nargs="*", metavar="NAME=VALUE", help="a parameter; overrides samconfig.toml")
    usage.add_argument("--template-file", type=pathlib.Path, default=sam.TEMPLATE, help="another template")
    usage.add_argument("--sam", action="append", default=[], metavar="OPTION", help="an option of `sam deploy`")
    arguments = usage.parse_intermixed_args(arguments)
    template = sam.load(arguments.template_file)
    values = parameters(arguments.environment, arguments.values, template)
    check_packages(template, values["Architecture"])
    line = command(arguments.environment, values, arguments.template_file.resolve(), arguments.sam)
    # sam has its own Python environment.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(line, cwd=sam.ROOT, env=surroundings).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Refused, packages.WrongPackage) as problem:
        sys.exit(f"infra/deploy: {problem}")
    except FileNotFoundError:
        sys.exit("infra/deploy: sam is missing; install it with: pip install aws-sam-cli")
