//! People, what they buy, and what they are told of it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use crate::contract::contract;
use crate::support::app::{Answer, App, Forward};
use crate::support::requests;

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

/// Somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person(pub(super) &'static str, pub(super) &'static str);

pub(super) const TIM: Person = Person("tim", "teacher");
pub(super) const EVE: Person = Person("eve", "seller");
pub(super) const SAM: Person = Person("sam", "student");
pub(super) const SUE: Person = Person("sue", "student");
pub(super) const ANN: Person = Person("ann", "artist");
pub(super) const ROOT: Person = Person("root", "admin");

/// A value with some fields changed.
pub(super) fn with(body: &Value, patch: &Value) -> Value {
    let mut body = body.clone();
    for (field, value) in patch.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

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

/// How a purchase stands, and what was paid and given back of it.
pub(super) fn standing(purchase: &Value) -> (&str, Option<u64>, Option<u64>) {
    let status = purchase["status"].as_str().unwrap();
    (status, purchase["amount"].as_u64(), purchase["refundedAmount"].as_u64())
}

/// Asserts that an answer names this field, and no other, as wrong.
#[track_caller]
pub(super) fn is_wrong(answer: &Answer, status: u16, field: &str) {
    requests::are_wrong(answer, status, &[field]);
}

pub(super) struct Api {
    pub(super) app: App,
    contract: Value,
    clock: Arc<dyn Clock>,
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::of(App::start().await)
    }

    pub(super) fn of(app: App) -> Self {
        Self { app, contract: contract(), clock: system::clock::system() }
    }

    /// Where the clock begins at another time.
    pub(super) async fn at(time: &str) -> Self {
        let clock = Arc::new(Forward::default());
        clock.by(time.parse::<DateTime<Utc>>().unwrap() - SystemClock.now());
        Self::with_clock(clock).await
    }

    /// Where the clock is this one.
    pub(super) async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let of_cloud = Arc::clone(&clock);
        let app = App::start_with(|options| options.clock = of_cloud).await;
        Self { clock, ..Self::of(app) }
    }

    pub(super) fn token(&self, Person(subject, role): Person) -> String {
        requests::token(&self.app, subject, role, self.clock.now())
    }

    /// Sends a request of a route of the contract; `of` is the id in its path, or what comes behind it.
    pub(super) async fn call(
        &self,
        to: (Method, &str),
        of: &str,
        person: Person,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let token = self.token(person);
        requests::send(&self.app, &self.contract, to, of, &requests::headers(&token, headers), body).await
    }

    /// A product is on offer, without any of the numbers that follow from that.
    pub(super) fn offers(&self, item: &str) {
        let product = json!({
            "pk": {"S": format!("PRODUCT#{item}")}, "sk": {"S": "DOC"}, "version": {"S": "v"},
            "title": {"S": "A thing"}, "seller": {"S": "eve"}, "price": {"N": "999"}, "currency": {"S": "USD"},
            "status": {"S": "active"},
        });
        self.database("PutItem", "StateTable", json!({"Item": product}));
    }

    /// Somebody wants to buy something; a product is on offer then.
    pub(super) async fn buy(&self, person: Person, key: &str, order: &Value) -> Answer {
        if let (Some("product"), Some(item)) = (order["itemType"].as_str(), order["itemId"].as_str())
            && person.1 != "admin"
        {
            self.offers(item);
        }
        self.order(person, key, order).await
    }

    /// Somebody wants to buy something as it is.
    pub(super) async fn order(&self, person: Person, key: &str, order: &Value) -> Answer {
        self.call((Method::POST, PURCHASES), "", person, &[("idempotency-key", key)], order.to_string()).await
    }

    /// Somebody buys something.
    pub(super) async fn bought(&self, person: Person, key: &str, order: &Value) -> Value {
        let answer = self.buy(person, key, order).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    pub(super) async fn complete(&self, person: Person, id: &str) -> Answer {
        self.call((Method::POST, COMPLETE), id, person, &[], "").await
    }

    /// Somebody wants this given back.
    pub(super) async fn refund(&self, person: Person, key: &str, id: &str, body: &Value) -> Answer {
        self.call((Method::POST, REFUND), id, person, &[("idempotency-key", key)], body.to_string()).await
    }

    /// Somebody wants all of it given back, or cancels it.
    pub(super) async fn end(&self, person: Person, id: &str) -> Answer {
        self.call((Method::DELETE, PURCHASE), id, person, &[], "").await
    }

    /// A purchase ends.
    pub(super) async fn ended(&self, person: Person, id: &str) -> Value {
        let answer = self.end(person, id).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(super) async fn owned(&self, person: Person, query: &str) -> Answer {
        self.call((Method::GET, OWNED), query, person, &[], "").await
    }

    /// By which purchase somebody has an item, if at all: at once, and later the same without asking for that.
    pub(super) async fn has(&self, person: Person, kind: &str, item: &str) -> Option<String> {
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

    pub(super) async fn history(&self, person: Person, query: &str) -> Answer {
        self.call((Method::GET, PURCHASES), query, person, &[], "").await
    }

    /// All purchases that a query asks for, by as many pages as it takes. The query begins with `?`.
    pub(super) async fn pages(&self, person: Person, query: &str) -> Vec<Vec<Value>> {
        requests::pages("purchases", async |cursor| self.history(person, &format!("{query}{cursor}")).await).await
    }

    /// All that somebody bought, the newest first.
    pub(super) async fn all(&self, person: Person) -> Vec<Value> {
        self.app.settled().await;
        self.pages(person, "?limit=100").await.concat()
    }

    pub(super) async fn put_discount(
        &self,
        person: Person,
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

    pub(super) async fn get_discount(&self, person: Person, code: &str) -> Answer {
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

    /// What Tim is told a package earned, in the currency of its price and in each, when everything has reached it.
    pub(super) async fn earnings(&self, id: &str) -> (Value, Value) {
        self.app.settled().await;
        let answer = self.call((Method::GET, STATS), &format!("?packageId={id}"), TIM, &[], "").await;
        let stats = &answer.body["packages"][0];
        (stats["earnings"].clone(), stats["earningsByCurrency"].clone())
    }

    /// Somebody asks what purchases brought in, when everything has reached that; the query begins with `?`.
    pub(super) async fn asks(&self, person: Person, query: &str) -> Answer {
        self.app.settled().await;
        self.call((Method::GET, ANALYTICS), query, person, &[], "").await
    }

    /// What an admin is told of what purchases brought in.
    pub(super) async fn analytics(&self, query: &str) -> Value {
        let answer = self.asks(ROOT, query).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.body
    }

    /// Asks the database itself, as no function would.
    pub(super) fn database(&self, operation: &str, table: &str, mut request: Value) -> Value {
        request["TableName"] = json!(self.app.cloud.table(table).unwrap());
        let answer = self.app.cloud.database().call(operation, &request.to_string(), &ClientOptions::default());
        assert!(answer.is_ok(), "{operation} {request}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// How much is written in each table that purchases write to.
    pub(super) async fn written(&self) -> [u64; 3] {
        self.app.settled().await;
        ["PurchasesTable", "StateTable", "StatsTable"].map(|table| self.app.items(table))
    }
}
