//! The server of channels that the environment names.

use std::collections::BTreeMap;

/// The parameters of the template that name a server of channels, by the variables that set them.
const PARAMETERS: [(&str, &str); 6] = [
    ("PUSHER_APP_ID", "PusherAppId"),
    ("PUSHER_KEY", "PusherKey"),
    ("PUSHER_SECRET", "PusherSecret"),
    ("PUSHER_SECRET_ARN", "PusherSecretArn"),
    ("PUSHER_CLUSTER", "PusherCluster"),
    ("PUSHER_HOST", "PusherHost"),
];

/// Sets the parameters that the command line leaves open to what the environment says.
pub(super) fn fill_in(parameters: &mut BTreeMap<String, String>, variable: impl Fn(&str) -> Option<String>) {
    for (name, parameter) in PARAMETERS {
        if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
            parameters.entry(parameter.to_owned()).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_a_server_unless_the_command_line_does() {
        let mut parameters = BTreeMap::from([("PusherKey".to_owned(), "given".to_owned())]);
        let variable = |name: &str| match name {
            "PUSHER_KEY" | "PUSHER_SECRET" => Some("found".to_owned()),
            "PUSHER_HOST" => Some(String::new()),
            _ => None,
        };
        fill_in(&mut parameters, variable);
        let expected = [("PusherKey", "given"), ("PusherSecret", "found")];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
