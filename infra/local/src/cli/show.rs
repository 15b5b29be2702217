//! What a person reads when the local cloud is ready.

use chrono::SecondsFormat;
use serde_json::json;

use crate::cloud::LocalCloud;

/// Where everything is, and something to try.
pub(super) fn ready(cloud: &LocalCloud) -> String {
    let summary = cloud.summary();
    let mut text = format!(
        "\nThe local cloud is ready; Ctrl-C stops it.\n\n  \
         API        {}\n  DynamoDB   {}  (region {}, any credentials)\n  SQS        {}\n  write key  {}\n\n\
         Tokens, good for 30 days:\n",
        summary.api_url,
        summary.dynamodb_url,
        crate::wire::REGION,
        summary.sqs_url,
        summary.write_key,
    );
    for (role, token) in &summary.tokens {
        text.push_str(&format!("  {role:<8} {token}\n"));
    }
    let now = shared::clock::system().now();
    let event = json!({
        "events": [{
            "id": shared::ids::random().fresh(),
            "type": "play",
            "trackId": "first-track",
            "sessionId": "first-session",
            "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
            "source": "player",
            "duration": 42,
        }],
    });
    text + &format!(
        "\nTry a play, and what it counts:\n\n  \
         curl {}/api/stats/events -H 'content-type: application/json' -H 'x-write-key: {}' -d '{event}'\n  \
         curl {}/api/tracks/first-track\n\n",
        summary.api_url, summary.write_key, summary.api_url,
    )
}
