//! Functions that send to the queues that invoke them, in a cloud that detects recursive loops.

use aws_sdk_sqs::types::MessageSystemAttributeName;
use futures::FutureExt;
use futures::future::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartError};
use runtime::messaging::{self, Queue};
use serde_json::{Value, json};
use tracing_subscriber::fmt;

use super::*;
use crate::lambda::LONGEST_CHAIN;
use crate::testing::{Captured, function};
use crate::trace::Trace;
use crate::wire::ClientOptions;

const LOOPS: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap, Timeout: 1 }
Resources:
  Ticks:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 }
  Tocks:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 }
  Dead: { Type: AWS::SQS::Queue }
  Done: { Type: AWS::SQS::Queue }
  Ticker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/ticker/
      RecursiveLoop: Terminate
      Environment: { Variables: { NEXT_URL: !Ref Ticks, DONE_URL: !Ref Done } }
      Policies:
        - Statement: { Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Ticks.Arn, !GetAtt Tocks.Arn, !GetAtt Done.Arn] }
      Events:
        Ticks: { Type: SQS, Properties: { Queue: !GetAtt Ticks.Arn, FunctionResponseTypes: [ReportBatchItemFailures] } }
  Tocker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/tocker/
      Environment: { Variables: { NEXT_URL: !Ref Ticks, DONE_URL: !Ref Done } }
      Policies:
        - Statement: { Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Ticks.Arn, !GetAtt Done.Arn] }
      Events:
        Tocks: { Type: SQS, Properties: { Queue: !GetAtt Tocks.Arn, FunctionResponseTypes: [ReportBatchItemFailures] } }
"#;

/// Sends a number, one smaller each time, to the next queue until it is nothing.
struct Countdown {
    next: Arc<dyn Queue>,
    done: Arc<dyn Queue>,
}

impl Countdown {
    fn start(boot: &FunctionContext) -> Result<Self, StartError> {
        let mut reader = boot.environment.reader();
        let (next, done) = (reader.required("NEXT_URL"), reader.required("DONE_URL"));
        reader.finish(())?;
        Ok(Self { next: messaging::sqs(boot.sqs(), next), done: messaging::sqs(boot.sqs(), done) })
    }
}

impl QueueHandler for Countdown {
    fn handle<'a>(&'a self, messages: &'a [Message], _: tokio::time::Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        async move {
            for message in messages {
                match message.body.parse::<u32>().unwrap() {
                    0 => self.done.send("0".to_owned()).await.unwrap(),
                    number => self.next.send((number - 1).to_string()).await.unwrap(),
                }
            }
            messages.iter().map(|_| RecordOutcome::Done).collect()
        }
        .boxed()
    }
}

fn countdowns() -> Vec<Function> {
    vec![
        function("ticker", |boot| Ok(runtime::batch::queue_function("ticker", boot, Countdown::start(boot)?))),
        function("tocker", |boot| Ok(runtime::batch::queue_function("tocker", boot, Countdown::start(boot)?))),
    ]
}

/// Counts down from a number. Returns the messages at the end, and the dead letters.
async fn counted(template: &str, from: u32) -> (Vec<String>, Vec<String>) {
    let cloud = LocalCloud::start(Options::new(Source::Text(template.to_owned()), countdowns())).await.unwrap();
    cloud.queues().send(cloud.queue("Ticks").unwrap(), &from.to_string()).unwrap();
    cloud.wait_until_drained(Duration::from_secs(120)).await.unwrap();
    let (queues, names) = (cloud.queues(), ["Done", "Dead"].map(|queue| cloud.queue(queue).unwrap()));
    let [done, dead] = names.map(|name| queues.receive(name, 10, Duration::ZERO, None));
    let bodies = |received: Vec<crate::sqs::Received>| received.into_iter().map(|message| message.body).collect();
    let ended = (bodies(done.await.unwrap()), bodies(dead.await.unwrap()));
    cloud.stop().await;
    ended
}

#[tokio::test]
async fn a_recursive_loop_stops_after_sixteen_invocations_and_leaves_a_dead_letter() {
    let captured = Captured::start();
    let subscriber = fmt().without_time().with_ansi(false).with_writer(captured.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let (end, nothing) = (vec!["0".to_owned()], Vec::new());
    assert_eq!(counted(LOOPS, LONGEST_CHAIN - 1).await, (end, nothing.clone()));
    assert!(!captured.text().contains("RecursiveLoop"), "{}", captured.text());
    // The chain has had sixteen invocations, so every delivery of this message is refused.
    assert_eq!(counted(LOOPS, 1_000).await, (nothing, vec!["984".to_owned()]));
    assert!(captured.text().contains("Ticker: not invoked: one chain of requests has invoked it 16 times"));
}

#[tokio::test]
async fn an_allowed_recursive_loop_continues() {
    let allowed = LOOPS.replace("RecursiveLoop: Terminate", "RecursiveLoop: Allow");
    assert_eq!(counted(&allowed, 1_000).await, (vec!["0".to_owned()], Vec::new()));
}

#[tokio::test]
async fn a_loop_of_several_functions_counts_invocations_per_function() {
    let there = LOOPS.replacen("NEXT_URL: !Ref Ticks", "NEXT_URL: !Ref Tocks", 1);
    assert_eq!(counted(&there, 31).await, (vec!["0".to_owned()], Vec::new()));
    assert_eq!(counted(&there, 1_000).await, (Vec::new(), vec!["968".to_owned()]));
}

#[tokio::test]
async fn a_message_carries_the_trace_header_of_the_request_that_sent_it() {
    let cloud = LocalCloud::start(Options::new(Source::Text(LOOPS.to_owned()), countdowns())).await.unwrap();
    let caller = |trace: Option<&str>| ClientOptions { trace: trace.map(str::to_owned), ..ClientOptions::default() };
    let url = cloud.queues().url(cloud.queue("Done").unwrap());
    let send = json!({"QueueUrl": url, "MessageBody": "x"});
    let own = json!({"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=own"}});
    let mut with_own = send.clone();
    with_own["MessageSystemAttributes"] = own;
    let mut unknown = send.clone();
    unknown["MessageSystemAttributes"] = json!({"SenderId": {"DataType": "String", "StringValue": "x"}});
    let call = async |body: &Value, trace| cloud.queues().call("SendMessage", &body.to_string(), &caller(trace)).await;
    assert!(!call(&unknown, None).await.is_ok());
    for (body, trace, expected) in [
        (&send, Some("Root=1"), Some("Root=1")),
        (&with_own, Some("Root=1"), Some("Root=own")),
        (&with_own, None, Some("Root=own")),
        (&send, None, None),
    ] {
        assert!(call(body, trace).await.is_ok());
        let received = cloud.queues().receive(cloud.queue("Done").unwrap(), 1, Duration::ZERO, None).await.unwrap();
        let attributes = received[0].system_attributes();
        let header = attributes.get(MessageSystemAttributeName::AwsTraceHeader.as_str()).and_then(Value::as_str);
        assert_eq!(header, expected);
        assert_eq!(received[0].trace(), expected.map(Trace::parse).unwrap_or_default());
        assert!(cloud.queues().delete(cloud.queue("Done").unwrap(), &received[0].receipt).unwrap());
    }
    cloud.stop().await;
}
