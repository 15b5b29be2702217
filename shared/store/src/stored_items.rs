//! Golden attributes of stored documents and facts: items of earlier releases stay readable, and new ones keep their names.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::documents::Versioned;
use super::items::{from_item, to_item};
use super::keys::{Key, PK, SK};
use domain::attendance::Attendance;
use domain::course::{Course, Enrollment};
use domain::discount::Discount;
use domain::interaction::QuizFact;
use domain::package::Package;
use domain::payment::Payment;
use domain::playlist::{Playlist, Submission};
use domain::product::{Product, ProductFact};
use domain::purchase::Purchase;
use domain::quiz::Quiz;
use domain::sale::SaleFact;
use domain::score::GivenScore;
use domain::track::Track;

const AT: &str = "2026-01-31T09:07:05.040Z";

/// Reads attributes from an item, writes them again, and expects the same.
fn assert_stable<T: Serialize + DeserializeOwned + Debug>(attributes: &Value) {
    let key = Key { pk: "p".to_owned(), sk: "s".to_owned() };
    let read: T = from_item(to_item(&key, attributes).unwrap()).unwrap();
    let written = to_item(&key, &read).unwrap();
    let written: serde_json::Map<String, Value> = from_item(written).unwrap();
    let mut expected = attributes.as_object().unwrap().clone();
    expected.extend([(PK.to_owned(), json!("p")), (SK.to_owned(), json!("s"))]);
    assert_eq!(Value::Object(written), Value::Object(expected), "{read:?}");
}

#[test]
fn attributes_of_purchases_are_stable() {
    assert_stable::<Versioned<Purchase>>(&json!({
        "version": "v", "id": "p", "buyer": "u:sam", "itemType": "course", "itemId": "c", "quantity": 1,
        "paid": {"listed": 1000, "discount": 100, "refunded": 50, "currency": "USD"}, "paymentMethod": "card",
        "discountCode": "HALF", "variant": "x", "metadata": {"a": "b"}, "status": "refunded",
        "purchasedAt": AT, "completedAt": AT, "refundedAt": AT, "endedBy": AT, "endedAt": AT,
    }));
    assert_stable::<Versioned<Payment>>(&json!({
        "version": "v", "id": "p", "purchase": "p", "buyer": "u:sam", "itemType": "course", "itemId": "c",
        "amount": 900, "currency": "USD", "status": "approved", "receivedAt": AT, "approvedAt": AT, "cancelledAt": AT,
    }));
    assert_stable::<SaleFact>(&json!({
        "kind": "refund", "purchase": "p", "buyer": "g:x", "itemType": "test", "itemId": "t", "quantity": 2,
        "paymentMethod": "card", "amount": 7, "currency": "EUR", "ended": true,
    }));
    assert_stable::<Discount>(
        &json!({"kind": "percent", "percent": 50, "validFrom": AT, "validUntil": AT, "maxUses": 3}),
    );
}

#[test]
fn attributes_of_courses_are_stable() {
    assert_stable::<Versioned<Course>>(&json!({"version": "v", "title": "t", "teacher": "tom"}));
    assert_stable::<Versioned<Enrollment>>(&json!({
        "version": "v", "course": "c", "student": "sam", "studentName": "Sam", "status": "invited", "isAgreed": false,
        "enrolledAt": AT, "changedAt": AT,
    }));
    assert_stable::<Versioned<GivenScore>>(&json!({
        "version": "v", "id": "s", "course": "c", "student": "sam", "studentName": "Sam", "title": "t",
        "reached": 1000, "max": 2000, "givenAt": AT, "changedAt": AT,
    }));
    assert_stable::<Versioned<Attendance>>(&json!({
        "version": "v", "course": "c", "student": "sam", "studentName": "Sam", "date": "2026-01-31",
        "status": "late", "markedAt": AT,
    }));
}

#[test]
fn attributes_of_catalogs_are_stable() {
    assert_stable::<Versioned<Track>>(&json!({
        "version": "v", "title": "t", "artist": "ann", "durationMs": 1000, "releasedAt": AT,
    }));
    assert_stable::<Versioned<Quiz>>(&json!({"version": "v", "title": "t", "creator": "ann", "description": "d"}));
    assert_stable::<Versioned<Package>>(&json!({
        "version": "v", "title": "t", "creator": "ann", "description": "d", "price": 5, "currency": "USD",
        "quizzes": ["q"],
    }));
    assert_stable::<Versioned<Product>>(&json!({
        "version": "v", "title": "t", "seller": "sally", "description": "d", "price": 5, "currency": "USD",
        "status": "sold", "sale": {"id": "s", "at": AT, "price": 5, "currency": "USD"},
    }));
    assert_stable::<Versioned<Playlist>>(&json!({
        "version": "v", "title": "t", "owner": "ann", "description": "d", "isOpen": true,
    }));
    assert_stable::<Versioned<Submission>>(&json!({
        "version": "v", "playlist": "p", "track": "t", "artist": "ann", "message": "m", "status": "rejected",
        "submittedAt": AT, "decidedAt": AT,
    }));
}

#[test]
fn attributes_of_facts_are_stable() {
    assert_stable::<QuizFact>(&json!({"user": "sam", "kind": "rate", "rating": 4, "was": 2}));
    for event in [
        json!({"seller": "sally", "kind": "view"}),
        json!({"seller": "sally", "kind": "listing", "on": true}),
        json!({"seller": "sally", "kind": "sale", "on": false, "price": 5, "currency": "USD"}),
    ] {
        assert_stable::<ProductFact>(&event);
    }
}
