"""The rules of the linter find what they are for: each case breaks template.yaml in one way."""

import copy
import unittest

import alarms
import operation
import sam

TEMPLATE = sam.load()
DOCUMENTATION = (sam.ROOT / "docs" / "operations.md").read_text()


def broken(change):
    """What the rules find once the template was changed."""
    template = copy.deepcopy(TEMPLATE)
    change(template["Resources"], template)
    return alarms.findings(template, DOCUMENTATION) + operation.findings(template)


class Rules(unittest.TestCase):
    def finds(self, change, *expected):
        found = broken(change)
        for part in expected:
            self.assertTrue(any(part in finding for finding in found), f"{part!r} is not in {found}")

    def test_template_keeps_all_rules(self):
        self.assertEqual(broken(lambda resources, template: None), [])

    def test_every_alarm_is_needed(self):
        for alarm in alarms.alarms(TEMPLATE):
            # What functions measure themselves is held against their code by tests/integration/tidy.rs.
            if {metric["namespace"] for metric in alarm.metrics} != {"Tally"}:
                self.assertTrue(broken(lambda resources, _, name=alarm.name: resources.pop(name)), alarm.name)

    def test_documentation_knows_what_alarms_cost(self):
        watched = sum(len(alarm.metrics) for alarm in alarms.alarms(TEMPLATE))
        self.assertIn(f"{watched} metrics, ${watched / 10:.2f}.", DOCUMENTATION)

    def test_every_metric_of_an_expression_is_needed(self):
        for alarm in alarms.alarms(TEMPLATE):
            for entry in alarm.properties.get("Metrics", []):
                if "MetricStat" not in entry or entry["Id"] == "requests":
                    continue

                def without(resources, _, name=alarm.name, entry=entry):
                    resources[name]["Properties"]["Metrics"].remove(entry)

                self.assertTrue(broken(without), f"{alarm.name} without {entry['Id']}")

    def test_new_sources_and_destinations_need_alarms(self):
        def queue(resources, _):
            resources["NewQueue"] = {"Type": "AWS::SQS::Queue", "Properties": {}}

        def consumed(resources, template):
            queue(resources, template)
            arn = {"Fn::GetAtt": ["NewQueue", "Arn"]}
            resources["StartAuditFunction"]["Properties"]["Events"]["New"] = {"Type": "SQS", "Properties": {"Queue": arn}}

        def failures(resources, template):
            queue(resources, template)
            redrive = resources["AuditQueue"]["Properties"]["RedrivePolicy"]
            redrive["deadLetterTargetArn"] = {"Fn::GetAtt": ["NewQueue", "Arn"]}

        def on_failure(resources, template):
            queue(resources, template)
            facts = resources["CounterUpdaterFunction"]["Properties"]["Events"]["Facts"]
            destination = facts["Properties"]["DestinationConfig"]["OnFailure"]
            destination["Destination"] = {"Fn::GetAtt": "NewQueue.Arn"}

        def stream(resources, _):
            resources["StartAuditFunction"]["Properties"]["Events"]["New"] = {"Type": "DynamoDB", "Properties": {}}

        def schedule(resources, _):
            event = {"Type": "Schedule", "Properties": {"Schedule": "rate(1 hour)"}}
            resources["GetTrackFunction"]["Properties"]["Events"]["New"] = event

        def crontab(resources, _):
            event = {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "cron(0 4 * * ? *)"}}
            resources["StartAuditFunction"]["Properties"]["Events"]["New"] = event

        def table(resources, _):
            resources["NewTable"] = {"Type": "AWS::DynamoDB::Table", "Properties": {}}

        def api(resources, _):
            resources["NewApi"] = {"Type": "AWS::Serverless::HttpApi", "Properties": {}}

        self.finds(queue, "NewQueue has no consumer and is not a failure queue")
        self.finds(consumed, "NewQueue has a consumer, and no alarm watches the age", "NewQueue has a consumer, and failed messages")
        self.finds(failures, "NewQueue is a failure queue, and no alarm watches whether it is empty")
        self.finds(on_failure, "NewQueue is a failure queue, and no alarm watches whether it is empty")
        self.finds(stream, "StartAuditFunction reads a stream, and no", "StartAuditFunction reads a stream, and failed records")
        self.finds(schedule, "GetTrackFunction runs every 3600 s", "GetTrackFunction runs by a schedule")
        self.finds(crontab, "AuditFunctionNew runs by cron(0 4 * * ? *), and no alarm can tell")
        self.finds(table, "ReadThrottleEvents of NewTable", "NewTable has no OnDemandThroughput.MaxWriteRequestUnits")
        self.finds(api, "5xx of NewApi", "NewApi has no access logs")

    def test_alarms_that_cannot_work_are_found(self):
        def changed(alarm, **properties):
            return lambda resources, _: resources[alarm]["Properties"].update(properties)

        def without(alarm, name):
            return lambda resources, _: resources[alarm]["Properties"].pop(name)

        def alike(resources, _):
            resources["NewAlarm"] = resources["AuditFindingsAlarm"]

        def of_all_stacks(resources, _):
            resources["AuditFindingsAlarm"]["Properties"]["Dimensions"].pop(0)

        def unfilled(resources, _):
            metrics = resources["TableReadThrottlesAlarm"]["Properties"]["Metrics"]
            metrics[0]["Expression"] = metrics[0]["Expression"].replace("FILL(state, 0)", "state")

        def eleven(resources, _):
            metrics = resources["DeferredAgeAlarm"]["Properties"]["Metrics"]
            metrics += [metrics[1]] * 6

        silent = changed("RollupDispatcherMissingAlarm", TreatMissingData="notBreaching")
        self.finds(silent, "RollupDispatcherFunction runs every 300 s, and no alarm")
        self.finds(changed("AuditMissingAlarm", EvaluationPeriods=4), "StartAuditFunction runs every 86400 s")
        self.finds(changed("AuditFindingsAlarm", EvaluationPeriods=2017), "looks back more than seven days")
        self.finds(changed("WorkAgeAlarm", DatapointsToAlarm=4), "WorkAgeAlarm fills in missing values")
        self.finds(unfilled, "TableReadThrottlesAlarm ignores missing data")
        self.finds(eleven, "DeferredAgeAlarm watches more than 10 metrics")
        self.finds(of_all_stacks, "AuditFindingsAlarm watches the auditFindings of all stacks")
        self.finds(alike, "NewAlarm has no section in docs/operations.md")
        self.finds(without("KeyQuotaAlarm", "AlarmActions"), "KeyQuotaAlarm does not notify")
        self.finds(without("KeyQuotaAlarm", "AlarmDescription"), "KeyQuotaAlarm has no description")
        self.finds(without("KeyQuotaAlarm", "TreatMissingData"), "KeyQuotaAlarm does not say what missing data means")

    def test_operation_is_as_decided(self):
        def billed(resources, _):
            resources["StateTable"]["Properties"]["SSESpecification"] = {"SSEEnabled": True}

        def unbounded(resources, _):
            resources["StateTable"]["Properties"]["OnDemandThroughput"].pop("MaxReadRequestUnits")

        def written(variable):
            def change(resources, _):
                settings = resources["HttpApi"]["Properties"]["AccessLogSettings"]
                settings["Format"] = settings["Format"].replace("$context.routeKey", variable)

            return change

        def quiet(resources, template):
            template["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"] = "WARN"

        def nameless(resources, template):
            template["Globals"]["Function"]["Environment"]["Variables"].pop("STACK")

        def parameter(resources, template):
            template["Parameters"]["PusherSecret"] = {"Type": "String"}

        def variable(resources, _):
            resources["PusherAuthFunction"]["Properties"]["Environment"]["Variables"]["PUSHER_SECRET"] = "s"

        def kept(resources, _):
            resources["AccessLogGroup"]["Properties"].pop("RetentionInDays")

        self.finds(billed, "StateTable has an SSESpecification")
        self.finds(unbounded, "StateTable has no OnDemandThroughput.MaxReadRequestUnits")
        for personal in ("identity.sourceIp", "path", "authorizer.user"):
            self.finds(written(f"$context.{personal}"), f"contains {personal}", "does not contain routeKey")
        self.finds(quiet, "ApplicationLogLevel must be INFO")
        self.finds(nameless, "Variables.STACK is not the stack's name")
        self.finds(parameter, "the parameter PusherSecret contains a secret")
        self.finds(variable, "PusherAuthFunction has a secret in its variable PUSHER_SECRET")
        self.finds(kept, "AccessLogGroup keeps its lines forever")


if __name__ == "__main__":
    unittest.main()
