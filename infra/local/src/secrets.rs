//! Secrets Manager, as far as functions ask it: texts by their ARNs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::iam::{self, Access};
use crate::wire::{Answer, ClientOptions, Service};

/// The secrets of a local cloud.
#[derive(Debug, Clone, Default)]
pub struct SecretsManager(Arc<Mutex<BTreeMap<String, String>>>);

impl SecretsManager {
    /// Puts a secret there, in place of the one that was.
    pub fn put(&self, arn: &str, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.to_owned(), text.to_owned());
    }

    /// The text of a secret.
    #[must_use]
    pub fn text(&self, arn: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    /// Carries out a call.
    #[must_use]
    pub fn call(&self, operation: &str, body: &str, caller: &ClientOptions) -> Answer {
        if operation != "GetSecretValue" {
            return Answer::unknown_operation();
        }
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        let Some(arn) = request.get("SecretId").and_then(Value::as_str) else {
            return Answer::error(400, "ValidationException", "SecretId is missing");
        };
        let access = Access::new("secretsmanager:GetSecretValue", arn.to_owned());
        if caller.policy.as_ref().is_some_and(|policy| !policy.allows(&access)) {
            return Answer::denied(Service::SecretsManager, &iam::denial(&caller.function, &access));
        }
        match self.text(arn) {
            Some(text) => {
                let name = crate::wire::arn_name(arn);
                Answer::ok(json!({"ARN": arn, "Name": name, "SecretString": text}).to_string())
            }
            None => {
                let message = "Secrets Manager can't find the specified secret.";
                Answer::error(400, "ResourceNotFoundException", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::{Policy, Statement};

    #[test]
    fn a_secret_is_returned_only_if_the_policy_allows_it() {
        let [ours, theirs] = ["arn:aws:secretsmanager:us-east-1:0:secret:ours-a1B2c3", "arn:theirs"];
        let secrets = SecretsManager::default();
        secrets.put(ours, "old");
        secrets.put(ours, "new");
        let ask = |arn: &str, policy: Option<Policy>| {
            let caller = ClientOptions { policy: policy.map(Arc::new), ..ClientOptions::default() };
            secrets.call("GetSecretValue", &json!({"SecretId": arn}).to_string(), &caller)
        };
        let allowed = || Statement {
            actions: vec!["secretsmanager:GetSecretValue".to_owned()],
            resources: vec![ours.to_owned()],
            ..Statement::default()
        };
        for policy in [None, Some(Policy { statements: vec![allowed()] })] {
            let answer = ask(ours, policy);
            assert!(answer.is_ok() && answer.body.contains(r#""SecretString":"new""#), "{answer:?}");
        }
        assert!(ask(theirs, None).body.contains("ResourceNotFoundException"));
        for (arn, statements) in [(ours, vec![]), (theirs, vec![allowed()])] {
            let answer = ask(arn, Some(Policy { statements }));
            assert!(answer.body.contains("AccessDeniedException"), "{answer:?}");
        }
        let caller = ClientOptions::default();
        assert!(secrets.call("GetSecretValue", "{}", &caller).body.contains("ValidationException"));
        assert_eq!(secrets.call("PutSecretValue", "{}", &caller), Answer::unknown_operation());
    }
}
