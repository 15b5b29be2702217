//! Brings purchases in, several at the same time, until each is answered for.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::{Method, StatusCode};
use replay::api::{Answer, Api, ApiError};
use serde::Deserialize;

use crate::Problem;
use crate::done::Done;
use crate::plan::{Assumed, Purchase};

/// The path that takes purchases.
const PURCHASES: &str = "/api/purchases";

/// The field that is wrong where a key was used already.
const KEY: &str = "Idempotency-Key";

/// How many purchases in a row come to no answer at least before it counts as the API's fault and not theirs.
const IN_A_ROW: usize = 4;

/// What became of the purchases; together with those that were not sent, the numbers are all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Imported now, or by an earlier run that is answered the same again.
    pub imported: usize,
    /// Things that somebody had by another purchase already.
    pub had: usize,
    /// What the API will not have.
    pub refused: Vec<Problem>,
    /// What came to no answer in spite of all patience; another run finds out.
    pub unanswered: Vec<Problem>,
    /// Why the rest was not sent, if there is one.
    pub stopped: Option<String>,
}

impl Sent {
    /// How many were sent and have come to an end.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.imported + self.had + self.refused.len() + self.unanswered.len()
    }
}

/// What became of one purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Imported,
    Had,
    Refused(String),
    Unanswered(String),
    /// No other purchase would fare better.
    Hopeless(String),
}

/// Sends the purchases, of which no two may be of one thing and one buyer, and lists in `done` what is in. `progress`
/// hears of each that has come to an end.
///
/// It ends early if nothing more can be hoped for: the token is not taken, it is not this API, or no answer has come
/// for as many in a row as there are connections, and for some more where there are few.
pub async fn send(
    api: &Api,
    purchases: &[&Purchase],
    assumed: &Assumed,
    connections: usize,
    done: &mut Done,
    progress: impl Fn(),
) -> Sent {
    let connections = connections.max(1);
    let mut fates = stream::iter(purchases)
        .map(|purchase| async move { (*purchase, fate(api, purchase, assumed).await) })
        .buffer_unordered(connections);
    let mut sent = Sent::default();
    let mut unanswered_in_a_row = 0;
    while let Some((purchase, fate)) = fates.next().await {
        let problem = |what: String| Problem { line: purchase.line, what: format!("{}: {what}", purchase.holding) };
        unanswered_in_a_row = if matches!(fate, Fate::Unanswered(_)) { unanswered_in_a_row + 1 } else { 0 };
        // The API forgets after a while what was sent with a key, and then knows only that it was bought.
        let fate = match fate {
            Fate::Had if done.differs(purchase, assumed) => {
                Fate::Refused("it was brought in before, and said in another way then".to_owned())
            }
            fate => fate,
        };
        let is_in = matches!(fate, Fate::Imported | Fate::Had);
        match fate {
            Fate::Imported => sent.imported += 1,
            Fate::Had => sent.had += 1,
            Fate::Refused(what) => sent.refused.push(problem(what)),
            Fate::Unanswered(what) => sent.unanswered.push(problem(what)),
            Fate::Hopeless(what) => sent.stopped = Some(what),
        }
        if is_in
            && let Some(digest) = purchase.digest(assumed)
            && let Err(error) = done.add(purchase.key(), digest)
        {
            sent.stopped = Some(format!("what is done cannot be written down: {error}"));
        }
        if unanswered_in_a_row >= connections.max(IN_A_ROW) {
            sent.stopped = Some("the API does not answer".to_owned());
        }
        if sent.stopped.is_some() {
            break;
        }
        progress();
    }
    sent.refused.sort();
    sent.unanswered.sort();
    sent
}

async fn fate(api: &Api, purchase: &Purchase, assumed: &Assumed) -> Fate {
    let Some(order) = purchase.order(assumed) else {
        return Fate::Refused("nobody knows when".to_owned());
    };
    match api.insist_once(Method::POST, PURCHASES, Some(&purchase.key()), Bytes::from(order.to_string())).await {
        Ok(answer) => judge(&answer),
        Err(error @ ApiError::Unreachable { .. }) => Fate::Unanswered(error.to_string()),
        Err(error) => Fate::Hopeless(error.to_string()),
    }
}

/// What an answer says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    purchase_id: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    field: String,
    reason: String,
}

fn judge(answer: &Answer) -> Fate {
    let status = answer.status;
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (status, said.purchase_id) {
        (StatusCode::CREATED, Some(_)) => Fate::Imported,
        (StatusCode::CONFLICT, Some(_)) => Fate::Had,
        (
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
            _,
        ) => Fate::Hopeless(format!("refused with {status}: {}", reason(status, &answer.body))),
        _ if status.is_client_error() => Fate::Refused(reason(status, &answer.body)),
        _ => Fate::Hopeless(format!("unexpected answer of status {status}")),
    }
}

/// Why the API said no: the fields that are wrong, or whatever else it says. Of a key that was used, what that means
/// here.
pub(crate) fn reason(status: StatusCode, body: &[u8]) -> String {
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    let fields: Vec<String> = said.errors.iter().map(|wrong| format!("{} {}", wrong.field, wrong.reason)).collect();
    if said.errors.iter().any(|wrong| wrong.field == KEY) {
        return format!("it was brought in before, and said in another way then ({})", fields.join("; "));
    }
    if !fields.is_empty() {
        return fields.join("; ");
    }
    said.detail.or(said.message).or(said.title).unwrap_or_else(|| status.to_string())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::TcpListener;
    use std::time::Duration;

    use replay::api::Patience;
    use serde_json::{Value, json};

    use super::*;
    use crate::export::{Holding, Kind, Terms};

    fn judged(status: u16, body: &Value) -> Fate {
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Answer { status, body: body.to_string().into(), retry_after: None })
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judged(201, &json!({"purchaseId": "p", "status": "completed"})), Fate::Imported);
        assert_eq!(judged(409, &json!({"title": "Conflict", "purchaseId": "p"})), Fate::Had);
        assert_eq!(
            judged(409, &json!({"title": "Conflict", "detail": "it was changed in between"})),
            Fate::Refused("it was changed in between".to_owned())
        );
        let errors = json!([{"field": "itemId", "reason": "must be so"}, {"field": "userId", "reason": "must be so"}]);
        assert_eq!(
            judged(422, &json!({"title": "Unprocessable Content", "detail": "2 of its fields", "errors": errors})),
            Fate::Refused("itemId must be so; userId must be so".to_owned())
        );
        assert_eq!(judged(400, &json!("<html>")), Fate::Refused("400 Bad Request".to_owned()));
        for (status, body) in [
            (401, json!({"message": "Unauthorized"})),
            (403, json!({"detail": "only an admin may"})),
            (404, json!({"message": "Not Found"})),
            (200, json!({"purchaseId": "p"})),
            (201, json!({})),
            (302, json!("moved")),
        ] {
            assert!(matches!(judged(status, &body), Fate::Hopeless(_)), "{status}");
        }
    }

    #[tokio::test]
    async fn it_ends_where_nobody_answers() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let patience = Patience { tries: 1, first: Duration::ZERO, longest: Duration::ZERO };
        let api = Api::new(&format!("http://{nobody}"), None, patience).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut done = Done::open(&folder.path().join("done"), "http://nobody").unwrap();
        let purchase = |line: usize| Purchase {
            line,
            holding: Holding { user: "sam".to_owned(), kind: Kind::Course, item: format!("c{line}") },
            terms: Terms { purchased_at: Some(chrono::DateTime::UNIX_EPOCH), ..Terms::default() },
        };
        let purchases: Vec<Purchase> = (1..=10).map(purchase).collect();
        let purchases: Vec<&Purchase> = purchases.iter().collect();
        let assumed = Assumed { currency: "USD".parse().unwrap(), undated: None, payment_method: "unknown".to_owned() };
        let ended = Cell::new(0);
        let sent = send(&api, &purchases, &assumed, 3, &mut done, || ended.set(ended.get() + 1)).await;
        assert_eq!(sent.stopped.as_deref(), Some("the API does not answer"));
        assert_eq!((sent.sent(), sent.unanswered.len(), ended.get()), (4, 4, 3));
        assert!(purchases.iter().all(|purchase| !done.contains(purchase, &assumed)));
        assert!(sent.unanswered[0].to_string().contains("of user sam: no answer (tried 1×)"), "{:?}", sent.unanswered);
    }
}
