//! The text for people when the local cloud is ready.

use serde_json::json;

use crate::cloud::LocalCloud;

/// The URLs, the credentials and a first request.
#[must_use]
pub fn ready(cloud: &LocalCloud) -> String {
    let summary = cloud.summary();
    let api_url = &summary.api_url;
    let mut text = format!(
        "\nThe local cloud is ready; Ctrl-C stops it.\n\n  \
         API        {api_url}\n  reference  {api_url}/docs\n  DynamoDB   {}  (region {}, any credentials)\n  SQS        {}\n  \
         write key  {}\n\nTokens, good for 30 days:\n",
        summary.dynamodb_url,
        crate::wire::REGION,
        summary.sqs_url,
        summary.write_key,
    );
    for (role, token) in &summary.tokens {
        text.push_str(&format!("  {role:<8} {token}\n"));
    }
    if let Some(channels) = &summary.channels {
        text.push_str(&format!(
            "\nLive updates, for pusher-js:\n\n  \
             new Pusher({:?}, {{cluster: \"\", wsHost: {:?}, wsPort: {}, forceTLS: false, enabledTransports: [\"ws\"],\n    \
             channelAuthorization: {{endpoint: \"{api_url}/api/pusher/auth\", \
             headers: {{authorization: \"Bearer \" + token}}}}}})\n",
            channels.key, channels.host, channels.port,
        ));
    }
    // The start of the day, so that the printed request sends the same event all day.
    let today = system::clock::system().now().format("%Y-%m-%dT00:00:00Z").to_string();
    let event = json!({
        "id": "e1",
        "type": "play",
        "trackId": "song",
        "sessionId": "s1",
        "source": "search",
        "duration": 45,
        "timestamp": today,
    });
    text + &format!(
        "\nTry a play, and read what it counts. Sent again, it is the same play:\n\n  \
         curl -s {api_url}/api/stats/events -H 'content-type: application/json' -H 'x-write-key: {}' -d '[{event}]'\n  \
         curl -sf --retry 30 --retry-delay 1 --retry-all-errors {api_url}/api/tracks/song\n\n",
        summary.write_key,
    )
}
