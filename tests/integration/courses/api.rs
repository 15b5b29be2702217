//! Users, their actions in courses, and a Pusher server that records the events it gets.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use http::Method;
use local::channels::Application;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::contract::{assert_event_matches, contract};
use crate::support::app::Answer;
pub(super) use crate::support::client::assert_invalid;
use crate::support::client::{Client, delegate_to_client, pages};
pub(super) use crate::support::items::with;
pub(super) use crate::support::people::{EVE, Person, ROOT, SAM, SUE, TIM, TOM};

pub(super) const COURSE: &str = "/api/courses/{courseId}";
pub(super) const ENROLLMENTS: &str = "/api/enrollments";
pub(super) const COURSES: &str = "/api/courses";
pub(super) const STUDENT_DASHBOARD: &str = "/api/student/dashboard";
pub(super) const TEACHER_DASHBOARD: &str = "/api/teacher/dashboard";
pub(super) const ADMIN_DASHBOARD: &str = "/api/admin/dashboard";
pub(super) const PAYMENTS: &str = "/api/payments";
pub(super) const APPROVE: &str = "/api/payments/{paymentId}/approve";
pub(super) const SCORES: &str = "/api/scores";
pub(super) const SCORE: &str = "/api/scores/{scoreId}";
pub(super) const ATTENDANCE: &str = "/api/attendance";
const PURCHASES: &str = "/api/purchases";
const PURCHASE: &str = "/api/purchases/{purchaseId}";
const COMPLETE: &str = "/api/purchases/{purchaseId}/complete";
const NOTIFICATIONS: &str = "/api/notifications";

/// An event as the server of channels took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) channel: String,
    pub(super) name: String,
    pub(super) data: Value,
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<Told>>>);

impl Ears {
    /// Listens on a free port, as long as the test goes on.
    async fn listen(&self) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, ears) = (listener.local_addr().unwrap().port(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(ears.clone().serve(stream));
            }
        });
        port
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                    return;
                }
                match line.trim().split_once(':') {
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.trim().parse().unwrap();
                    }
                    None if line.trim().is_empty() => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            for event in body["batch"].as_array().unwrap() {
                let text = |field: &str| event[field].as_str().unwrap().to_owned();
                let data = serde_json::from_str(&text("data")).unwrap();
                self.0.lock().unwrap().push(Told { channel: text("channel"), name: text("name"), data });
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            stream.get_mut().write_all(answer).await.unwrap();
        }
    }
}

/// Asserts that one event was published on these channels, with this name, time and body.
#[track_caller]
pub(super) fn is_told(told: &[Told], name: &str, channels: &[&str], time: &Value, body: &Value) {
    let of_name: Vec<&Told> = told.iter().filter(|told| told.name == name).collect();
    let mut on: Vec<&str> = of_name.iter().map(|told| told.channel.as_str()).collect();
    let mut expected = channels.to_vec();
    on.sort_unstable();
    expected.sort_unstable();
    assert_eq!(on, expected, "{told:#?}");
    let first = of_name[0];
    assert!(first.data["id"].as_str().is_some_and(|id| !id.is_empty()), "{first:?}");
    let things = ["enrollment", "payment", "score", "attendance"];
    let thing = *things.iter().find(|thing| name.contains(**thing)).unwrap();
    let data = json!({"id": first.data["id"], "timestamp": time, (thing): body});
    assert_event_matches(&contract(), name, &data);
    assert!(of_name.iter().all(|told| told.data == data), "{data} is not {of_name:#?}");
}

pub(super) struct Api {
    client: Client,
    ears: Ears,
}

delegate_to_client!(Api);

impl Api {
    /// Where Tim teaches algebra.
    pub(super) async fn start() -> Self {
        let ears = Ears::default();
        let host = format!("http://127.0.0.1:{}", ears.listen().await);
        let client = Client::start_with(|options| {
            options.schedules = false;
            let [app, key, secret] = ["tally", "key", "a-secret-that-nobody-knows"].map(str::to_owned);
            options.publish_to(&Application { app, key, secret }, &host);
        });
        let api = Self { client: client.await.with_names(), ears };
        api.teaches(TIM, "algebra").await;
        api
    }

    /// A teacher creates a course.
    pub(super) async fn teaches(&self, person: Person<'_>, course: &str) {
        let body = json!({"title": format!("All of {course}")});
        let answer = self.call((Method::PUT, COURSE), course, person, &[], &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    /// A student requests to enroll, or a teacher or an admin enrolls a student.
    pub(super) async fn enroll(&self, person: Person<'_>, body: &Value) -> Answer {
        self.call((Method::POST, ENROLLMENTS), "", person, &[], body).await
    }

    /// Changes the status of an enrollment.
    pub(super) async fn update(&self, person: Person<'_>, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call((Method::PATCH, ENROLLMENTS), "", person, headers, body).await
    }

    /// An admin enrolls a student in algebra, and the teacher sets the status.
    pub(super) async fn takes(&self, student: &str, status: &str) -> Value {
        let body = json!({"courseId": "algebra", "studentId": student});
        let answer = self.enroll(ROOT, &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        let answer = self.update(TIM, &[], &with(&body, &json!({"status": status}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Purchases an item for 9.99 dollars, with some fields of the order replaced. Returns the id.
    pub(super) async fn buys(&self, person: Person<'_>, kind: &str, item: &str, patch: &Value) -> String {
        let order = json!({
            "itemType": kind, "itemId": item, "amount": 999, "currency": "USD", "paymentMethod": "bank_transfer",
        });
        if kind == "product" {
            // On offer, without the statistics that pages would receive.
            let product = json!({
                "pk": {"S": format!("PRODUCT#{item}")}, "sk": {"S": "DOC"}, "version": {"S": "v"},
                "title": {"S": "A thing"}, "seller": {"S": "eve"}, "price": {"N": "999"}, "currency": {"S": "USD"},
                "status": {"S": "active"},
            });
            self.app.database("PutItem", "StateTable", json!({"Item": product}));
        }
        let key = system::ids::random().fresh();
        let headers = [("idempotency-key", key.as_str())];
        let made = self.call((Method::POST, PURCHASES), "", person, &headers, &with(&order, patch)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["purchaseId"].as_str().unwrap().to_owned()
    }

    /// Orders an item that is still to be paid. Returns the id.
    pub(super) async fn orders(&self, person: Person<'_>, kind: &str, item: &str) -> String {
        self.buys(person, kind, item, &json!({"status": "pending"})).await
    }

    /// A purchase is completed by another way than its payment.
    pub(super) async fn complete(&self, purchase: &str) -> Answer {
        self.call((Method::POST, COMPLETE), purchase, ROOT, &[], &json!({})).await
    }

    /// A purchase is cancelled, or all of it given back.
    pub(super) async fn end(&self, purchase: &str) -> Answer {
        self.call((Method::DELETE, PURCHASE), purchase, ROOT, &[], &json!({})).await
    }

    /// Reads a purchase.
    pub(super) async fn purchase(&self, person: Person<'_>, purchase: &str) -> Answer {
        self.call((Method::GET, PURCHASE), purchase, person, &[], &json!({})).await
    }

    /// The status of a purchase, from the list of a user.
    pub(super) async fn standing(&self, person: Person<'_>, purchase: &str) -> String {
        let all = self.pages(PURCHASES, "purchases", person, "?limit=100").await.concat();
        let found = all.iter().find(|one| one["purchaseId"] == purchase).unwrap();
        found["status"].as_str().unwrap().to_owned()
    }

    /// Reports a payment of a purchase.
    pub(super) async fn pay(&self, person: Person<'_>, key: &str, purchase: &str) -> Answer {
        let headers = [("idempotency-key", key)];
        self.call((Method::POST, PAYMENTS), "", person, &headers, &json!({"purchaseId": purchase})).await
    }

    /// Approves a payment.
    pub(super) async fn approve(&self, person: Person<'_>, payment: &str) -> Answer {
        self.call((Method::POST, APPROVE), payment, person, &[], &json!({})).await
    }

    /// Records a score.
    pub(super) async fn give(&self, person: Person<'_>, key: &str, body: &Value) -> Answer {
        self.call((Method::POST, SCORES), "", person, &[("idempotency-key", key)], body).await
    }

    /// Corrects a score.
    pub(super) async fn change(&self, person: Person<'_>, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call((Method::PUT, SCORE), id, person, headers, body).await
    }

    /// Sends a notification with some fields replaced.
    pub(super) async fn notify(&self, person: Person<'_>, patch: &Value) -> Answer {
        let notice = json!({"title": "Hello", "message": "How are you?", "type": "info"});
        self.call((Method::POST, NOTIFICATIONS), "", person, &[], &with(&notice, patch)).await
    }

    /// Records attendance.
    pub(super) async fn mark(&self, person: Person<'_>, body: &Value) -> Answer {
        self.call((Method::POST, ATTENDANCE), "", person, &[], body).await
    }

    /// The pages of a list, by as many requests as it takes. The query begins with `?`.
    pub(super) async fn pages(&self, route: &str, field: &str, person: Person<'_>, query: &str) -> Vec<Vec<Value>> {
        self.app.settled().await;
        pages(field, async |cursor| self.get(route, person, &format!("{query}{cursor}")).await).await
    }

    /// The events that were published since the last call, in the order of each channel. Events with an equal id count
    /// once. Asserts that the outbox is empty.
    pub(super) async fn told(&self) -> Vec<Told> {
        self.app.settled().await;
        assert_eq!(self.app.items("OutboxTable"), 0, "something was not sent");
        let told = std::mem::take(&mut *self.ears.0.lock().unwrap());
        let mut known = BTreeSet::new();
        told.into_iter().filter(|told| known.insert((told.channel.clone(), told.data["id"].to_string()))).collect()
    }
}
