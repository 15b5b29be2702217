"""The resources that CloudFormation created from the template, as the services report them."""

from collections import Counter

import deployment
import sam
from stack import ENVIRONMENT

CHECKS = []


def check(title):
    def register(function):
        CHECKS.append((title, function))
        return function

    return register


@check("every resource exists")
def resources(stack):
    made = {resource["LogicalResourceId"]: resource for resource in stack.list_resources()}
    missing = stack.template["Resources"].keys() - made.keys()
    assert not missing, f"missing: {sorted(missing)}"
    for name, resource in made.items():
        assert resource["ResourceStatus"] == "CREATE_COMPLETE", f"{name}: {resource['ResourceStatus']}"
    kinds = Counter(resource["ResourceType"].removeprefix("AWS::") for resource in made.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


@check("parameters are those of samconfig.toml, overridden by the given ones")
def parameters(stack):
    [made] = stack.emulator.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    values = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in made["Parameters"]}
    declared = stack.template["Parameters"]
    for name, expected in stack.parameters.items():
        if not declared[name].get("NoEcho"):
            assert values[name] == expected, f"{name} is {values[name]}"
    of_file = dict(line.split("=", 1) for line in deployment.environments()[ENVIRONMENT]["parameter_overrides"])
    kept = of_file.keys() - stack.given.keys()
    assert kept and of_file.keys() & stack.given.keys(), "both kinds must occur"
    assert all(values[name] == of_file[name] for name in kept), values


@check("functions run the packages")
def functions(stack):
    client = stack.emulator.client("lambda")
    for name, properties in stack.of_type("AWS::Lambda::Function"):
        made = client.get_function_configuration(FunctionName=stack.physical_id(name))
        for key in ("Runtime", "Handler", "MemorySize", "Timeout"):
            assert made[key] == properties[key], f"{name}: {key} is {made[key]}"
        assert made["Architectures"] == [stack.parameters["Architecture"]], f"{name}: {made['Architectures']}"


@check("streams and queues are mapped as written")
def mappings(stack):
    client = stack.emulator.client("lambda")
    failures = {stack.queue_arn(name) for name, _ in stack.of_type("AWS::SQS::Queue")}
    for name, properties in stack.of_type("AWS::Lambda::EventSourceMapping"):
        made = client.get_event_source_mapping(UUID=stack.physical_id(name))
        assert made["State"] == "Enabled", f"{name}: {made['State']}"
        for key, value in properties.items():
            if key in made and _literal(value):
                assert made[key] == value, f"{name}: {key} is {made[key]}, not {value}"
        if "DestinationConfig" in properties:
            destination = made["DestinationConfig"]["OnFailure"]["Destination"]
            assert destination in failures, f"{name}: failures go to {destination}"


@check("tables stream as written")
def tables(stack):
    client = stack.emulator.client("dynamodb")
    for name, properties in stack.of_type("AWS::DynamoDB::Table"):
        made = client.describe_table(TableName=stack.physical_id(name))["Table"]
        assert made["KeySchema"] == properties["KeySchema"], f"{name}: {made['KeySchema']}"
        view = made.get("StreamSpecification", {}).get("StreamViewType")
        assert view == properties.get("StreamSpecification", {}).get("StreamViewType"), f"{name}: streams {view}"


@check("alarms watch what exists")
def alarms(stack):
    client = stack.emulator.client("cloudwatch")
    made = {alarm["AlarmName"]: alarm for alarm in client.describe_alarms()["MetricAlarms"]}
    names = [stack.physical_id(name) for name in stack.template["Resources"]]
    for name, properties in stack.of_type("AWS::CloudWatch::Alarm"):
        alarm = made[stack.physical_id(name)]
        for key in ("Namespace", "MetricName", "Threshold", "ComparisonOperator", "TreatMissingData"):
            assert alarm[key] == properties[key], f"{name}: {key} is {alarm[key]}"
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])}
        if properties["Namespace"] == "Tally":
            # A function's own metric has the names of its crate and of the stack.
            crate = sam.ROOT / "functions" / dimensions["function"]
            assert crate.is_dir() and dimensions["stack"] == stack.name, f"{name} watches {dimensions}"
            continue
        for watched in dimensions.values():
            assert any(watched == physical.rsplit("/", 1)[-1] for physical in names), f"{name} watches {watched}"


@check("logs expire")
def logs(stack):
    client = stack.emulator.client("logs")
    for name, _ in stack.of_type("AWS::Logs::LogGroup"):
        [group] = client.describe_log_groups(logGroupNamePrefix=stack.physical_id(name))["logGroups"]
        assert group.get("retentionInDays"), f"{name}: kept forever"


def _literal(value):
    if isinstance(value, dict):
        return not any(key == "Ref" or key.startswith("Fn::") for key in value) and all(map(_literal, value.values()))
    return all(map(_literal, value)) if isinstance(value, list) else True
