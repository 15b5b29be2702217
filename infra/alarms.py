"""Which alarms template.yaml must have, derived from what is in it: a new queue, stream, schedule, table or API without
its alarm is a finding. Every alarm has a section in docs/operations.md."""

import re

import sam

SQS, LAMBDA, DYNAMODB, GATEWAY = "AWS/SQS", "AWS/Lambda", "AWS/DynamoDB", "AWS/ApiGateway"

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html
MOST_METRICS_OF_AN_EXPRESSION = 10

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST_SECONDS = 604_800

SECONDS_OF_UNIT = {"minute": 60, "hour": 3600, "day": 86400}

ACTIONS = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}


class Alarm:
    """An alarm, whether it watches one metric or an expression over several."""

    def __init__(self, name, properties):
        self.name, self.properties = name, properties
        self.metrics = [_watched(properties)] if "MetricName" in properties else []
        self.expressions = []
        for entry in properties.get("Metrics", []):
            if stat := entry.get("MetricStat"):
                self.metrics.append(_watched(stat["Metric"]) | {"id": entry["Id"], "seconds": stat["Period"]})
            else:
                self.expressions.append(entry["Expression"])
        for metric in self.metrics:
            metric.setdefault("seconds", properties.get("Period"))

    def watches(self, namespace, metric, dimensions):
        return any(
            (watched["namespace"], watched["metric"], watched["dimensions"]) == (namespace, metric, dimensions)
            for watched in self.metrics
        )

    @property
    def window_seconds(self):
        return max(metric["seconds"] for metric in self.metrics) * self.properties["EvaluationPeriods"]

    def fills(self, identifier):
        return any(re.search(rf"\bFILL\({identifier}, *0\)", expression) for expression in self.expressions)


def alarms(template):
    return [Alarm(name, properties) for name, properties in sam.of_type(template, "AWS::CloudWatch::Alarm")]


def findings(template, documentation):
    """Everything that is missing or wrong; `documentation` is the text of docs/operations.md."""
    every = alarms(template)
    found = []
    for check in (_queues, _streams, _tables, _apis, _functions):
        found += check(template, every)
    found += _schedules(template, every, documentation)
    for alarm in every:
        found += [f"{alarm.name} {problem}" for problem in _problems(alarm, documentation)]
    return [f"template.yaml: {finding}" for finding in found]


def _queues(template, every):
    dead, work, redriven = set(), set(), set()
    for name, properties in sam.of_type(template, "AWS::SQS::Queue"):
        if target := properties.get("RedrivePolicy", {}).get("deadLetterTargetArn"):
            dead.add(_resource(target))
            redriven.add(name)
    for _, event in _events(template):
        properties = event.get("Properties", {})
        if event["Type"] == "SQS":
            work.add(_resource(properties["Queue"]))
        if target := properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
            dead.add(_resource(target))
    for name, _ in sam.of_type(template, "AWS::SQS::Queue"):
        dimensions = {"QueueName": f"{name}.QueueName"}
        if name not in dead | work:
            yield f"{name} has no consumer and is not a failure queue"
        if name in dead and not any(
            alarm.watches(SQS, "ApproximateNumberOfMessagesVisible", dimensions) and alarm.properties["Threshold"] == 0
            for alarm in every
        ):
            yield f"{name} is a failure queue, and no alarm watches whether it is empty"
        if name in work - redriven:
            yield f"{name} has a consumer, and failed messages have no dead-letter queue"
        if name in work and not _any(every, SQS, "ApproximateAgeOfOldestMessage", dimensions):
            yield f"{name} has a consumer, and no alarm watches the age of its oldest message"


def _streams(template, every):
    readers = [(name, event["Properties"]) for name, event in _events(template) if event["Type"] == "DynamoDB"]
    for name in sorted({name for name, properties in readers if "OnFailure" not in properties.get("DestinationConfig", {})}):
        yield f"{name} reads a stream, and failed records have no on-failure queue"
    for name in sorted({name for name, _ in readers}):
        if not _any(every, LAMBDA, "IteratorAge", {"FunctionName": name}):
            yield f"{name} reads a stream, and no alarm watches its IteratorAge"


def _schedules(template, every, documentation):
    for name, identifier, event in _named_events(template):
        if not event["Type"].startswith("Schedule"):
            continue
        dimensions = {"FunctionName": name}
        if not _any(every, LAMBDA, "Errors", dimensions):
            yield f"{name} runs by a schedule, and no alarm watches its Errors"
        expression = event["Properties"].get("Schedule") or event["Properties"]["ScheduleExpression"]
        rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
        if not rate:
            # An alarm looks back seven days at most, and cannot depend on the time of day.
            if f"`{name}{identifier}`" not in documentation:
                yield (
                    f"{name}{identifier} runs by {expression}, and no alarm can tell whether it was missed: use rate(…), "
                    "or say so in docs/operations.md"
                )
            continue
        interval = int(rate[1]) * SECONDS_OF_UNIT[rate[2]]
        if not any(
            alarm.watches(LAMBDA, "Invocations", dimensions)
            and alarm.properties["TreatMissingData"] == "breaching"
            and alarm.properties["ComparisonOperator"] == "LessThanThreshold"
            and alarm.properties["Threshold"] == 1
            and interval < alarm.window_seconds <= 3 * interval
            for alarm in every
        ):
            yield (
                f"{name} runs every {interval} s, and no alarm with TreatMissingData: breaching watches that its "
                f"Invocations do not stay away for longer, and for {3 * interval} s at most"
            )


def _tables(template, every):
    for name, _ in sam.of_type(template, "AWS::DynamoDB::Table"):
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            if not _any(every, DYNAMODB, metric, {"TableName": name}):
                yield f"no alarm watches the {metric} of {name}"


def _apis(template, every):
    for name, _ in sam.of_type(template, "AWS::Serverless::HttpApi"):
        if not _any(every, GATEWAY, "5xx", {"ApiId": name}):
            yield f"no alarm watches the 5xx of {name}"


def _functions(template, every):
    # All functions of a region share the account's limit: the metric of all of them is the one without dimensions.
    if sam.of_type(template, "AWS::Serverless::Function") and not _any(every, LAMBDA, "Throttles", {}):
        yield "no alarm watches the Throttles of functions"


def _problems(alarm, documentation):
    properties = alarm.properties
    if not properties.get("AlarmDescription"):
        yield "has no description"
    if f"\n### {alarm.name}\n" not in documentation:
        yield "has no section in docs/operations.md"
    if properties.get("AlarmActions") != ACTIONS:
        yield "does not notify AlarmTopicArn"
    if "TreatMissingData" not in properties:
        yield "does not say what missing data means"
    if len(alarm.metrics) > MOST_METRICS_OF_AN_EXPRESSION:
        yield f"watches more than {MOST_METRICS_OF_AN_EXPRESSION} metrics"
    if alarm.window_seconds > LONGEST_SECONDS:
        yield "looks back more than seven days"
    is_filled = any("FILL(" in expression for expression in alarm.expressions)
    if is_filled and properties.get("DatapointsToAlarm", properties["EvaluationPeriods"]) == properties["EvaluationPeriods"]:
        # The newest value may be filled in because it is late. Then the alarm would never breach.
        yield "fills in missing values, so DatapointsToAlarm must be less than EvaluationPeriods"
    for metric in alarm.metrics:
        if metric["namespace"] == DYNAMODB and not alarm.fills(metric.get("id")):
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
            yield f"ignores missing data of {metric['metric']} and would never be over: FILL it with 0"
        if metric["namespace"] == "Tally" and metric["dimensions"].get("stack") != "AWS::StackName":
            yield f"watches the {metric['metric']} of all stacks"


def _any(every, namespace, metric, dimensions):
    return any(alarm.watches(namespace, metric, dimensions) for alarm in every)


def _watched(properties):
    dimensions = {entry["Name"]: _value(entry["Value"]) for entry in properties.get("Dimensions", [])}
    return {"namespace": properties["Namespace"], "metric": properties["MetricName"], "dimensions": dimensions}


def _value(value):
    """The reference of an intrinsic function: `Table` of `!Ref Table`, `Queue.Arn` of `!GetAtt Queue.Arn`."""
    if isinstance(value, dict):
        [(function, argument)] = value.items()
        return argument if function == "Ref" else ".".join(argument) if isinstance(argument, list) else argument
    return value


def _resource(arn):
    return _value(arn).split(".")[0]


def _events(template):
    """Every event of every function, with the function's name."""
    return [(name, event) for name, _, event in _named_events(template)]


def _named_events(template):
    """The same with the event's own name."""
    for name, properties in sam.of_type(template, "AWS::Serverless::Function"):
        for identifier, event in properties.get("Events", {}).items():
            yield name, identifier, event
