use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, InvocationError, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem};
use runtime::messaging::{self, Queue};
use runtime::task::{self, TaskHandler};
use serde_json::{Value, json};

use super::*;
use crate::testing::{function, start_of};

const NOTES: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  JwtSecretArn: { Type: String }
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Api: { Type: AWS::Serverless::HttpApi }
  Notes:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/notes/
      Environment: { Variables: { TABLE: !Ref Table, SECRET_ARN: !Ref JwtSecretArn } }
      Policies: [{ Statement: { Effect: Allow, Action: [dynamodb:PutItem, dynamodb:GetItem], Resource: !GetAtt Table.Arn } }]
      Events:
        Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: "/notes/{id}" } }
"#;

/// Stores the bodies of PUT requests and returns them to GET requests.
struct Notes {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
}

fn notes() -> Function {
    function("notes", |boot| {
        let mut reader = boot.environment.reader();
        let table = reader.required("TABLE");
        let config = reader.finish(Notes { dynamodb: boot.dynamodb(), table })?;
        Ok(Box::new(config))
    })
}

impl Invoke for Notes {
    fn invoke<'a>(&'a self, payload: &'a str, _: &'a Invocation) -> BoxFuture<'a, Result<String, InvocationError>> {
        async move {
            let event: Value = serde_json::from_str(payload).unwrap();
            let id = AttributeValue::S(event["pathParameters"]["id"].as_str().unwrap().to_owned());
            let body = match event["requestContext"]["http"]["method"].as_str().unwrap() {
                "PUT" => {
                    let text = AttributeValue::S(event["body"].as_str().unwrap().to_owned());
                    let put = self.dynamodb.put_item().table_name(&self.table).item("pk", id).item("text", text);
                    put.send().await.unwrap();
                    String::new()
                }
                "DELETE" => {
                    let error = self.dynamodb.delete_item().table_name(&self.table).key("pk", id).send().await;
                    error.unwrap_err().into_service_error().to_string()
                }
                _ => {
                    let got = self.dynamodb.get_item().table_name(&self.table).key("pk", id).send().await.unwrap();
                    got.item.map(|item| item["text"].as_s().unwrap().clone()).unwrap_or_default()
                }
            };
            Ok(json!({"statusCode": 200, "body": body}).to_string())
        }
        .boxed()
    }
}

fn options(state: Option<&Path>) -> Options {
    let mut options = Options::new(Source::Text(NOTES.to_owned()), vec![notes()]);
    options.state = state.map(Path::to_owned);
    options
}

async fn send(cloud: &LocalCloud, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let request = Request::builder().method(method).uri(format!("{}{path}", cloud.api_url()));
    let request = request.header("content-type", "text/plain").body(Full::from(body.to_owned())).unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_cloud_serves_its_template_and_stops() {
    let began = Instant::now();
    let cloud = LocalCloud::start(options(None)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(send(&cloud, "PUT", "/notes/a", "hello").await, (StatusCode::OK, String::new()));
    assert_eq!(send(&cloud, "GET", "/notes/a", "").await, (StatusCode::OK, "hello".to_owned()));
    assert_eq!(send(&cloud, "GET", "/elsewhere", "").await.0, StatusCode::NOT_FOUND);
    let denied = send(&cloud, "DELETE", "/notes/a", "").await.1;
    assert!(denied.contains("AccessDenied"), "{denied}");
    let other = LocalCloud::start(options(None)).await.unwrap();
    assert_eq!(send(&other, "GET", "/notes/a", "").await.1, "");
    assert_ne!(cloud.tokens()["admin"], other.tokens()["admin"]);
    assert_eq!(cloud.table("Table"), Some("tally-Table"));
    other.stop().await;
    let url = cloud.api_url().to_owned();
    cloud.stop().await;
    let address = url.trim_start_matches("http://");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn state_survives_restarts_until_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let cloud = LocalCloud::start(options(Some(&state))).await.unwrap();
    send(&cloud, "PUT", "/notes/a", "kept").await;
    let ready: Value = serde_json::from_slice(&std::fs::read(state.join("ready.json")).unwrap()).unwrap();
    assert_eq!(ready["apiUrl"], cloud.api_url());
    assert_eq!(ready["tokens"].as_object().unwrap().len(), 5);
    let secret = cloud.jwt_secret().to_owned();

    let second = LocalCloud::start(options(Some(&state))).await.err().unwrap().to_string();
    assert!(second.starts_with("another local cloud uses"), "{second}");
    cloud.stop().await;
    assert!(!state.join("ready.json").exists());
    assert_eq!(Ready::of_running(&state).unwrap(), None);

    let again = LocalCloud::start(options(Some(&state))).await.unwrap();
    assert_eq!(send(&again, "GET", "/notes/a", "").await.1, "kept");
    assert_eq!(again.jwt_secret(), secret);
    again.stop().await;

    std::fs::write(state.join("not-ours"), "").unwrap();
    let fresh = LocalCloud::start(Options { fresh: true, ..options(Some(&state)) }).await.unwrap();
    assert_eq!(send(&fresh, "GET", "/notes/a", "").await.1, "");
    assert_ne!(fresh.jwt_secret(), secret);
    fresh.stop().await;
    assert!(state.join("not-ours").exists());
}

#[tokio::test]
async fn rejects_unknown_state_formats_and_migrates_older_ones() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    LocalCloud::start(options(Some(&state))).await.unwrap().stop().await;
    let format = state.join("state-format");
    assert_eq!(std::fs::read_to_string(&format).unwrap(), "4\n");
    // Older state is marked with the current format, so that the version that wrote it refuses it from now on.
    for older in ["2\n", "3\n"] {
        std::fs::write(&format, older).unwrap();
        LocalCloud::start(options(Some(&state))).await.unwrap().stop().await;
        assert_eq!(std::fs::read_to_string(&format).unwrap(), "4\n");
    }
    // The first format was not marked.
    std::fs::remove_file(&format).unwrap();
    for kept in ["1", "5"] {
        let refused = LocalCloud::start(options(Some(&state))).await.err().unwrap().to_string();
        assert!(refused.contains(&format!("has format {kept}")) && refused.contains("--fresh"), "{refused}");
        std::fs::write(&format, "5").unwrap();
    }
    let fresh = LocalCloud::start(Options { fresh: true, ..options(Some(&state)) }).await.unwrap();
    fresh.stop().await;
    LocalCloud::start(options(Some(&state))).await.unwrap().stop().await;
}

#[tokio::test]
async fn only_one_cloud_announces_itself_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let announced = folder.path().join("announced");
    let with = |state: Option<&Path>| Options { announced: Some(announced.clone()), ..options(state) };
    let first = LocalCloud::start(with(None)).await.unwrap();
    let ready = Ready::of_running(&announced).unwrap().unwrap();
    assert_eq!((&ready.summary, ready.signing.secret.as_str()), (first.summary(), first.jwt_secret()));
    let second = LocalCloud::start(with(None)).await.unwrap();
    second.stop().await;
    assert_eq!(Ready::of_running(&announced).unwrap(), Some(ready));
    assert!(!announced.join("secrets.json").exists());
    first.stop().await;
    assert!(!announced.join("ready.json").exists());
    // One that was killed leaves the file, and not the lock.
    std::fs::write(announced.join("ready.json"), "{}").unwrap();
    assert_eq!(Ready::of_running(&announced).unwrap(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files_of_a_cloud() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    // As if the files had been created with open permissions.
    LocalCloud::start(options(Some(&state))).await.unwrap().stop().await;
    for entry in std::fs::read_dir(&state).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    let cloud = LocalCloud::start(options(Some(&state))).await.unwrap();
    send(&cloud, "PUT", "/notes/a", "secret").await;
    assert_eq!(mode(&state), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let is_empty = std::fs::metadata(&path).unwrap().len() == 0;
        assert!(is_empty || mode(&path) == 0o600, "{}: {:o}", path.display(), mode(&path));
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in ["dynamodb.sqlite", "sqs.sqlite", "secrets.json", "ready.json"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    cloud.stop().await;

    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("other-file"), "").unwrap();
    std::fs::set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();
    let cloud = LocalCloud::start(options(Some(&shared))).await.unwrap();
    assert_eq!((mode(&shared), mode(&shared.join("secrets.json"))), (0o755, 0o600));
    cloud.stop().await;
}

#[tokio::test]
async fn rejects_functions_and_templates_that_disagree() {
    let refused = |functions: Vec<Function>| async {
        let options = Options::new(Source::Text(NOTES.to_owned()), functions);
        LocalCloud::start(options).await.err().unwrap().to_string()
    };
    assert_eq!(refused(vec![]).await, "Resources.Notes.Properties.CodeUri: there is no function \"notes\"");
    let stray = function("stray", start_of!(|payload, _invocation| Ok(payload.to_owned())));
    assert_eq!(refused(vec![notes(), stray]).await, "Resources: the template does not deploy the function \"stray\"");
    let wrong = Options { parameters: [("Nope".to_owned(), String::new())].into(), ..options(None) };
    assert!(LocalCloud::start(wrong).await.err().unwrap().to_string().contains("\"Nope\" is given, but not declared"));
}

const MIRROR: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap }
Resources:
  Source:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: KEYS_ONLY }
  Copies:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Failures: { Type: AWS::SQS::Queue }
  Mirror:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/mirror/
      Environment: { Variables: { TABLE: !Ref Copies } }
      Policies: [{ Statement: { Effect: Allow, Action: dynamodb:PutItem, Resource: !GetAtt Copies.Arn } }]
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Source.StreamArn
            StartingPosition: TRIM_HORIZON
            MaximumRetryAttempts: 0
            BisectBatchOnFunctionError: true
            DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt Failures.Arn } }
        Daily:
          Type: Schedule
          Properties: { Schedule: rate(1 day), Name: daily, Input: '{"Records":[{"dynamodb":{"Keys":{"pk":{"S":"daily"}}}}]}' }
"#;

/// Writes the key of every record, except those that it panics at.
struct Mirror {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
}

fn mirror() -> Function {
    function("mirror", |boot| {
        let mut reader = boot.environment.reader();
        let table = reader.required("TABLE");
        let config = reader.finish(Mirror { dynamodb: boot.dynamodb(), table })?;
        Ok(Box::new(config))
    })
}

impl Invoke for Mirror {
    fn invoke<'a>(&'a self, payload: &'a str, _: &'a Invocation) -> BoxFuture<'a, Result<String, InvocationError>> {
        async move {
            let event: Value = serde_json::from_str(payload).unwrap();
            for record in event["Records"].as_array().unwrap() {
                let key = record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap();
                assert_ne!(key, "poison");
                let key = AttributeValue::S(key.to_owned());
                self.dynamodb.put_item().table_name(&self.table).item("pk", key).send().await.unwrap();
            }
            Ok(String::new())
        }
        .boxed()
    }
}

/// A client of DynamoDB over HTTP.
fn outside(cloud: &LocalCloud) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new(crate::wire::REGION))
        .credentials_provider(aws_credential_types::Credentials::from_keys("any", "any", None))
        .endpoint_url(cloud.dynamodb_url());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

#[tokio::test]
async fn streams_and_schedules_reach_their_functions() {
    let cloud = LocalCloud::start(Options::new(Source::Text(MIRROR.to_owned()), vec![mirror()])).await.unwrap();
    let dynamodb = outside(&cloud);
    let (source, copies) = (cloud.table("Source").unwrap(), cloud.table("Copies").unwrap());
    for key in ["a", "poison", "b"] {
        dynamodb.put_item().table_name(source).item("pk", AttributeValue::S(key.to_owned())).send().await.unwrap();
    }
    cloud.wait_until_drained(Duration::from_secs(10)).await.unwrap();
    assert!(cloud.fire("daily").await);
    assert!(!cloud.fire("weekly").await);
    let scanned = dynamodb.scan().table_name(copies).send().await.unwrap();
    let mut keys: Vec<String> = scanned.items().iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
    keys.sort();
    assert_eq!(keys, ["a", "b", "daily"]);
    let given_up = cloud.queues().receive(cloud.queue("Failures").unwrap(), 10, Duration::ZERO, None).await.unwrap();
    assert_eq!(given_up.len(), 1);
    cloud.stop().await;
}

const JOBS: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap, Timeout: 1 }
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      # Longer than the batching window and the function together, or what is under way is delivered again.
      VisibilityTimeout: 4
      RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadJobs.Arn, maxReceiveCount: 2 }
  DeadJobs: { Type: AWS::SQS::Queue }
  Done: { Type: AWS::SQS::Queue }
  Api: { Type: AWS::Serverless::HttpApi }
  Planner:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/planner/
      Environment: { Variables: { QUEUE_URL: !Ref Jobs } }
      Policies: [{ Statement: { Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Jobs.Arn } }]
      Events:
        Ask: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /jobs } }
        Hourly: { Type: Schedule, Properties: { Schedule: rate(1 hour), Name: hourly, Input: '["one"]' } }
        Nightly:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: cron(0 3 * * ? *)
            Name: nightly
            Input: '["two", "poison", "three"]'
            FlexibleTimeWindow: { Mode: "OFF" }
            RetryPolicy: { MaximumRetryAttempts: 2 }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/worker/
      Environment: { Variables: { QUEUE_URL: !Ref Done } }
      Policies: [{ Statement: { Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Done.Arn } }]
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 20
            MaximumBatchingWindowInSeconds: 1
            ScalingConfig: { MaximumConcurrency: 2 }
            FunctionResponseTypes: [ReportBatchItemFailures]
"#;

/// A function that sends to a queue.
struct Sender(Arc<dyn Queue>);

impl Sender {
    fn start(boot: &FunctionContext) -> Result<Self, StartError> {
        let mut reader = boot.environment.reader();
        let url = reader.required("QUEUE_URL");
        Ok(Self(messaging::sqs(boot.sqs(), reader.finish(url)?)))
    }
}

impl TaskHandler for Sender {
    fn run<'a>(&'a self, input: Value, invocation: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>> {
        async move {
            let jobs: Vec<String> =
                serde_json::from_value(input).map_err(|error| InvocationError { message: error.to_string() })?;
            let sent = self.0.send_all(&jobs, invocation.deadline).await;
            sent.map_err(|unsent| InvocationError { message: unsent.to_string() })?;
            Ok(json!({ "sent": jobs.len() }))
        }
        .boxed()
    }
}

impl HttpHandler for Sender {
    fn handle(&self, _: runtime::http::Request) -> BoxFuture<'_, Result<runtime::http::Response, Problem>> {
        async { Err(Problem::NotFound("jobs cannot be read".to_owned())) }.boxed()
    }
}

impl QueueHandler for Sender {
    fn handle<'a>(
        &'a self,
        messages: &'a [Message],
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        async move {
            let is_poison = |message: &Message| message.body == "poison" && !MENDED.load(Ordering::Relaxed);
            let done: Vec<String> =
                messages.iter().filter(|message| !is_poison(message)).map(|message| message.body.clone()).collect();
            self.0.send_all(&done, deadline).await.unwrap();
            let settle = |message| {
                if is_poison(message) { RecordOutcome::Poison("poison".to_owned()) } else { RecordOutcome::Done }
            };
            messages.iter().map(settle).collect()
        }
        .boxed()
    }
}

/// Whether the worker accepts poison. Only one test uses it.
static MENDED: AtomicBool = AtomicBool::new(false);

fn jobs() -> Vec<Function> {
    let planner = function("planner", |boot| {
        let http = runtime::http::function("planner", Access::Public, boot, Sender::start(boot)?);
        Ok(task::with_http(http, task::function("planner", boot, Sender::start(boot)?)))
    });
    let worker = function("worker", |boot| Ok(runtime::batch::queue_function("worker", boot, Sender::start(boot)?)));
    vec![planner, worker]
}

#[tokio::test]
async fn jobs_flow_from_schedule_to_queue_and_dead_letters_can_be_redriven() {
    let cloud = LocalCloud::start(Options::new(Source::Text(JOBS.to_owned()), jobs())).await.unwrap();
    let drained = || cloud.wait_until_drained(Duration::from_secs(20));
    let done = || async {
        let received = cloud.queues().receive(cloud.queue("Done").unwrap(), 10, Duration::ZERO, None).await.unwrap();
        received.into_iter().map(|message| message.body).collect::<std::collections::BTreeSet<_>>()
    };
    let dead = || cloud.queues().depth(cloud.queue("DeadJobs").unwrap()).unwrap().total();

    assert_eq!(send(&cloud, "GET", "/jobs", "").await.0, StatusCode::NOT_FOUND);
    assert!(cloud.invoke("Planner", "{}".to_owned()).await.is_err());
    assert_eq!(cloud.invoke("Planner", r#"["by hand"]"#.to_owned()).await.unwrap(), r#"{"sent":1}"#);
    assert!(cloud.fire("hourly").await);
    assert!(cloud.fire("nightly").await);
    drained().await.unwrap();
    assert_eq!(done().await, ["by hand", "one", "three", "two"].map(str::to_owned).into());
    assert_eq!(dead(), 1);

    MENDED.store(true, Ordering::Relaxed);
    let start = json!({ "SourceArn": crate::wire::queue_arn(cloud.queue("DeadJobs").unwrap()) }).to_string();
    let caller = crate::wire::ClientOptions::default();
    assert!(cloud.queues().call("StartMessageMoveTask", &start, &caller).await.is_ok());
    drained().await.unwrap();
    assert_eq!((done().await, dead()), (["poison".to_owned()].into(), 0));
    cloud.stop().await;
}
