//! The adapter to SQS.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{Queue, SendError, Unsent};
use system::backoff::Backoff;

/// The most messages of one call
/// ([SQS quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).
const MOST_ENTRIES: usize = 10;

/// The most bytes of one call, unless a single message is larger: what SQS has always taken. It takes 1 MiB since 2025.
const MOST_BYTES: usize = 256 * 1024;

/// Calls under way at once: enough to hide the way to SQS and back.
const AT_ONCE: usize = 8;

/// A queue of SQS.
#[derive(Debug, Clone)]
struct Sqs {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// The queue of SQS at this URL.
#[must_use]
pub fn sqs(client: aws_sdk_sqs::Client, url: String) -> Arc<dyn Queue> {
    Arc::new(Sqs { client, url })
}

impl Queue for Sqs {
    fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>> {
        Box::pin(async move {
            let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
            sent.map(|_| ()).map_err(|error| SendError(Box::new(error)))
        })
    }

    fn send_all<'a>(&'a self, bodies: &'a [String], deadline: Instant) -> BoxFuture<'a, Result<(), Unsent>> {
        Box::pin(async move {
            let calls = chunks(bodies).into_iter().map(|chunk| self.send_chunk(bodies, chunk, deadline));
            let unsent: Vec<Left> = futures::stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
            let mut unsent = unsent.into_iter().flatten().collect::<Left>().into_iter();
            let Some((first, reason)) = unsent.next() else { return Ok(()) };
            Err(Unsent { places: std::iter::once(first).chain(unsent.map(|(place, _)| place)).collect(), reason })
        })
    }
}

/// The messages that are not known to have arrived, by their places, each with the reason.
type Left = BTreeMap<usize, String>;

/// What no further try can help.
struct Hopeless(bool);

impl Sqs {
    /// Sends the messages of one call until all have arrived, what is left is hopeless, or the time is over.
    async fn send_chunk(&self, bodies: &[String], chunk: Range<usize>, deadline: Instant) -> Left {
        let mut left: Left = chunk.map(|place| (place, "the time was over".to_owned())).collect();
        let mut hopeless = Left::new();
        let mut backoff = Backoff::until(deadline);
        while !left.is_empty() {
            // A call that is cut off may have been carried out; its messages then arrive twice at worst.
            let Ok(Hopeless(stop)) = timeout_at(deadline, self.try_once(bodies, &mut left, &mut hopeless)).await else {
                break;
            };
            if stop || left.is_empty() || !backoff.wait().await {
                break;
            }
        }
        left.append(&mut hopeless);
        left
    }

    /// Sends what is left once: takes out what arrived, and what never will.
    async fn try_once(&self, bodies: &[String], left: &mut Left, hopeless: &mut Left) -> Hopeless {
        let mut batch = self.client.send_message_batch().queue_url(&self.url);
        for (place, body) in left.keys().filter_map(|place| Some((place, bodies.get(*place)?))) {
            match SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body).build() {
                Ok(entry) => batch = batch.entries(entry),
                Err(error) => tracing::error!(error = %error, "an entry is incomplete: {error}"),
            }
        }
        let answer = match batch.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let reason = DisplayErrorContext(&error).to_string();
                left.values_mut().for_each(|left| left.clone_from(&reason));
                return Hopeless(is_refused(&error));
            }
        };
        for sent in answer.successful() {
            if let Ok(place) = sent.id().parse::<usize>() {
                left.remove(&place);
            }
        }
        for failed in answer.failed() {
            let Ok(place) = failed.id().parse::<usize>() else { continue };
            let reason = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
            if failed.sender_fault() && !is_throttled(failed.code()) {
                left.remove(&place);
                hopeless.insert(place, reason);
            } else {
                left.insert(place, reason);
            }
        }
        Hopeless(false)
    }
}

/// Whether SQS has refused a call for good.
fn is_refused(error: &SdkError<SendMessageBatchError>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(refusal) => {
            refusal.raw().status().as_u16() < 500 && !error.code().is_some_and(is_throttled)
        }
        _ => false,
    }
}

/// SQS counts its throttling among the sender's faults.
fn is_throttled(code: &str) -> bool {
    code.contains("Throttl")
}

/// The calls that bodies are sent in, by their places.
fn chunks(bodies: &[String]) -> Vec<Range<usize>> {
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, body) in bodies.iter().enumerate() {
        bytes += body.len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MOST_ENTRIES && bytes <= MOST_BYTES => chunk.end = place + 1,
            _ => {
                chunks.push(place..place + 1);
                bytes = body.len();
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_types::body::SdkBody;
    use serde_json::{Value, json};

    use super::*;

    /// What SQS does with an entry of this body, at the how many-eth call.
    type Behaviour = fn(&str, usize) -> &'static str;

    /// SQS as the test wants it; keeps the bodies of each call.
    #[derive(Clone, Debug)]
    struct Fake {
        behaviour: Behaviour,
        calls: Arc<Mutex<Vec<Vec<String>>>>,
    }

    impl Fake {
        fn answer(&self, request: &Value) -> (u16, Value) {
            let entries = request["Entries"].as_array().unwrap();
            let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
            let mut calls = self.calls.lock().unwrap();
            calls.push(entries.iter().map(|entry| text(entry, "MessageBody")).collect());
            let (mut successful, mut failed) = (Vec::new(), Vec::new());
            for entry in entries {
                let failure =
                    |code: &str, sender: bool| json!({"Id": entry["Id"], "Code": code, "SenderFault": sender});
                match (self.behaviour)(&text(entry, "MessageBody"), calls.len()) {
                    "take" => successful.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"})),
                    "fail" => failed.push(failure("InternalError", false)),
                    "throttle" => failed.push(failure("RequestThrottled", true)),
                    "refuse" => failed.push(failure("InvalidMessageContents", true)),
                    "deny" => return (403, json!({"__type": "com.amazon.coral.service#AccessDeniedException"})),
                    "break" => return (500, json!({"__type": "com.amazonaws.sqs#InternalError"})),
                    // An entry that the answer does not name is not known to have arrived.
                    "forget" => {}
                    other => panic!("{other}"),
                }
            }
            (200, json!({"Successful": successful, "Failed": failed}))
        }
    }

    impl HttpConnector for Fake {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let (status, answer) = self.answer(&serde_json::from_slice(request.body().bytes().unwrap()).unwrap());
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(answer.to_string()));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    impl HttpClient for Fake {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    /// Sends bodies; tells what came of it and what each call held.
    async fn send(behaviour: Behaviour, bodies: &[&str]) -> (Result<(), Unsent>, Vec<Vec<String>>) {
        let fake = Fake { behaviour, calls: Arc::default() };
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("any", "any", None, None, "test"))
            .http_client(fake.clone())
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled());
        let queue = sqs(aws_sdk_sqs::Client::from_conf(config.build()), "http://sqs/0/queue".to_owned());
        let bodies: Vec<String> = bodies.iter().map(|body| (*body).to_owned()).collect();
        let result = queue.send_all(&bodies, Instant::now() + Duration::from_millis(300)).await;
        let calls = fake.calls.lock().unwrap().clone();
        (result, calls)
    }

    fn places(result: Result<(), Unsent>) -> Vec<usize> {
        result.unwrap_err().places
    }

    #[tokio::test]
    async fn all_arrive_ten_at_a_time() {
        let bodies: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let (result, calls) = send(|_, _| "take", &bodies).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(calls.concat(), bodies);
        assert_eq!(send(|_, _| "take", &[]).await, (Ok(()), vec![]));
    }

    #[tokio::test]
    async fn only_what_failed_is_sent_again() {
        for failure in ["fail", "throttle", "forget"] {
            // Behaviours are plain functions, so each failure has its body.
            let behaviour: Behaviour = |body, call| match (body, call) {
                ("fail", 1) => "fail",
                ("throttle", 1) => "throttle",
                ("forget", 1) => "forget",
                _ => "take",
            };
            let (result, calls) = send(behaviour, &["a", failure, "b"]).await;
            assert_eq!(
                (result, calls),
                (Ok(()), vec![vec!["a".into(), failure.into(), "b".into()], vec![failure.into()]])
            );
        }
        let (result, calls) = send(|_, call| if call == 1 { "break" } else { "take" }, &["a", "b"]).await;
        assert_eq!((result, calls.len()), (Ok(()), 2));
    }

    #[tokio::test]
    async fn what_is_not_confirmed_in_time_is_told() {
        let began = Instant::now();
        let behaviour: Behaviour = |body, _| if body == "b" { "fail" } else { "take" };
        let (result, calls) = send(behaviour, &["a", "b", "c", "b"]).await;
        assert_eq!(places(result.clone()), [1, 3]);
        assert_eq!(result.unwrap_err().to_string(), "2 messages not sent: InternalError: ");
        assert!(calls.len() > 1 && began.elapsed() < Duration::from_secs(1), "{calls:?}");
    }

    #[tokio::test]
    async fn what_is_refused_is_not_tried_again_and_hinders_nothing_else() {
        let behaviour: Behaviour = |body, call| match body {
            "bad" => "refuse",
            "slow" if call == 1 => "fail",
            _ => "take",
        };
        let (result, calls) = send(behaviour, &["a", "bad", "slow"]).await;
        assert_eq!((places(result), calls.len()), (vec![1], 2));

        let (result, calls) = send(|_, _| "deny", &["a", "b"]).await;
        assert_eq!((places(result), calls.len()), (vec![0, 1], 1));
    }

    #[test]
    fn no_call_holds_too_much() {
        let sizes = |sizes: &[usize]| {
            let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            chunks(&bodies).iter().map(Range::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 21]), [10, 10, 1]);
        assert_eq!(sizes(&[MOST_BYTES - 1, 1, 1]), [2, 1]);
        assert_eq!(sizes(&[1, MOST_BYTES + 1, 1]), [1, 1, 1]);
    }
}
