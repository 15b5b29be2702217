use std::time::Duration;

use super::*;
use crate::gateway::IdentitySource;
use crate::mapping::StartingPosition;
use crate::wire;

const SMALL: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Origins: { Type: CommaDelimitedList, Default: "https://a.example,https://b.example" }
  Days: { Type: Number, Default: 90 }
  Topic: { Type: String, Default: "" }
Conditions:
  HasTopic: !Not [!Equals [!Ref Topic, ""]]
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap, Timeout: 10, MemorySize: 256 }
Resources:
  Facts:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }, { AttributeName: score, AttributeType: N }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      GlobalSecondaryIndexes:
        - IndexName: byScore
          KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: score, KeyType: RANGE }]
          Projection: { ProjectionType: KEYS_ONLY }
      StreamSpecification: { StreamViewType: KEYS_ONLY }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
  Dead: { Type: AWS::SQS::Queue }
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: { AllowOrigins: !Ref Origins, MaxAge: 60 }
      Auth:
        Authorizers:
          Token:
            FunctionArn: !GetAtt Guard.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            EnableFunctionDefaultPermissions: true
            Identity: { Headers: [Authorization], ReauthorizeEvery: 30 }
  Guard: { Type: AWS::Serverless::Function, Properties: { CodeUri: target/lambda/guard/ } }
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/reader/
      Timeout: 20
      Environment: { Variables: { TABLE: !Ref Facts, DAYS: !Ref Days, QUEUE_URL: !Ref Work } }
      Policies:
        - Statement:
            - { Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Facts.Arn }
      Events:
        Get:
          Type: HttpApi
          Properties: { ApiId: !Ref Api, Method: get, Path: "/facts/{id}", Auth: { Authorizer: Token } }
        Tick: { Type: Schedule, Properties: { Schedule: rate(1 hour), Input: '{"a":1}' } }
        Tock:
          Type: ScheduleV2
          Properties: { ScheduleExpression: "cron(0 * * * ? *)", Name: !Sub "${AWS::StackName}-tock", State: DISABLED }
  Updater:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/updater/
      Role: !GetAtt UpdaterRole.Arn
      Events:
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Facts.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 500
            MaximumRecordAgeInSeconds: 3600
            FunctionResponseTypes: [ReportBatchItemFailures]
            BisectBatchOnFunctionError: true
            DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt Dead.Arn } }
            FilterCriteria: { Filters: [{ Pattern: '{"dynamodb":{"Keys":{"pk":{"S":["a"]}}}}' }] }
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 25
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 4 }
  UpdaterRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      Policies:
        - PolicyName: updater
          PolicyDocument:
            Statement:
              - Effect: Allow
                Action: [dynamodb:DescribeStream, dynamodb:GetRecords, dynamodb:GetShardIterator]
                Resource: !GetAtt Facts.StreamArn
              - { Effect: Allow, Action: ["sqs:SendMessage"], Resource: !GetAtt Dead.Arn }
              - Effect: Allow
                Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]
                Resource: !GetAtt Work.Arn
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanThreshold
      Dimensions: [{ Name: QueueName, Value: !GetAtt Dead.QueueName }]
      AlarmActions: !If [HasTopic, [!Ref Topic], !Ref AWS::NoValue]
Outputs:
  Url: { Value: !Sub "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}" }
"#;

fn surroundings() -> Surroundings {
    Surroundings { stack: "s".to_owned(), sqs_url: "http://127.0.0.1:9/".to_owned(), parameters: BTreeMap::new() }
}

#[test]
fn reads_every_supported_property() {
    let template = read_template(SMALL, &surroundings()).unwrap();

    let facts = &template.tables[0];
    assert_eq!((facts.logical_id.as_str(), facts.name.as_str()), ("Facts", "s-Facts"));
    assert_eq!((facts.ttl_attribute.as_deref(), facts.gsis[0].name.as_str()), (Some("ttl"), "byScore"));

    let work = template.queues.iter().find(|queue| queue.logical_id == "Work").unwrap();
    let redrive = work.redrive.as_ref().unwrap();
    assert_eq!((redrive.dead_letter_queue.as_str(), redrive.max_receive_count), ("s-Dead", 3));

    let reader = &template.functions["Reader"];
    assert_eq!((reader.crate_name.as_str(), reader.timeout, reader.memory), ("reader", Duration::from_secs(20), 256));
    assert_eq!(reader.environment["TABLE"], "s-Facts");
    assert_eq!(reader.environment["DAYS"], "90");
    assert_eq!(reader.environment["QUEUE_URL"], "http://127.0.0.1:9/000000000000/s-Work");
    assert_eq!(reader.policy.statements[0].actions, ["dynamodb:GetItem"]);
    assert_eq!(reader.policy.statements[0].resources, [wire::table_arn("s-Facts")]);
    assert_eq!(template.functions["Updater"].policy.statements.len(), 3);

    let api = template.api.unwrap();
    assert_eq!(api.cors.unwrap().allow_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(api.authorizers["Token"].function, "Guard");
    assert_eq!(api.authorizers["Token"].identity, [IdentitySource::Header("authorization".to_owned())]);
    assert_eq!(api.routes[0].target.key(), "GET /facts/{id}");
    assert_eq!(api.routes[0].authorizer.as_deref(), Some("Token"));

    let stream = &template.stream_mappings[0];
    assert_eq!((stream.function.as_str(), stream.table.as_str(), stream.batch_size), ("Updater", "s-Facts", 500));
    assert_eq!((stream.maximum_retry_attempts, stream.maximum_record_age), (-1, Some(Duration::from_secs(3600))));
    assert_eq!(
        (stream.starting_position, stream.on_failure_queue.as_deref()),
        (StartingPosition::TrimHorizon, Some("s-Dead"))
    );
    assert!(stream.bisect && stream.report_batch_item_failures);
    assert_eq!(stream.filters, [serde_json::json!({"dynamodb": {"Keys": {"pk": {"S": ["a"]}}}})]);
    let queue = &template.queue_mappings[0];
    assert_eq!((queue.function.as_str(), queue.queue.as_str(), queue.batch_size), ("Updater", "s-Work", 25));
    assert_eq!((queue.maximum_concurrency, queue.batching_window), (Some(4), Duration::from_secs(1)));
    assert!(queue.report_batch_item_failures);

    let [tick, tock] = &template.schedules[..] else { panic!("not two schedules") };
    assert_eq!(
        (tick.expression.as_str(), tick.input.as_deref(), tick.enabled),
        ("rate(1 hour)", Some("{\"a\":1}"), true)
    );
    assert_eq!((tock.name.as_str(), tock.enabled), ("s-tock", false));
    assert_eq!(
        template.described.list(),
        ["alarms", "deletion policies", "memory sizes", "outputs", "who may assume a role"]
    );
}

#[test]
fn reads_the_template_of_the_workspace() {
    let template = read_template(crate::functions::TEMPLATE, &workspace()).unwrap();
    let registered: Vec<&str> = crate::functions::all().iter().map(|function| function.name).collect();
    assert_eq!(template.functions.len(), registered.len());
    assert!(template.functions.values().all(|function| registered.contains(&function.crate_name.as_str())));
}

/// What the workspace's own template cannot do without.
fn workspace() -> Surroundings {
    let mut surroundings = surroundings();
    for (name, value) in
        [("JwtSecretArn", crate::cloud::JWT_SECRET_ARN), ("AllowedOrigins", "https://a.example,https://b.example")]
    {
        surroundings.parameters.insert(name.to_owned(), value.to_owned());
    }
    surroundings
}

#[test]
fn template_of_the_workspace_rejects_open_origins_and_missing_token_keys() {
    let refused = |change: &dyn Fn(&mut BTreeMap<String, String>)| {
        let mut surroundings = workspace();
        change(&mut surroundings.parameters);
        read_template(crate::functions::TEMPLATE, &surroundings).unwrap_err().to_string()
    };
    let without = |name: &str| refused(&|parameters| drop(parameters.remove(name)));
    let with = |name: &str, value: &str| refused(&|parameters| drop(parameters.insert(name.into(), value.into())));
    assert!(without("AllowedOrigins").contains("AllowedOrigins: has no default"));
    assert!(with("AllowedOrigins", "https://a.example,*").contains("must name each origin"));
    assert!(without("JwtSecretArn").contains("no token can be verified"));
    assert!(with("JwksUrl", "https://id.example/jwks").contains("JwksUrl requires JwtIssuer and JwtAudience"));
}

#[test]
fn table_prefix_names_the_tables() {
    let names = |prefix: &str| {
        let mut surroundings = workspace();
        surroundings.parameters.insert("TablePrefix".to_owned(), prefix.to_owned());
        let template = read_template(crate::functions::TEMPLATE, &surroundings).unwrap();
        template.tables.into_iter().map(|table| table.name).collect::<Vec<_>>()
    };
    assert_eq!(names("")[0], "s-EventsTable");
    assert_eq!(names("t-"), ["t-events", "t-interactions", "t-outbox", "t-purchases", "t-state", "t-stats"]);
}

#[test]
fn rejects_every_unknown_part_with_its_path() {
    // Each case: the text, its replacement, and the expected error.
    for (old, new, refusal) in [
        ("MaxAge: 60", "MaxAges: 60", "Resources.Api.Properties.CorsConfiguration.MaxAges: unknown field"),
        ("MaxAge: 60", "MaxAge: x", "Resources.Api.Properties.CorsConfiguration.MaxAge: \"x\" is not a whole number"),
        ("AWS::SQS::Queue }", "AWS::SNS::Topic }", "Resources.Dead.Type: \"AWS::SNS::Topic\" is not a known resource"),
        ("Type: Schedule,", "Type: S3,", "Resources.Reader.Properties.Events.Tick.Type: \"S3\" is not a known event"),
        (
            "StartingPosition: TRIM_HORIZON",
            "Enabled: true",
            "Updater.Properties.Events.Stream.Properties: missing field `StartingPosition`",
        ),
        ("TRIM_HORIZON", "AT_TIMESTAMP", "Events.Stream.Properties.StartingPosition: \"AT_TIMESTAMP\" is not known"),
        (
            "BatchSize: 500",
            "TumblingWindowInSeconds: 5",
            "Events.Stream.Properties.TumblingWindowInSeconds: unknown field",
        ),
        ("BatchSize: 500", "BatchSize: 10001", "Events.Stream.Properties.BatchSize: 10001 is not within 1 and 10000"),
        (
            "MaximumConcurrency: 4",
            "MaximumConcurrency: 1",
            "ScalingConfig.MaximumConcurrency: 1 is not within 2 and 1000",
        ),
        ("MaximumBatchingWindowInSeconds: 1", "Enabled: true", "Events.Queue.Properties.BatchSize: above 10 needs"),
        (
            "VisibilityTimeout: 60",
            "VisibilityTimeout: 5",
            "Events.Queue.Properties.Queue: the queue's VisibilityTimeout",
        ),
        (
            "Authorizer: Token",
            "Authorizer: Tokens",
            "Events.Get.Properties.Auth.Authorizer: there is no authorizer \"Tokens\"",
        ),
        ("GetAtt Guard.Arn", "GetAtt Facts.Arn", "Authorizers.Token.FunctionArn: is not a function"),
        (
            "EnableFunctionDefaultPermissions: true",
            "EnableFunctionDefaultPermissions: false",
            "Token.EnableFunctionDefaultPermissions",
        ),
        (
            "Headers: [Authorization], ReauthorizeEvery",
            "ReauthorizeEvery",
            "Identity.ReauthorizeEvery: nothing can be remembered",
        ),
        (
            "!Ref Facts",
            "!Ref Fact",
            "Reader.Properties.Environment.Variables.TABLE.Ref: there is no resource or parameter \"Fact\"",
        ),
        ("!Ref Facts", "!GetAtt Facts.Name", "Variables.TABLE.Fn::GetAtt.Name: Facts has no such attribute"),
        ("!Ref Facts", "!ImportValue x", "Variables.TABLE.Fn::ImportValue: is not a known intrinsic"),
        ("TABLE: !Ref Facts", "AWS_REGION: x", "Variables.AWS_REGION: is not a name that Lambda takes"),
        (
            "Action: dynamodb:GetItem",
            "Action: dynamodb:GetItem, Condition: {}",
            "Policies.0.Statement.0.Condition: only one operator is known",
        ),
        (
            "Effect: Allow, Action: dynamodb:GetItem",
            "Effect: Deny, Action: dynamodb:GetItem",
            "Statement.0.Effect: only Allow",
        ),
        (
            "[dynamodb:DescribeStream, ",
            "[",
            "Events.Stream.Type: the function's role does not allow dynamodb:DescribeStream",
        ),
        ("[sqs:ReceiveMessage, ", "[", "Events.Queue.Type: the function's role does not allow sqs:ReceiveMessage"),
        ("{\"S\":[\"a\"]}", "[{\"like\":1}]", "FilterCriteria.Filters.0.Pattern: filter 1, at dynamodb.Keys.pk: "),
        ("{\"dynamodb\":", "{\"eventName\":[\"INSERT\"],\"dynamodb\":", "alone, not by \"eventName\""),
        (
            "{\"S\":[\"a\"]}}}",
            "{\"S\":[\"a\"]}}},\"$or\":[{\"userIdentity\":{\"type\":[\"Service\"]}}]",
            "not by \"userIdentity\"",
        ),
        ("\"sqs:SendMessage\"", "\"sqs:DeleteMessage\"", "does not allow sqs:SendMessage"),
        (
            "AttributeType: N",
            "AttributeType: X",
            "Resources.Facts.Properties.AttributeDefinitions.1.AttributeType: \"X\"",
        ),
        (
            "AttributeName: score, KeyType",
            "AttributeName: points, KeyType",
            "Facts.Properties.AttributeDefinitions: defines exactly",
        ),
        ("PAY_PER_REQUEST", "PROVISIONED", "Resources.Facts.Properties.BillingMode: only PAY_PER_REQUEST"),
        (
            "BillingMode: PAY_PER_REQUEST",
            "BillingMode: PAY_PER_REQUEST\n      OnDemandThroughput: { MaxWriteRequestUnits: 0 }",
            "Facts.Properties.OnDemandThroughput.MaxWriteRequestUnits: 0 is not within",
        ),
        ("DeletionPolicy: Retain", "CreationPolicy: {}", "Resources.Facts.CreationPolicy: unknown field"),
        (
            "GetAtt Facts.StreamArn\n            Starting",
            "GetAtt Facts.Arn\n            Starting",
            "Properties.Stream: ",
        ),
        ("Path: \"/facts/{id}\"", "Path: \"/facts/{id\"", "Events.Get.Properties.Path: "),
        ("ApiId: !Ref Api,", "ApiId: other,", "Events.Get.Properties.ApiId: is not the API"),
        ("rate(1 hour)", "rate(1 hours)", "Events.Tick.Properties.Schedule: "),
        ("{ Schedule: rate(1 hour),", "{ Rate: x,", "Events.Tick.Properties.Rate: unknown field"),
        ("State: DISABLED", "State: OFF", "Events.Tock.Properties.State: \"OFF\" is not known"),
        (
            "State: DISABLED",
            "FlexibleTimeWindow: { Mode: FLEXIBLE }",
            "Tock.Properties.FlexibleTimeWindow.Mode: only OFF",
        ),
        ("Input: '{\"a\":1}'", "Input: '{'", "Events.Tick.Properties.Input: EOF"),
        (
            "Pattern: '{\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[\"a\"]}}}}'",
            "Pattern: '{'",
            "FilterCriteria.Filters.0.Pattern: EOF",
        ),
        (
            "!If [HasTopic,",
            "!If [HasTopics,",
            "Alarm.Properties.AlarmActions.Fn::If: there is no condition \"HasTopics\"",
        ),
        ("EvaluationPeriods: 1", "EvaluationPeriod: 1", "Resources.Alarm.Properties.EvaluationPeriod: unknown field"),
        ("lambda/guard/", "lambda/reader/", "CodeUri: \"reader\" is a function already"),
        ("Handler: bootstrap", "Handler: index.handler", "Handler: only bootstrap is known"),
        ("Globals:\n", "Globals:\n  Api: {}\n", "Globals.Api: only globals of functions"),
        ("Url: { Value:", "Url: { Values:", "Outputs.Url.Values: unknown field"),
    ] {
        assert!(SMALL.contains(old), "{old}");
        let text = SMALL.replacen(old, new, 1);
        match read_template(&text, &surroundings()) {
            Ok(_) => assert_eq!(refusal, "", "{new} is not refused"),
            Err(refused) => {
                let refused = refused.to_string();
                assert!(!refusal.is_empty() && refused.contains(refusal), "{new}: {refused}");
            }
        }
    }
}

#[test]
fn resources_with_a_false_condition_are_left_out() {
    let text = SMALL.replacen("  Alarm:\n    Type", "  Alarm:\n    Condition: HasTopic\n    Type", 1);
    let template = read_template(&text, &surroundings()).unwrap();
    assert!(!template.described.list().contains(&"alarms"));
    let mut with_topic = surroundings();
    with_topic.parameters.insert("Topic".to_owned(), "arn".to_owned());
    assert!(read_template(&text, &with_topic).unwrap().described.list().contains(&"alarms"));
}
