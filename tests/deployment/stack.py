"""The template's stack in the emulator: packaged, expanded and deployed with the command of docs/deploying.md."""

import hashlib
import json
import pathlib
import platform

import deployment
import sam
from emulator import REGION

ENVIRONMENT = "dev"
STACK = deployment.environments()[ENVIRONMENT]["stack_name"]
BUCKET = "packages"
PACKAGES = sam.ROOT / "target" / "local-lambda"


class Stack:
    """Deploys a stack from the zips of `infra/package` with `infra/deploy`; `log` receives its output."""

    def __init__(self, emulator, given, log, name=STACK):
        self.emulator = emulator
        self.name = name
        self.log = log
        self.given = {"Architecture": _architecture()} | given
        arguments = [f"{name}={value}" for name, value in self.given.items()]
        self.parameters = deployment.parameters(ENVIRONMENT, arguments)
        template = sam.package(sam.load(), self._upload())
        self.template = plain_alarms(batches_are_sends(explicit_api(sam.expand(template, self.parameters))))
        self._deploy(arguments)
        self._resources = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in self.list_resources()
        }
        self._allow_origins()

    def list_resources(self):
        pages = self.emulator.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    def physical_id(self, logical_id):
        return self._resources[logical_id]

    def of_type(self, kind):
        """The template's resources of one type: logical id, properties."""
        return [
            (logical_id, resource.get("Properties", {}))
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        ]

    def queue_arn(self, logical_id):
        return self._queue_attribute(logical_id, "QueueArn")

    def queue_length(self, logical_id):
        return int(self._queue_attribute(logical_id, "ApproximateNumberOfMessages"))

    def put_item(self, logical_id, **texts):
        item = {name: {"S": text} for name, text in texts.items()}
        self.emulator.client("dynamodb").put_item(TableName=self.physical_id(logical_id), Item=item)

    def scan(self, logical_id):
        """All items of a small table."""
        client = self.emulator.client("dynamodb")
        return client.scan(TableName=self.physical_id(logical_id), ConsistentRead=True)["Items"]

    def invoke(self, logical_id, event):
        """Invokes a function as an operator does, and returns its response."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self.physical_id(logical_id), Payload=json.dumps(event).encode()
        )
        payload = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    @property
    def api_url(self):
        [(api, _)] = self.of_type("AWS::ApiGatewayV2::Api")
        return f"{self.emulator.url}/_aws/execute-api/{self.physical_id(api)}/$default"

    def function_logs(self):
        """The output of the functions, oldest first."""
        logs = self.emulator.client("logs")
        lines = []
        for group, _ in self.of_type("AWS::Logs::LogGroup"):
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=self.physical_id(group)):
                lines += [(event["timestamp"], event["message"]) for event in page["events"]]
        return [message for _, message in sorted(lines, key=lambda line: line[0])]

    def _queue_attribute(self, logical_id, name):
        answer = self.emulator.client("sqs").get_queue_attributes(
            QueueUrl=self.physical_id(logical_id), AttributeNames=[name]
        )
        return answer["Attributes"][name]

    def _upload(self):
        s3 = self.emulator.client("s3")
        s3.create_bucket(Bucket=BUCKET)

        def upload(folder):
            archive = PACKAGES / f"{pathlib.Path(folder).name}.zip"
            if not archive.is_file():
                raise SystemExit(f"{archive.relative_to(sam.ROOT)} is missing; run infra/package first")
            content = archive.read_bytes()
            key = hashlib.sha256(content).hexdigest()
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
            return f"s3://{BUCKET}/{key}"

        return upload

    def _deploy(self, arguments):
        template = self.log.with_suffix(".json")
        template.write_text(json.dumps(self.template))
        options = [f"--region={REGION}", "--no-progressbar"]
        if self.name != STACK:
            options.append(f"--stack-name={self.name}")
        tool = ["infra/deploy", ENVIRONMENT, *arguments, f"--template-file={template}"]
        self.emulator.run([*tool, *(f"--sam={option}" for option in options)], self.log)

    def _allow_origins(self):
        # MiniStack answers preflights from the values of this call, not from the resource's property.
        gateway = self.emulator.client("apigatewayv2")
        for api, properties in self.of_type("AWS::ApiGatewayV2::Api"):
            if cors := properties.get("CorsConfiguration"):
                gateway.update_api(ApiId=self.physical_id(api), CorsConfiguration=cors)


def explicit_api(template):
    """Replaces the OpenAPI body that SAM makes of HttpApi events by the resources that API Gateway makes of the body.

    MiniStack ignores a body: without this every call is a 404. Nothing is named here but what the body says.
    """
    resources = template["Resources"]
    for api, resource in list(resources.items()):
        if resource["Type"] != "AWS::ApiGatewayV2::Api":
            continue
        body = resource["Properties"].pop("Body")
        resource["Properties"] |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
        if cors := body.get("x-amazon-apigateway-cors"):
            resource["Properties"]["CorsConfiguration"] = _pascal_case(cors)
        authorizers = body.get("components", {}).get("securitySchemes", {})
        for name, scheme in authorizers.items():
            authorizer = scheme["x-amazon-apigateway-authorizer"]
            resources[f"{api}{name}"] = {
                "Type": "AWS::ApiGatewayV2::Authorizer",
                "Properties": _pascal_case({key: value for key, value in authorizer.items() if key != "type"})
                | {"ApiId": {"Ref": api}, "Name": name, "AuthorizerType": authorizer["type"].upper()},
            }
        operations = [
            (method, path, operation)
            for path, methods in body["paths"].items()
            for method, operation in methods.items()
        ]
        for number, (method, path, operation) in enumerate(operations):
            integration = operation["x-amazon-apigateway-integration"]
            resources[f"{api}Integration{number}"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "IntegrationType": integration["type"].upper(),
                    "IntegrationMethod": integration["httpMethod"],
                    "IntegrationUri": integration["uri"],
                    "PayloadFormatVersion": integration["payloadFormatVersion"],
                },
            }
            route = {
                "ApiId": {"Ref": api},
                "RouteKey": f"{method.upper()} {path}",
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"{api}Integration{number}"}]]},
            }
            for requirement in operation.get("security", []):
                [name] = requirement
                route |= {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": f"{api}{name}"}}
            resources[f"{api}Route{number}"] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": route}
    return template


def batches_are_sends(template):
    """Allows every function that may send a message to a queue to send several at once.

    On AWS one right covers both; MiniStack asks for a second one that AWS does not have.
    """

    def visit(value):
        if isinstance(value, dict):
            actions = value.get("Action")
            if isinstance(actions, list) and "sqs:SendMessage" in actions:
                value["Action"] = [*actions, "sqs:SendMessageBatch"]
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                visit(part)

    visit(template["Resources"])
    return template


def plain_alarms(template):
    """Replaces each alarm on an expression by one alarm per metric, because MiniStack does not support expressions."""
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        if resource["Type"] != "AWS::CloudWatch::Alarm" or "Metrics" not in resource["Properties"]:
            continue
        del resources[name]
        properties = resource["Properties"]
        for entry in properties.pop("Metrics"):
            if watched := entry.get("MetricStat"):
                plain = watched["Metric"] | {"Statistic": watched["Stat"], "Period": watched["Period"]}
                resources[f"{name}{entry['Id'].title()}"] = resource | {"Properties": properties | plain}
    return template


def _pascal_case(properties):
    return {key[0].upper() + key[1:]: value for key, value in properties.items()}


def _architecture():
    return {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
