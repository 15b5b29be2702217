"""Restores the tables of a stack to a moment, as the tables of a new stack.

DynamoDB restores into a new table, without its stream, expiry, point-in-time recovery and deletion protection
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/pointintimerecovery_restores.html). CloudFormation imports
these tables into a new stack (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html), which
has nothing else at first. `infra/deploy` with the same `TablePrefix` then adds the rest, and the missing settings of the tables.

All tables are restored to the same second: their items refer to each other. A second run continues where the first stopped.
"""

import argparse
import datetime
import json
import sys
import time

import boto3
from botocore.exceptions import ClientError

import sam

TABLE = "AWS::DynamoDB::Table"
# The template's properties that a restored table has.
RESTORED = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
POLL_SECONDS = 5


class Refused(Exception):
    """The reason why nothing is restored."""


def recoverable(template):
    """The template's tables that have point-in-time recovery: logical id, properties."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == TABLE and "PointInTimeRecoverySpecification" in resource["Properties"]
    }


def table_name(properties, prefix):
    """The name of a table in a stack with this prefix."""
    named = properties["TableName"]["Fn::If"][1]["Fn::Sub"]
    return named.replace("${TablePrefix}", prefix)


def import_template(template, prefix):
    """The template of a stack with the restored tables, as they are, and nothing else.

    An import takes no outputs, and each of its resources needs a deletion policy.
    """
    tables = {}
    for name, properties in recoverable(template).items():
        tables[name] = {key: template["Resources"][name][key] for key in ("Type", "DeletionPolicy", "UpdateReplacePolicy")}
        kept = {key: properties[key] for key in RESTORED if key in properties}
        tables[name]["Properties"] = {"TableName": table_name(properties, prefix)} | kept
    return {"AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"], "Resources": tables}


def resources_to_import(template, prefix):
    return [
        {
            "ResourceType": TABLE,
            "LogicalResourceId": name,
            "ResourceIdentifier": {"TableName": table_name(properties, prefix)},
        }
        for name, properties in recoverable(template).items()
    ]


class Restore:
    """A restore of a stack's tables in a new stack."""

    def __init__(self, source, target, session=None, say=print):
        session = session or boto3.Session()
        self.dynamodb, self.cloudformation = session.client("dynamodb"), session.client("cloudformation")
        self.source, self.target, self.say = source, target, say
        self.prefix = f"{target}-"
        self.template = sam.load()

    def run(self, at):
        """Restores to a moment; None is the latest that all tables can be restored to."""
        sources = self._sources()
        at = at or self._latest(sources)
        self.say(f"restoring {len(sources)} tables of {self.source} to {at.isoformat()}")
        targets = self._restore(sources, at)
        for target in targets:
            self._wait_until_active(target)
        self._import()
        self.say(f"{self.target} has the tables; now: infra/deploy ENVIRONMENT TablePrefix={self.prefix} …"
                 f" --sam=--stack-name={self.target}")

    def _sources(self):
        """The physical names of the source's tables, by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.source)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        tables = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources if r["ResourceType"] == TABLE}
        wanted = recoverable(self.template).keys()
        if missing := wanted - tables.keys():
            raise Refused(f"{self.source} does not have {', '.join(sorted(missing))}")
        return {name: tables[name] for name in wanted}

    def _latest(self, sources):
        moments = []
        for source in sources.values():
            backups = self.dynamodb.describe_continuous_backups(TableName=source)["ContinuousBackupsDescription"]
            moment = backups["PointInTimeRecoveryDescription"].get("LatestRestorableDateTime")
            if moment is None:
                raise Refused(f"{source} has no point-in-time recovery")
            moments.append(moment)
        return min(moments)

    def _restore(self, sources, at):
        properties = recoverable(self.template)
        targets = []
        for name, source in sources.items():
            target = table_name(properties[name], self.prefix)
            targets.append(target)
            try:
                self.dynamodb.restore_table_to_point_in_time(
                    SourceTableName=source, TargetTableName=target, RestoreDateTime=at
                )
                self.say(f"{source} → {target}")
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("TableAlreadyExistsException", "TableInUseException"):
                    raise
                self._check_same_restore(source, target, at)
                self.say(f"{target} exists")
        return targets

    def _check_same_restore(self, source, target, at):
        """Rejects a table that is not a restore of the same source and moment."""
        summary = self.dynamodb.describe_table(TableName=target)["Table"].get("RestoreSummary", {})
        if not summary.get("SourceTableArn", "").endswith(f":table/{source}"):
            raise Refused(f"{target} exists and is not a copy of {source}")
        if summary.get("RestoreDateTime") != at:
            raise Refused(f"{target} exists and is a copy of {summary.get('RestoreDateTime')}")

    def _wait_until_active(self, table):
        while True:
            status = self.dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
            if status == "ACTIVE":
                return
            self.say(f"{table} is {status}")
            time.sleep(POLL_SECONDS)

    def _import(self):
        change_set = "restored"
        self.cloudformation.create_change_set(
            StackName=self.target,
            ChangeSetName=change_set,
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(import_template(self.template, self.prefix)),
            ResourcesToImport=resources_to_import(self.template, self.prefix),
        )
        named = {"StackName": self.target, "ChangeSetName": change_set}
        self.cloudformation.get_waiter("change_set_create_complete").wait(**named)
        self.cloudformation.execute_change_set(**named)
        self.cloudformation.get_waiter("stack_import_complete").wait(StackName=self.target)


def moment(text):
    at = datetime.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("must have a time zone, such as Z")
    return at


def main(arguments):
    usage = argparse.ArgumentParser(prog="infra/restore", description=__doc__.splitlines()[0])
    usage.add_argument("source", help="the stack whose tables are restored")
    usage.add_argument("target", help="the name of the new stack")
    when = usage.add_mutually_exclusive_group(required=True)
    when.add_argument("--at", type=moment, help="the moment, such as 2026-01-31T12:00:00Z")
    when.add_argument("--latest", action="store_true", help="the latest moment that all tables can be restored to")
    arguments = usage.parse_args(arguments)
    Restore(arguments.source, arguments.target).run(arguments.at)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, ClientError) as problem:
        sys.exit(f"infra/restore: {problem}")
