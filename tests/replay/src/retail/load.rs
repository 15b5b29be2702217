//! Sends purchases over several connections, then the refunds of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::orders::{Orders, Purchase, Refund};
use crate::api::{Api, ApiError};

/// The path that takes purchases.
pub const PURCHASES: &str = "/api/purchases";

/// The outcomes of the orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The id of each purchase, in their order; nothing for one that was refused.
    pub purchases: Vec<Option<String>>,
    /// Refunds that are recorded.
    pub refunds: u64,
    /// Orders that the API will not have, in the order of their lines.
    pub refused: Vec<Refused>,
}

/// An order that the API will not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("line {line}: {what} {reason}")]
pub struct Refused {
    /// The line of the file that it comes from.
    pub line: usize,
    /// Whether to buy or to give back.
    pub what: &'static str,
    /// The answer of the API.
    pub reason: String,
}

/// Sends the orders; `progress` hears of each number of them that has been answered for.
///
/// # Errors
/// The first request that failed in spite of all patience. What was sent until then stays recorded, and to send it
/// again changes nothing.
pub async fn load(api: &Api, orders: &Orders, connections: usize, progress: impl Fn(u64)) -> Result<Loaded, ApiError> {
    let (connections, progress) = (connections.max(1), &progress);
    let mut loaded = Loaded::default();
    // In their order, for the refunds know them by their place.
    let mut answers = stream::iter(&orders.purchases).map(|purchase| buy(api, purchase)).buffered(connections);
    while let Some(answer) = answers.try_next().await? {
        progress(1);
        loaded.purchases.push(answer.map_err(|refused| loaded.refused.push(refused)).ok());
    }

    let mut by_purchase = BTreeMap::<usize, Vec<&Refund>>::new();
    for refund in &orders.refunds {
        by_purchase.entry(refund.purchase).or_default().push(refund);
    }
    let ids = &loaded.purchases;
    let mut answers = stream::iter(by_purchase)
        .map(|(place, refunds)| give_back(api, ids.get(place).and_then(Option::as_deref), refunds, progress))
        .buffer_unordered(connections);
    let mut refused = Vec::new();
    let mut refunds = 0;
    while let Some(answer) = answers.try_next().await? {
        refunds += answer.refunds;
        refused.extend(answer.refused);
    }
    drop(answers);
    loaded.refunds = refunds;
    loaded.refused.extend(refused);
    loaded.refused.sort();
    Ok(loaded)
}

/// Creates a purchase and returns its id.
async fn buy(api: &Api, purchase: &Purchase) -> Result<Result<String, Refused>, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Made {
        purchase_id: String,
    }
    let answer = post::<Made>(api, PURCHASES, &purchase.key, &purchase.order, StatusCode::CREATED).await?;
    Ok(match answer {
        Ok(made) => Ok(made.purchase_id),
        Err(reason) => Err(Refused { line: purchase.line, what: "purchase", reason }),
    })
}

/// Gives back parts of one purchase, one after the other.
async fn give_back(
    api: &Api,
    purchase: Option<&str>,
    refunds: Vec<&Refund>,
    progress: &impl Fn(u64),
) -> Result<Loaded, ApiError> {
    #[derive(Deserialize)]
    struct Purchase {}
    let mut loaded = Loaded::default();
    for refund in refunds {
        let answer = match purchase {
            Some(id) => {
                let path = format!("{PURCHASES}/{id}/refund");
                post::<Purchase>(api, &path, &refund.key, &refund.order, StatusCode::OK).await?
            }
            None => Err("of a purchase that was refused".to_owned()),
        };
        match answer {
            Ok(Purchase {}) => loaded.refunds += 1,
            Err(reason) => loaded.refused.push(Refused { line: refund.line, what: "refund", reason }),
        }
        progress(1);
    }
    Ok(loaded)
}

/// Sends an order until it is answered; the reason if the API will not have it. Who may not order at all need not try
/// the others.
async fn post<T: for<'a> Deserialize<'a>>(
    api: &Api,
    path: &str,
    key: &str,
    order: &impl Serialize,
    done: StatusCode,
) -> Result<Result<T, String>, ApiError> {
    let body = serde_json::to_vec(order).map_err(|error| ApiError::Setup(error.to_string()))?;
    let answer = api.insist_once(Method::POST, path, Some(key), Bytes::from(body)).await?;
    match answer.status {
        status if status == done => answer.parse().map(Ok),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(answer.refused()),
        _ => Ok(Err(answer.refused().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::retail::reading::read;
    use crate::stub::{Received, Stub};

    const FILE: &str = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID
1,a,5,2010-12-01 08:00:00,2.0,7.0
1,b,1,2010-12-01 08:00:00,3.0,7.0
C2,a,-2,2010-12-01 09:00:00,2.0,7.0
C3,a,-3,2010-12-01 10:00:00,2.0,7.0
C4,b,-1,2010-12-01 11:00:00,3.0,7.0
C5,c,-1,2010-12-01 12:00:00,4.0,7.0
";

    fn orders() -> Orders {
        Orders::of(&read(FILE).unwrap().entries)
    }

    /// Purchases have the id of their item; item `b` is never sold.
    fn answer(request: &Received) -> (u16, String) {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        match (request.line.contains("/refund "), body["itemId"].as_str()) {
            (true, _) => (200, json!({"purchaseId": "-"}).to_string()),
            (false, Some("b")) => (422, json!({"title": "No", "detail": "not b"}).to_string()),
            (false, item) => (201, json!({"purchaseId": item}).to_string()),
        }
    }

    #[tokio::test]
    async fn refunds_follow_their_purchases() {
        let stub = Stub::start(|number, request| match number % 4 {
            1 => Some((503, String::new())),
            3 => None,
            _ => Some(answer(request)),
        })
        .await;
        let done = AtomicU64::new(0);
        let progress = |count| {
            done.fetch_add(count, Ordering::Relaxed);
        };
        let loaded = load(&stub.api(), &orders(), 3, progress).await.unwrap();
        assert_eq!(done.into_inner(), 7);
        assert_eq!(loaded.purchases, [Some("a".to_owned()), None, Some("c".to_owned())]);
        assert_eq!(loaded.refunds, 3);
        let refused: Vec<String> = loaded.refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            refused,
            [
                "line 3: purchase refused with 422 Unprocessable Entity: No: not b",
                "line 6: refund of a purchase that was refused",
            ]
        );

        let requests = stub.requests();
        let orders = orders();
        for refund in &orders.refunds {
            let key = format!("idempotency-key: {}", refund.key);
            let sent: Vec<_> = requests.iter().filter(|request| request.head.contains(&key)).collect();
            assert_eq!(sent.is_empty(), refund.line == 6, "{refund:?}");
            let body = serde_json::to_string(&refund.order).unwrap();
            let item = &orders.purchases[refund.purchase].order.item_id;
            let line = format!("POST /api/purchases/{item}/refund HTTP/1.1");
            assert!(sent.iter().all(|request| request.body == body && request.line == line), "{sent:?}");
        }
        let place = |key: &str| requests.iter().rposition(|request| request.head.contains(key)).unwrap();
        let last_purchase = orders.purchases.iter().map(|purchase| place(&purchase.key)).max().unwrap();
        let first_refund = requests.iter().position(|request| request.line.contains("/refund ")).unwrap();
        assert!(last_purchase < first_refund);
        assert!(place(&orders.refunds[0].key) < place(&orders.refunds[1].key), "one after the other");
    }

    #[tokio::test]
    async fn who_may_not_order_tries_no_further() {
        let stub = Stub::start(|_, _| Some((403, json!({"title": "Forbidden"}).to_string()))).await;
        let error = load(&stub.api(), &orders(), 1, |_| ()).await.unwrap_err();
        assert_eq!(error.to_string(), "refused with 403 Forbidden: Forbidden");
        assert_eq!(stub.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_purchase_without_an_id_is_an_error() {
        let stub = Stub::start(|_, _| Some((201, "{}".to_owned()))).await;
        let error = load(&stub.api(), &orders(), 1, |_| ()).await.unwrap_err();
        assert!(matches!(error, ApiError::Malformed(_)), "{error}");
    }
}
