//! The adapter to Secrets Manager.

use std::error::Error;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::Secret;
use crate::cached::{Source, Unavailable};

/// A secret of Secrets Manager.
#[derive(Debug, Clone)]
struct SecretsManager {
    client: aws_sdk_secretsmanager::Client,
    arn: String,
}

/// The secret of Secrets Manager with this ARN: its text, or, where the text is a JSON object, its fields `secret` and, during a
/// rotation, `previous`.
#[must_use]
pub fn secrets_manager(client: aws_sdk_secretsmanager::Client, arn: String) -> Arc<dyn Source<Secret>> {
    Arc::new(SecretsManager { client, arn })
}

impl Source<Secret> for SecretsManager {
    fn fetch(&self) -> BoxFuture<'_, Result<Secret, Unavailable>> {
        Box::pin(async move {
            let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
            let answer = answer.map_err(|error| Unavailable(chain(&error)))?;
            parse(answer.secret_string().unwrap_or_default())
                .map_err(|reason| Unavailable(format!("the secret {reason}")))
        })
    }
}

/// An error with its causes, without their details: those of an answer that cannot be read hold the answer.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn parse(text: &str) -> Result<Secret, &'static str> {
    // A file's last line end is no part of it.
    let text = text.trim();
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return Ok(Secret { current: non_empty(text)?, previous: None });
    };
    let Some(Value::String(current)) = fields.get("secret") else {
        return Err("is an object without the text \"secret\"");
    };
    let previous = match fields.get("previous") {
        None | Some(Value::Null) => None,
        Some(Value::String(previous)) => Some(non_empty(previous)?),
        Some(_) => return Err("is an object whose \"previous\" is not text"),
    };
    Ok(Secret { current: non_empty(current)?, previous })
}

fn non_empty(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("is empty") } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::config::retry::RetryConfig;
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_types::body::SdkBody;
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:channels-a1B2c3";

    /// Secrets Manager, which gives one answer.
    #[derive(Clone, Debug)]
    struct Fake(u16, String);

    impl HttpConnector for Fake {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            assert_eq!(request.headers().get("x-amz-target"), Some("secretsmanager.GetSecretValue"));
            let asked: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            assert_eq!(asked, json!({"SecretId": ARN}));
            let mut response = HttpResponse::new(self.0.try_into().unwrap(), SdkBody::from(self.1.as_str()));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.1");
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    impl HttpClient for Fake {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    async fn ask(status: u16, answer: impl ToString) -> Result<(String, Option<String>), String> {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("any", "any", None, None, "test"))
            .http_client(Fake(status, answer.to_string()))
            .retry_config(RetryConfig::disabled());
        let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
        let fetched = secrets_manager(client, ARN.to_owned()).fetch().await;
        fetched.map(|secret| (secret.current, secret.previous)).map_err(|error| error.to_string())
    }

    async fn holds(text: &str) -> Result<(String, Option<String>), String> {
        ask(200, json!({"ARN": ARN, "Name": "channels", "SecretString": text, "VersionId": "v"})).await
    }

    #[tokio::test]
    async fn secret_is_text_or_a_field_of_an_object() {
        for text in ["s3cret", " s3cret\n", r#"{"secret":"s3cret"}"#, r#"{ "key": "k", "secret": "s3cret\n" }"#] {
            assert_eq!(holds(text).await, Ok(("s3cret".to_owned(), None)), "{text}");
        }
        let both = holds(r#"{"secret":"new","previous":"old"}"#).await;
        assert_eq!(both, Ok(("new".to_owned(), Some("old".to_owned()))));
        // JSON that is no object is the secret as it stands.
        for text in ["12345678", "\"quoted\"", "[1]", "{broken", "null"] {
            assert_eq!(holds(text).await, Ok((text.to_owned(), None)));
        }
        for text in ["", "\n", r#"{"secret":""}"#, r#"{"secret":"new","previous":" "}"#] {
            assert_eq!(holds(text).await, Err("cannot be fetched: the secret is empty".to_owned()), "{text}");
        }
        for text in ["{}", r#"{"secret":7}"#, r#"{"Secret":"s3cret"}"#] {
            let error = holds(text).await.unwrap_err();
            assert!(error.ends_with("is an object without the text \"secret\""), "{error}");
        }
        assert!(holds(r#"{"secret":"new","previous":["old"]}"#).await.unwrap_err().ends_with("is not text"));
        assert!(ask(200, json!({"SecretBinary": "c2VjcmV0"})).await.unwrap_err().ends_with("is empty"));
    }

    #[tokio::test]
    async fn a_refusal_is_told_by_its_name() {
        for kind in ["ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InternalServiceError"]
        {
            let error = ask(400, json!({"__type": kind, "message": "because"})).await.unwrap_err();
            assert!(error.contains(kind), "{error}");
        }
    }

    #[tokio::test]
    async fn no_error_holds_the_secret() {
        for (status, answer) in [
            (200, r#"{"SecretString":"s3cret""#),
            (200, r#"{"SecretString":["s3cret"]}"#),
            (500, r#"{"SecretString":"s3cret"}"#),
            (200, r#"{"SecretString":"{\"other\":\"s3cret\"}"}"#),
        ] {
            let error = ask(status, answer).await.unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
