"""The OpenAPI body that API Gateway imports has the form that AWS documents.

The emulator of the deployment test ignores the body, so what the SAM transform makes of the template is held against these pages:

- authorizers: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html and
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
- integrations: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html and
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
- CORS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-cors-configuration.html
- who may invoke a function:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-using-iam-policies-to-invoke-api.html
"""

import re
import unittest

import deployment
import sam

INVOCATION = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/%s/invocations"
EXECUTION = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}


def text(value):
    """An Fn::Sub with its own variables put in: ${Logical.Arn} for Fn::GetAtt, ${Logical} for Ref."""
    sub = value["Fn::Sub"]
    if isinstance(sub, str):
        return sub
    pattern, own = sub
    for name, meant in own.items():
        if isinstance(meant, dict):
            [(function, target)] = meant.items()
            meant = "${%s}" % (".".join(target) if function == "Fn::GetAtt" else target)
        pattern = pattern.replace("${%s}" % name, meant)
    return pattern


class ImportedBody(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.source = sam.load()["Resources"]
        given = ["JwtSecretArn=arn:x", "AllowedOrigins=https://a.example,https://b.example"]
        parameters = deployment.parameters("prod", given)
        expanded = sam.expand(sam.package(sam.load(), lambda _: "s3://bucket/key"), parameters)
        cls.resources = expanded["Resources"]
        [api] = [r for r in cls.resources.values() if r["Type"] == "AWS::ApiGatewayV2::Api"]
        cls.body = api["Properties"]["Body"]
        cls.schemes = cls.body["components"]["securitySchemes"]

    def operations(self):
        for path, methods in self.body["paths"].items():
            for method, operation in methods.items():
                yield method, path, operation

    def permissions(self):
        for resource in self.resources.values():
            if resource["Type"] == "AWS::Lambda::Permission":
                permission = resource["Properties"]
                function = permission["FunctionName"]
                name = function["Ref"] if "Ref" in function else function["Fn::GetAtt"][0]
                if permission["Principal"] == "apigateway.amazonaws.com":
                    self.assertEqual(permission["Action"], "lambda:InvokeFunction")
                    yield name, text(permission["SourceArn"])

    def test_it_is_openapi_3_0(self):
        self.assertRegex(self.body["openapi"], r"^3\.0\.")
        self.assertTrue(self.body["info"]["title"] and self.body["info"]["version"])

    def test_authorizers_have_the_documented_form(self):
        self.assertEqual(set(self.schemes), {"TokenAuthorizer", "CallerAuthorizer"})
        for name, scheme in self.schemes.items():
            with self.subTest(name):
                self.assertEqual((scheme["type"], scheme["in"]), ("apiKey", "header"))
                authorizer = scheme["x-amazon-apigateway-authorizer"]
                documented = {
                    "type",
                    "authorizerUri",
                    "authorizerPayloadFormatVersion",
                    "enableSimpleResponses",
                    "identitySource",
                    "authorizerResultTtlInSeconds",
                }
                self.assertEqual(set(authorizer), documented)
                self.assertEqual(authorizer["type"], "request")
                self.assertEqual(authorizer["authorizerPayloadFormatVersion"], "2.0")
                # Only payloads of format 2.0 are answered by yes or no.
                self.assertIs(authorizer["enableSimpleResponses"], True)
                # SAM writes the partition of the region; without credentials, the function's own policy lets API Gateway in.
                uri = text(authorizer["authorizerUri"]).replace("arn:aws:", "arn:${AWS::Partition}:", 1)
                self.assertEqual(uri, INVOCATION % "${AuthorizerFunction.Arn}")
                self.assertIn(authorizer["authorizerResultTtlInSeconds"], range(0, 3601))

    def test_answers_are_reused_only_for_the_same_token(self):
        """Identity sources are the key of the cache. Without one, nothing may be reused."""
        token, caller = (
            self.schemes[name]["x-amazon-apigateway-authorizer"] for name in ("TokenAuthorizer", "CallerAuthorizer")
        )
        # The page calls it a comma-separated string; SAM has always sent a list. docs/verified-on-first-deploy.md asks AWS.
        self.assertEqual(token["identitySource"], ["$request.header.Authorization"])
        self.assertEqual((caller["identitySource"], caller["authorizerResultTtlInSeconds"]), ([], 0))

    def test_every_route_invokes_its_function_with_payload_2_0_and_may(self):
        permitted = set(self.permissions())
        routes = 0
        for method, path, operation in self.operations():
            routes += 1
            with self.subTest(f"{method} {path}"):
                self.assertIn(method, METHODS)
                integration = operation["x-amazon-apigateway-integration"]
                uri = text(integration.pop("uri"))
                self.assertEqual(
                    integration, {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0"}
                )
                function = re.fullmatch(r".*/\$\{(\w+)\.Arn\}/invocations", uri)[1]
                self.assertEqual(uri, INVOCATION % f"${{{function}.Arn}}")
                self.assertEqual(self.resources[function]["Type"], "AWS::Lambda::Function")
                anything = re.sub(r"\{\w+\}", "*", path)
                source = f"{EXECUTION}${{HttpApi}}/*/{method.upper()}{anything}"
                self.assertIn((function, source), permitted)
                declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path" and p["required"]}
                self.assertEqual(declared, set(re.findall(r"\{(\w+)\}", path)))
        events = [e for r in self.source.values() for e in r["Properties"].get("Events", {}).values()]
        self.assertEqual(routes, sum(event["Type"] == "HttpApi" for event in events))

    def test_every_route_has_the_authorizer_that_the_template_names_or_none(self):
        named = {}
        for resource in self.source.values():
            for event in resource["Properties"].get("Events", {}).values():
                if event["Type"] == "HttpApi":
                    properties = event["Properties"]
                    authorizer = properties.get("Auth", {}).get("Authorizer")
                    named[properties["Method"].lower(), properties["Path"]] = authorizer
        for method, path, operation in self.operations():
            with self.subTest(f"{method} {path}"):
                wanted = named[method, path]
                self.assertEqual(operation.get("security", []), [{wanted: []}] if wanted else [])

    def test_api_gateway_may_ask_the_authorizer(self):
        self.assertIn(("AuthorizerFunction", f"{EXECUTION}${{HttpApi}}/authorizers/*"), set(self.permissions()))

    def test_cors_names_the_origins_of_the_environment(self):
        cors = self.body["x-amazon-apigateway-cors"]
        documented = {"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowCredentials"}
        self.assertLessEqual(set(cors), documented)
        self.assertEqual(cors["allowOrigins"], ["https://a.example", "https://b.example"])
        self.assertNotIn("*", cors["allowOrigins"] + cors["allowHeaders"] + cors["exposeHeaders"])


if __name__ == "__main__":
    unittest.main()
