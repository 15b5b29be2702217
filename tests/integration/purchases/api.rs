//! Users, their purchases, and the answers about them.

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App};
pub(super) use crate::support::client::assert_invalid_field;
use crate::support::client::{Client, delegate_to_client, pages};
pub(super) use crate::support::items::with;
pub(super) use crate::support::people::{ANN, EVE, Person, ROOT, SAM, SUE, TIM};

pub(super) const PURCHASES: &str = "/api/purchases";
pub(super) const PURCHASE: &str = "/api/purchases/{purchaseId}";
pub(super) const REFUND: &str = "/api/purchases/{purchaseId}/refund";
pub(super) const COMPLETE: &str = "/api/purchases/{purchaseId}/complete";
pub(super) const OWNED: &str = "/api/purchases/owned";
pub(super) const ANALYTICS: &str = "/api/purchases/analytics";
pub(super) const DISCOUNT: &str = "/api/discounts/{code}";
const PACKAGES: &str = "/api/packages";
const PACKAGE: &str = "/api/packages/{packageId}";
const STATS: &str = "/api/packages/stats";
pub(super) const PRODUCT: &str = "/api/products/{productId}";

/// An order of 9.99 dollars.
pub(super) fn order(kind: &str, item: &str) -> Value {
    json!({"itemType": kind, "itemId": item, "amount": 999, "currency": "USD", "paymentMethod": "credit_card"})
}

/// The same, with some fields changed.
pub(super) fn order_with(kind: &str, item: &str, patch: &Value) -> Value {
    with(&order(kind, item), patch)
}

/// The id of a purchase.
pub(super) fn id(purchase: &Value) -> &str {
    purchase["purchaseId"].as_str().unwrap()
}

/// The status of a purchase, and the amounts paid and refunded.
pub(super) fn standing(purchase: &Value) -> (&str, Option<u64>, Option<u64>) {
    let status = purchase["status"].as_str().unwrap();
    (status, purchase["amount"].as_u64(), purchase["refundedAmount"].as_u64())
}

pub(super) struct Api {
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    pub(super) async fn start() -> Self {
        Self::of(App::start().await)
    }

    pub(super) fn of(app: App) -> Self {
        Self { client: Client::of(app) }
    }

    /// Where the clock begins at another time.
    pub(super) async fn at(time: &str) -> Self {
        Self { client: Client::start_at(time, |_| {}).await }
    }

    /// A product is on offer, without any of the numbers that follow from that.
    pub(super) fn offers(&self, item: &str) {
        let product = json!({
            "pk": {"S": format!("PRODUCT#{item}")}, "sk": {"S": "DOC"}, "version": {"S": "v"},
            "title": {"S": "A thing"}, "seller": {"S": "eve"}, "price": {"N": "999"}, "currency": {"S": "USD"},
            "status": {"S": "active"},
        });
        self.app.database("PutItem", "StateTable", json!({"Item": product}));
    }

    /// Purchases an item, which is put on offer first if it is a product.
    pub(super) async fn buy(&self, person: Person<'_>, key: &str, order: &Value) -> Answer {
        if let (Some("product"), Some(item)) = (order["itemType"].as_str(), order["itemId"].as_str())
            && person.1 != "admin"
        {
            self.offers(item);
        }
        self.order(person, key, order).await
    }

    /// Purchases an item in its current state.
    pub(super) async fn order(&self, person: Person<'_>, key: &str, order: &Value) -> Answer {
        self.call((Method::POST, PURCHASES), "", person, &[("idempotency-key", key)], order.to_string()).await
    }

    /// Purchases an item and asserts that it succeeds.
    pub(super) async fn bought(&self, person: Person<'_>, key: &str, order: &Value) -> Value {
        let answer = self.buy(person, key, order).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    pub(super) async fn complete(&self, person: Person<'_>, id: &str) -> Answer {
        self.call((Method::POST, COMPLETE), id, person, &[], "").await
    }

    /// Refunds a purchase.
    pub(super) async fn refund(&self, person: Person<'_>, key: &str, id: &str, body: &Value) -> Answer {
        self.call((Method::POST, REFUND), id, person, &[("idempotency-key", key)], body.to_string()).await
    }

    /// Refunds all of a purchase, or cancels it.
    pub(super) async fn end(&self, person: Person<'_>, id: &str) -> Answer {
        self.call((Method::DELETE, PURCHASE), id, person, &[], "").await
    }

    /// A purchase ends.
    pub(super) async fn ended(&self, person: Person<'_>, id: &str) -> Value {
        let answer = self.end(person, id).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(super) async fn owned(&self, person: Person<'_>, query: &str) -> Answer {
        self.call((Method::GET, OWNED), query, person, &[], "").await
    }

    /// The purchase through which a user owns an item: strongly consistent, and the same later without that.
    pub(super) async fn has(&self, person: Person<'_>, kind: &str, item: &str) -> Option<String> {
        let query = format!("?itemType={kind}&itemId={item}");
        let strong = self.owned(person, &format!("{query}&strong=true")).await;
        assert_eq!(strong.status, 200, "{strong:?}");
        self.app.settled().await;
        assert_eq!(self.owned(person, &query).await.body, strong.body);
        let told = &strong.body["items"][0];
        assert_eq!((&told["itemType"], &told["itemId"]), (&json!(kind), &json!(item)));
        let purchase = told["purchaseId"].as_str().map(str::to_owned);
        assert_eq!(told["owned"], purchase.is_some());
        purchase
    }

    pub(super) async fn history(&self, person: Person<'_>, query: &str) -> Answer {
        self.call((Method::GET, PURCHASES), query, person, &[], "").await
    }

    /// All purchases that match a query, page by page. The query begins with `?`.
    pub(super) async fn pages(&self, person: Person<'_>, query: &str) -> Vec<Vec<Value>> {
        pages("purchases", async |cursor| self.history(person, &format!("{query}{cursor}")).await).await
    }

    /// All purchases of a user, the newest first.
    pub(super) async fn all(&self, person: Person<'_>) -> Vec<Value> {
        self.app.settled().await;
        self.pages(person, "?limit=100").await.concat()
    }

    pub(super) async fn put_discount(
        &self,
        person: Person<'_>,
        code: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        self.call((Method::PUT, DISCOUNT), code, person, headers, body.to_string()).await
    }

    /// There is this discount now.
    pub(super) async fn discount(&self, code: &str, body: &Value) {
        let answer = self.put_discount(ROOT, code, &[], body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    pub(super) async fn get_discount(&self, person: Person<'_>, code: &str) -> Answer {
        self.call((Method::GET, DISCOUNT), code, person, &[], "").await
    }

    /// How often a discount was used.
    pub(super) async fn uses(&self, code: &str) -> u64 {
        self.get_discount(ROOT, code).await.body["uses"].as_u64().unwrap()
    }

    /// Tim makes a package without quizzes, for 500 rupees.
    pub(super) async fn package(&self, id: &str) {
        let body = json!({"packageId": id, "title": "Algebra", "price": 50_000, "currency": "INR", "quizIds": []});
        let answer = self.call((Method::POST, PACKAGES), "", TIM, &[], body.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Tim has another price of a package.
    pub(super) async fn costs(&self, id: &str, price: u64) {
        let body = json!({"title": "Algebra", "price": price, "currency": "INR"});
        let answer = self.call((Method::PUT, PACKAGE), id, TIM, &[], body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The earnings of a package, in the currency of its price and in each, once everything has settled.
    pub(super) async fn earnings(&self, id: &str) -> (Value, Value) {
        self.app.settled().await;
        let answer = self.call((Method::GET, STATS), &format!("?packageId={id}"), TIM, &[], "").await;
        let stats = &answer.body["packages"][0];
        (stats["earnings"].clone(), stats["earningsByCurrency"].clone())
    }

    /// Reads analytics once everything has settled; the query begins with `?`.
    pub(super) async fn asks(&self, person: Person<'_>, query: &str) -> Answer {
        self.app.settled().await;
        self.call((Method::GET, ANALYTICS), query, person, &[], "").await
    }

    /// The analytics that an admin reads.
    pub(super) async fn analytics(&self, query: &str) -> Value {
        let answer = self.asks(ROOT, query).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.body
    }

    /// How much is written in each table that purchases write to.
    pub(super) async fn written(&self) -> [u64; 3] {
        self.app.settled().await;
        ["PurchasesTable", "StateTable", "StatsTable"].map(|table| self.app.items(table))
    }
}
