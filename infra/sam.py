"""template.yaml as the CloudFormation service reads it: packaged, then expanded by the SAM transform."""

import logging
import os
import pathlib

# The transform needs a region, but does not call AWS.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
logging.getLogger("samtranslator").setLevel(logging.ERROR)

from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"


class InvalidTemplate(Exception):
    """The errors of the transform."""


class _NoManagedPolicies:
    """The template spells out all policies, so the transform needs no list of managed policies."""

    def load(self):
        return {}


def load(path=TEMPLATE):
    """A template, with its short-form intrinsics in the long form."""
    return yaml_parse(pathlib.Path(path).read_text())


def of_type(template, kind):
    """The name and properties of each resource of a type."""
    return [
        (name, resource.get("Properties", {}))
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    ]


def package(template, upload):
    """Replaces each CodeUri with the location that `upload` returns, as `aws cloudformation package` does."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = upload(properties["CodeUri"].rstrip("/"))
    return template


def expand(template, parameters=None):
    """Applies the transform with the parameters' values, because it copies some into the API."""
    values = {}
    for name, parameter in template["Parameters"].items():
        value = (parameters or {}).get(name, parameter.get("Default", ""))
        # The service passes lists to the transform as lists.
        values[name] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else value
    try:
        return transform(template, values, _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise InvalidTemplate("\n".join(cause.message for cause in error.causes)) from error
