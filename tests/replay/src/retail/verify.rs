//! Waits until the answers of the API equal those of SQL.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::answer::History;
use super::compare::{Difference, Differences, Expected};
use super::load::PURCHASES;
use super::sql::{Bought, Days, Error, Tables};
use crate::api::{Api, ApiError};
use crate::converge::{Answer, Reached, converge};

/// The path of purchase analytics.
pub const ANALYTICS: &str = "/api/purchases/analytics";

/// Buyers whose history is checked.
const BUYERS: usize = 20;

/// A request with its expected answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Analytics of some days.
    Days(Box<Expected>),
    /// The purchases of a buyer, by the query for them.
    Buyer(String, Bought),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(expected) => expected.days.fmt(f),
            Self::Buyer(query, _) => f.write_str(query),
        }
    }
}

impl Subject {
    /// These days, with the expected values of SQL.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn of_days(tables: &Tables, days: Days) -> Result<Self, Error> {
        Ok(Self::Days(Box::new(Expected::of(tables, days)?)))
    }
}

/// The requests that check a file: every month, the days of each month, and the top buyers.
///
/// # Errors
/// [`Error::Database`].
pub fn subjects(tables: &Tables) -> Result<Vec<Subject>, Error> {
    let mut subjects = Vec::new();
    let months = tables.months()?;
    let parts = tables.active_days()?.into_iter().filter(|days| !months.contains(days)).collect::<Vec<_>>();
    for days in months.into_iter().chain(parts) {
        subjects.push(Subject::of_days(tables, days)?);
    }
    let all = tables.by_buyer()?;
    for buyer in tables.best_buyers(BUYERS)? {
        let bought = all.get(&buyer).copied().unwrap_or_default();
        subjects.push(Subject::Buyer(buyer, bought));
    }
    Ok(subjects)
}

/// Asks until every answer is as expected, as long as more purchases and refunds are counted within each `patience`; `progress`
/// hears how far they are. Returns where the answers are not as expected.
///
/// # Errors
/// A request failed in spite of all retries.
pub async fn verify(
    api: &Api,
    subjects: &[Subject],
    connections: usize,
    patience: Duration,
    progress: impl Fn(Reached),
) -> Result<Vec<Difference>, ApiError> {
    converge(subjects, connections, patience, async |subject| ask(api, subject).await, progress).await
}

/// Asks the API once.
async fn ask(api: &Api, subject: &Subject) -> Result<Answer<Difference>, ApiError> {
    match subject {
        Subject::Days(expected) => {
            let Days { from, to } = &expected.days;
            let analytics = get(api, &format!("{ANALYTICS}?from={from}&to={to}&interval=day")).await?;
            let counted = expected.counted(&analytics);
            Ok(Answer { counted, differences: expected.differences(&analytics) })
        }
        Subject::Buyer(query, expected) => {
            let found = bought(api, query).await?;
            let mut differences = Differences::of(subject);
            differences.same("bought", expected, &found);
            Ok(Answer { counted: found.purchases.min(expected.purchases), differences: differences.found })
        }
    }
}

/// The purchases of a buyer, from all pages.
///
/// # Errors
/// A request failed in spite of all patience.
pub async fn bought(api: &Api, buyer: &str) -> Result<Bought, ApiError> {
    let mut bought = Bought::default();
    let mut cursor = String::new();
    loop {
        let page: History = get(api, &format!("{PURCHASES}?{buyer}&limit=100{cursor}")).await?;
        for purchase in page.purchases {
            bought.purchases += 1;
            bought.units += purchase.quantity;
            bought.paid += purchase.amount.unwrap_or(0);
            bought.given_back += purchase.refunded_amount.unwrap_or(0);
        }
        match page.cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(bought),
        }
    }
}

async fn get<T: for<'a> Deserialize<'a>>(api: &Api, path: &str) -> Result<T, ApiError> {
    let answer = api.insist(Method::GET, path, Bytes::new()).await?;
    match answer.status {
        StatusCode::OK => answer.parse(),
        _ => Err(answer.refused()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::{Value, json};

    use super::*;
    use crate::retail::compare::tests::{FILE, answer};
    use crate::stub::Stub;

    /// A page of a history.
    fn page(purchases: &[Value], cursor: Option<&str>) -> String {
        json!({"purchases": purchases, "cursor": cursor}).to_string()
    }

    #[tokio::test]
    async fn waits_for_what_lags_and_reads_every_page() {
        let stub = Stub::start(|number, request| {
            let bought = |quantity: u64, amount: u64, refunded: u64| {
                json!({"quantity": quantity, "amount": amount, "refundedAmount": refunded})
            };
            let path = request.line.split(' ').nth(1).unwrap();
            Some((200, match path {
                "/api/purchases?userId=7&limit=100" => page(&[bought(5, 1_050, 1_050)], Some("next")),
                "/api/purchases?userId=7&limit=100&cursor=next" => page(&[bought(1, 210, 0), bought(1, 3_150, 0)], None),
                "/api/purchases/analytics?from=2010-12-01&to=2010-12-03&interval=day" if number > 6 => {
                    answer(0).to_string()
                }
                "/api/purchases/analytics?from=2010-12-01&to=2010-12-31&interval=day" => answer(28).to_string(),
                _ => {
                    let mut wrong = answer(0);
                    wrong["units"] = json!(6);
                    wrong.to_string()
                }
            }))
        })
        .await;
        let subjects = subjects(&Tables::of(FILE).unwrap()).unwrap();
        let names: Vec<String> = subjects.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["2010-12-01 to 2010-12-31", "2010-12-01 to 2010-12-03", "userId=7"]);
        let last = Cell::new(Reached::default());
        let progress = |reached| last.set(reached);
        let different = verify(&stub.api(), &subjects, 1, Duration::from_secs(60), progress).await.unwrap();
        assert_eq!(different, []);
        assert_eq!(last.get().right, 3);
    }

    #[tokio::test]
    async fn names_what_differs_when_nothing_more_is_counted() {
        let stub = Stub::start(|_, request| {
            let page = page(&[json!({"quantity": 1, "amount": null, "refundedAmount": null})], None);
            Some(if request.line.contains("userId") { (200, page) } else { (404, String::new()) })
        })
        .await;
        let subjects = subjects(&Tables::of(FILE).unwrap()).unwrap();
        let different = verify(&stub.api(), &subjects[2..], 2, Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!(
            different,
            [Difference {
                subject: "userId=7".to_owned(),
                what: "bought".to_owned(),
                expected: "Bought { purchases: 3, units: 7, paid: 4410, given_back: 1050 }".to_owned(),
                found: "Bought { purchases: 1, units: 1, paid: 0, given_back: 0 }".to_owned(),
            }]
        );
        let error = verify(&stub.api(), &subjects, 2, Duration::ZERO, |_| ()).await.unwrap_err();
        assert!(matches!(error, ApiError::Refused { .. }), "{error}");
    }
}
