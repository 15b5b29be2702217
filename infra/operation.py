"""Rules of template.yaml for throughput, encryption, logs and secrets."""

import re

import sam

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
TOLD_OF_A_REQUEST = {
    "requestId",
    "requestTimeEpoch",
    "routeKey",
    "status",
    "responseLatency",
    "integration.requestId",
    "integrationStatus",
    "integrationErrorMessage",
    "authorizer.error",
    "error.message",
}

SECRET = re.compile(r"secret|password|passphrase|private_?key|api_?key|token", re.IGNORECASE)


def findings(template):
    found = [*_tables(template), *_functions(template), *_access_logs(template), *_logs(template), *_secrets(template)]
    return [f"template.yaml: {finding}" for finding in found]


def _tables(template):
    for name, properties in sam.of_type(template, "AWS::DynamoDB::Table"):
        maxima = properties.get("OnDemandThroughput", {})
        for key in ("MaxReadRequestUnits", "MaxWriteRequestUnits"):
            if "Ref" not in maxima.get(key, {}):
                yield f"{name} has no OnDemandThroughput.{key} that a parameter sets"
        if "SSESpecification" in properties:
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
            yield f"{name} has an SSESpecification: every use of its key is billed, and functions need rights to it"


def _functions(template):
    logging = template["Globals"]["Function"].get("LoggingConfig", {})
    if logging.get("LogFormat") != "JSON":
        yield "Globals.Function.LoggingConfig.LogFormat is not JSON, and levels apply to nothing else"
    if logging.get("ApplicationLogLevel") not in ("INFO", "DEBUG", "TRACE"):
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        yield "Globals.Function.LoggingConfig.ApplicationLogLevel must be INFO: lines of metrics have no level"
    if logging.get("SystemLogLevel") != {"Ref": "SystemLogLevel"}:
        yield "Globals.Function.LoggingConfig.SystemLogLevel is not the parameter"
    stack = template["Globals"]["Function"].get("Environment", {}).get("Variables", {}).get("STACK")
    if stack != {"Ref": "AWS::StackName"}:
        yield "Globals.Function.Environment.Variables.STACK is not the stack's name, which is a dimension of all metrics"
    for name, properties in sam.of_type(template, "AWS::Serverless::Function"):
        if "LoggingConfig" in properties:
            yield f"{name} has its own LoggingConfig"


def _access_logs(template):
    for name, properties in sam.of_type(template, "AWS::Serverless::HttpApi"):
        settings = properties.get("AccessLogSettings")
        if not settings:
            yield f"{name} has no access logs"
            continue
        told = set(re.findall(r"\$context\.([A-Za-z.]+[A-Za-z])", settings["Format"]))
        for variable in sorted(told - TOLD_OF_A_REQUEST):
            yield f"the access log of {name} contains {variable}, which may be personal data"
        for variable in sorted(TOLD_OF_A_REQUEST - told):
            yield f"the access log of {name} does not contain {variable}"


def _logs(template):
    for name, properties in sam.of_type(template, "AWS::Logs::LogGroup"):
        if "RetentionInDays" not in properties:
            yield f"{name} keeps its lines forever"
        if "LogGroupClass" in properties:
            yield f"{name} has its own log class; only the standard class extracts metrics from lines"


def _secrets(template):
    """Every principal that may describe the stack or a function can read a secret in a value, but cannot use its ARN."""
    for name in template["Parameters"]:
        if SECRET.search(name) and not name.endswith("Arn"):
            yield f"the parameter {name} contains a secret; take its ARN in Secrets Manager instead"
    for function, properties in sam.of_type(template, "AWS::Serverless::Function"):
        for name in properties.get("Environment", {}).get("Variables", {}):
            if SECRET.search(name) and not name.endswith("_ARN"):
                yield f"{function} has a secret in its variable {name}; pass the ARN instead"
