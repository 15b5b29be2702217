"""template.yaml as the CloudFormation service reads it: packaged, then expanded by the SAM transform."""

import logging
import os
import pathlib

# The transform looks for a region; nothing is asked of AWS.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
logging.getLogger("samtranslator").setLevel(logging.ERROR)

from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"


class InvalidTemplate(Exception):
    """What the transform found wrong."""


class _NoManagedPolicies:
    """Policies are spelled out in the template, so no list of AWS's is needed to look names up in."""

    def load(self):
        return {}


def load(path=TEMPLATE):
    """A template, with its short-form intrinsics in the long form."""
    return yaml_parse(pathlib.Path(path).read_text())


def of_type(template, kind):
    """The resources of a type: name and properties of each."""
    return [
        (name, resource.get("Properties", {}))
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    ]


def package(template, upload):
    """Replaces each CodeUri with the place where `upload` put that folder, as `aws cloudformation package` does."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = upload(properties["CodeUri"].rstrip("/"))
    return template


def expand(template, parameters=None):
    """Applies the transform, with the parameters' values, for it writes some into what it makes of the API."""
    values = {}
    for name, parameter in template["Parameters"].items():
        value = (parameters or {}).get(name, parameter.get("Default", ""))
        # Lists come to the transform as lists, as the service hands them over.
        values[name] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else value
    try:
        return transform(template, values, _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise InvalidTemplate("\n".join(cause.message for cause in error.causes)) from error
