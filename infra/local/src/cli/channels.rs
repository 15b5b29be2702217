//! The Pusher server that the environment names.

use std::collections::BTreeMap;

use crate::channels::CHANNELS_SECRET_ARN;
use crate::secrets::SecretsManager;

/// The template parameters of a Pusher server, by the environment variables that set them.
const PARAMETERS: [(&str, &str); 4] = [
    ("PUSHER_APP_ID", "PusherAppId"),
    ("PUSHER_KEY", "PusherKey"),
    ("PUSHER_CLUSTER", "PusherCluster"),
    ("PUSHER_HOST", "PusherHost"),
];

/// The variable with the application's secret. Functions find it in Secrets Manager, as on AWS.
const SECRET: &str = "PUSHER_SECRET";

/// Sets parameters from the environment, unless the command line sets them.
pub(super) fn fill_in(
    parameters: &mut BTreeMap<String, String>,
    secrets: &SecretsManager,
    variable: impl Fn(&str) -> Option<String>,
) {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    for (name, parameter) in PARAMETERS {
        if let Some(value) = variable(name) {
            parameters.entry(parameter.to_owned()).or_insert(value);
        }
    }
    if let Some(secret) = variable(SECRET) {
        secrets.put(CHANNELS_SECRET_ARN, &secret);
        parameters.entry("PusherSecretArn".to_owned()).or_insert_with(|| CHANNELS_SECRET_ARN.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ClientOptions;

    #[test]
    fn the_command_line_overrides_the_environment() {
        let mut parameters = BTreeMap::from([("PusherKey".to_owned(), "given".to_owned())]);
        let variable = |name: &str| match name {
            "PUSHER_KEY" | "PUSHER_SECRET" => Some("found".to_owned()),
            "PUSHER_HOST" => Some(String::new()),
            _ => None,
        };
        let secrets = SecretsManager::default();
        fill_in(&mut parameters, &secrets, variable);
        let expected = [("PusherKey", "given"), ("PusherSecretArn", CHANNELS_SECRET_ARN)];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let asked = serde_json::json!({"SecretId": CHANNELS_SECRET_ARN}).to_string();
        let answer = secrets.call("GetSecretValue", &asked, &ClientOptions::default());
        assert!(answer.body.contains(r#""SecretString":"found""#), "{answer:?}");
    }
}
