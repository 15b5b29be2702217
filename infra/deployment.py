"""Deploys an environment of samconfig.toml, with all its parameters, or not at all.

`sam deploy --parameter-overrides` replaces the list of samconfig.toml instead of adding to it, and passes over a name that the
template does not know. So what is given here is put together with the file's first. What neither gives stays as it was deployed
last, or the template's default; a parameter without either makes CloudFormation refuse.

Packages for another machine than `Architecture` are refused before anything is uploaded.
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
    """Why nothing is deployed."""


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
    """NAME=VALUE, each of a name that is known."""
    values = {}
    for argument in arguments:
        name, is_assignment, value = argument.partition("=")
        if not is_assignment or name not in known:
            raise Refused(f"{name!r} is not a parameter of the template")
        values[name] = value
    return values


def parameters(environment, arguments=(), template=None):
    """All values that a deploy of the environment gives: the file's, and over them those given."""
    known = (template or sam.load())["Parameters"]
    all_of_them = environments()
    if environment not in all_of_them:
        raise Refused(f"{environment!r} is none of the environments of {SAMCONFIG.name}: {', '.join(all_of_them)}")
    of_file = all_of_them[environment].get("parameter_overrides", [])
    # The architecture is given in any case, because the packages are checked for it.
    architecture = {"Architecture": known["Architecture"]["Default"]}
    return architecture | assignments(of_file, known) | assignments(arguments, known)


def check_packages(template, architecture):
    """Refuses functions of the template that are not built for an architecture."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            packages.check(sam.ROOT / resource["Properties"]["CodeUri"], architecture)


def command(environment, values, template, options=()):
    """The command line that deploys."""
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    overrides = [f'{name}="{value}"' for name, value in escaped.items()]
    # Both files by name: sam looks for the one beside the other, and prefers what an earlier `sam build` left behind.
    files = ["--config-file", str(SAMCONFIG), "--template-file", str(template)]
    return ["sam", "deploy", *files, "--config-env", environment, "--parameter-overrides", *overrides, *options]


def main(arguments):
    usage = argparse.ArgumentParser(prog="infra/deploy", description=__doc__.splitlines()[0])
    usage.add_argument("environment", help="one of samconfig.toml's, such as dev")
    usage.add_argument("values", nargs="*", metavar="NAME=VALUE", help="a parameter; it wins over samconfig.toml's")
    usage.add_argument("--template-file", type=pathlib.Path, default=sam.TEMPLATE, help="another template")
    usage.add_argument("--sam", action="append", default=[], metavar="OPTION", help="an option of `sam deploy`")
    arguments = usage.parse_intermixed_args(arguments)
    template = sam.load(arguments.template_file)
    values = parameters(arguments.environment, arguments.values, template)
    check_packages(template, values["Architecture"])
    line = command(arguments.environment, values, arguments.template_file.resolve(), arguments.sam)
    # The Python of this repository's tools is not that of sam.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(line, cwd=sam.ROOT, env=surroundings).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Refused, packages.WrongPackage) as problem:
        sys.exit(f"infra/deploy: {problem}")
    except FileNotFoundError:
        sys.exit("infra/deploy: sam is missing; install it with: pip install aws-sam-cli")
