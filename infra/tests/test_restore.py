"""A stack over restored tables begins with them as they are; tests/deployment restores with it."""

import datetime
import unittest

import deployment
import restore
import sam
from botocore.exceptions import ClientError

AT = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)


class AWS:
    """The calls of a restore, on tables that are there already."""

    def __init__(self, tables):
        self.tables = tables

    def restore_table_to_point_in_time(self, SourceTableName, TargetTableName, RestoreDateTime):
        if TargetTableName in self.tables:
            raise ClientError({"Error": {"Code": "TableAlreadyExistsException"}}, "RestoreTableToPointInTime")
        source = f"arn:aws:dynamodb:us-east-1:123456789012:table/{SourceTableName}"
        self.tables[TargetTableName] = {"SourceTableArn": source, "RestoreDateTime": RestoreDateTime}

    def describe_table(self, TableName):
        return {"Table": {"RestoreSummary": self.tables[TableName]}}


class Session:
    def __init__(self, tables):
        self.aws = AWS(tables)

    def client(self, _):
        return self.aws


class Restored(unittest.TestCase):
    def setUp(self):
        self.template = sam.load()

    def test_the_import_has_the_tables_that_can_be_restored_and_nothing_else(self):
        made = restore.import_template(self.template, "new-")
        self.assertEqual(set(made), {"AWSTemplateFormatVersion", "Resources"})
        names = {name: table["Properties"]["TableName"] for name, table in made["Resources"].items()}
        self.assertEqual(
            names,
            {
                "EventsTable": "new-events",
                "InteractionsTable": "new-interactions",
                "PurchasesTable": "new-purchases",
                "StateTable": "new-state",
                "StatsTable": "new-stats",
            },
        )
        imported = restore.resources_to_import(self.template, "new-")
        self.assertEqual({one["LogicalResourceId"]: one["ResourceIdentifier"]["TableName"] for one in imported}, names)

    def test_a_deploy_over_them_replaces_no_table(self):
        """What cannot change without a new table is the same in both templates."""
        made = restore.import_template(self.template, "new-")["Resources"]
        parameters = deployment.parameters("prod", ["AllowedOrigins=https://a.example", "JwtSecretArn=arn:x"])
        expanded = sam.expand(sam.package(sam.load(), lambda _: "s3://bucket/key"), parameters)["Resources"]
        for name, table in made.items():
            deployed = expanded[name]
            self.assertEqual(deployed["Properties"]["KeySchema"], table["Properties"]["KeySchema"])
            self.assertEqual(deployed["DeletionPolicy"], table["DeletionPolicy"])
            named = deployed["Properties"]["TableName"]["Fn::If"][1]["Fn::Sub"]
            self.assertEqual(named.replace("${TablePrefix}", "new-"), table["Properties"]["TableName"])
            settings = {"StreamSpecification", "TimeToLiveSpecification", "PointInTimeRecoverySpecification"}
            self.assertFalse(settings & set(table["Properties"]), "a restored table has none of these")

    def restores(self, tables, at=AT):
        session = Session(tables)
        sources = {name: f"old-{name}" for name in restore.recoverable(self.template)}
        return restore.Restore("old", "new", session, say=lambda _: None)._restore(sources, at)

    def test_it_goes_on_where_it_was_and_takes_no_table_of_another_source_or_moment(self):
        tables = {}
        targets = self.restores(tables)
        self.assertEqual(sorted(targets), sorted(tables))
        self.assertEqual(self.restores(tables), targets)
        with self.assertRaisesRegex(restore.Refused, "is a copy of"):
            self.restores(tables, AT + datetime.timedelta(seconds=1))
        tables["new-stats"] = {}
        with self.assertRaisesRegex(restore.Refused, "new-stats exists and is not a copy of old-StatsTable"):
            self.restores(tables)


if __name__ == "__main__":
    unittest.main()
