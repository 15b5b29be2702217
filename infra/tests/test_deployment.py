"""A deploy gives all parameters of its environment, and the documented commands give all that the template requires."""

import re
import shlex
import unittest

import deployment
import sam

PAGE = (sam.ROOT / "docs" / "deploying.md").read_text()


def holds(condition, values):
    """Whether a condition of the template's Rules holds for parameters' values."""
    [(function, arguments)] = condition.items()
    if function == "Fn::Not":
        return not holds(arguments[0], values)
    if function in ("Fn::And", "Fn::Or"):
        return (all if function == "Fn::And" else any)(holds(argument, values) for argument in arguments)

    def value(argument):
        return values[argument["Ref"]] if isinstance(argument, dict) else argument

    first, second = map(value, arguments)
    if function == "Fn::Contains":
        return second in first.split(",")
    assert function == "Fn::Equals", function
    return first == second


def refusals(given):
    """What CloudFormation would refuse a new stack with these parameters for."""
    template = sam.load()
    declared = template["Parameters"]
    problems = [f"{name} has no value" for name, p in declared.items() if "Default" not in p and name not in given]
    if problems:
        return problems
    values = {name: str(given.get(name, parameter.get("Default"))) for name, parameter in declared.items()}
    for rule in template["Rules"].values():
        if "RuleCondition" not in rule or holds(rule["RuleCondition"], values):
            problems += [a["AssertDescription"] for a in rule["Assertions"] if not holds(a["Assert"], values)]
    return problems


def commands():
    """The deploys of docs/deploying.md: environment, NAME=VALUE."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("infra/deploy ")]
    return [(words[1], words[2:]) for words in split]


class Deployment(unittest.TestCase):
    def test_what_is_given_wins_over_the_file_and_the_rest_of_the_file_stays(self):
        values = deployment.parameters("dev", ["AllowedOrigins=https://a.example,https://b.example", "WriteKeys=a,b"])
        of_file = dict(line.split("=", 1) for line in deployment.environments()["dev"]["parameter_overrides"])
        self.assertEqual(values["AllowedOrigins"], "https://a.example,https://b.example")
        self.assertEqual(values["WriteKeys"], "a,b")
        self.assertGreater(len(of_file), 2)
        for name in of_file.keys() - {"AllowedOrigins"}:
            self.assertEqual(values[name], of_file[name])

    def test_names_that_the_template_does_not_know_are_refused(self):
        for argument in ("Retention=30", "RetentionDays", "=30", "retentionDays=30"):
            with self.assertRaisesRegex(deployment.Refused, "not a parameter of the template"):
                deployment.parameters("dev", [argument])
        with self.assertRaisesRegex(deployment.Refused, "'staging' is none of the environments"):
            deployment.parameters("staging")

    def test_the_command_line_holds_every_parameter_and_the_architecture_that_was_checked(self):
        values = deployment.parameters("prod", ["JwtIssuer=https://id.example/a b\"c\\"])
        line = deployment.command("prod", values, sam.TEMPLATE, ["--no-confirm-changeset"])
        start = line.index("--parameter-overrides") + 1
        given = line[start : start + len(values)]
        self.assertIn('JwtIssuer="https://id.example/a b\\"c\\\\"', given)
        self.assertIn('Architecture="arm64"', given)
        self.assertEqual([word.partition("=")[0] for word in given], list(values))
        self.assertEqual(line[start + len(values) :], ["--no-confirm-changeset"])
        self.assertEqual(line[line.index("--config-env") + 1], "prod")

    def test_documented_deploys_give_what_the_template_requires_in_every_environment(self):
        self.assertEqual({environment for environment, _ in commands()}, set(deployment.environments()))
        for environment, given in commands():
            with self.subTest(environment):
                self.assertEqual(refusals(deployment.parameters(environment, given)), [])

    def test_the_template_refuses_prod_without_origins_and_keys_of_tokens(self):
        bare = deployment.parameters("prod")
        self.assertEqual(refusals(bare), ["AllowedOrigins has no value"])
        origins = {"AllowedOrigins": "https://www.example.com"}
        [problem] = refusals(bare | origins)
        self.assertIn("Set JwtSecretArn or JwksUrl", problem)
        [problem] = refusals(bare | {"AllowedOrigins": "https://a.example,*", "JwtSecretArn": "arn:x"})
        self.assertIn("must name each origin", problem)
        [problem] = refusals(bare | origins | {"JwksUrl": "https://id.example/jwks"})
        self.assertIn("JwksUrl requires JwtIssuer and JwtAudience", problem)
        self.assertEqual(refusals(bare | origins | {"JwtSecretArn": "arn:x"}), [])

    def test_prod_is_protected_and_keeps_facts_and_logs(self):
        values = deployment.parameters("prod")
        self.assertEqual((values["DeletionProtection"], values["RetentionDays"]), ("true", "90"))
        self.assertTrue(deployment.environments()["prod"]["confirm_changeset"])


class Tables(unittest.TestCase):
    def test_every_table_outlives_its_stack_and_not_a_failed_creation(self):
        tables = {n: r for n, r in sam.load()["Resources"].items() if r["Type"] == "AWS::DynamoDB::Table"}
        self.assertGreater(len(tables), 5)
        for name, table in tables.items():
            with self.subTest(name):
                self.assertEqual(table["DeletionPolicy"], "RetainExceptOnCreate")
                self.assertEqual(table["UpdateReplacePolicy"], "Retain")
                self.assertEqual(table["Properties"]["DeletionProtectionEnabled"], {"Ref": "DeletionProtection"})
                own = name.removesuffix("Table").lower()
                named = {"Fn::If": ["HasTablePrefix", {"Fn::Sub": f"${{TablePrefix}}{own}"}, {"Ref": "AWS::NoValue"}]}
                self.assertEqual(table["Properties"]["TableName"], named)
                recovery = table["Properties"].get("PointInTimeRecoverySpecification")
                # What waits to be told is told again when a page asks.
                self.assertEqual(recovery, None if name == "OutboxTable" else {"PointInTimeRecoveryEnabled": True})


if __name__ == "__main__":
    unittest.main()
