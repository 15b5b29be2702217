//! How may be paid, and in which currencies.

use serde_json::{Value, json};

use super::api::{Api, Person, ROOT, SAM, assert_invalid_field, order_with, with};
use crate::support::app::{Answer, App};

/// Pays with this method and currency.
async fn pays(api: &Api, person: Person<'_>, method: &str, currency: &str) -> Answer {
    let patch = json!({"paymentMethod": method, "currency": currency});
    api.buy(person, &format!("{method}-{currency}"), &order_with("product", "mug", &patch)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_unlisted_payment_methods_and_currencies() {
    let api = Api::start().await;
    api.offers("mug");
    let written = api.written().await;
    // Not of an admin either.
    for person in [SAM, ROOT] {
        for method in ["cheque", "Card", "credit-card", "x"] {
            assert_invalid_field(&pays(&api, person, method, "USD").await, 422, "paymentMethod");
        }
        for currency in ["ZAR", "KWD", "VND"] {
            assert_invalid_field(&pays(&api, person, "cash", currency).await, 422, "currency");
        }
    }
    let unknown = json!({"amount": null, "currency": null, "paymentMethod": "cheque"});
    assert_invalid_field(&api.buy(ROOT, "k", &order_with("product", "mug", &unknown)).await, 422, "paymentMethod");
    assert_eq!(api.written().await, written);
    for (method, currency) in [("card", "AUD"), ("unknown", "USD"), ("voucher", "JPY")] {
        let made = pays(&api, SAM, method, currency).await;
        assert_eq!((made.status.as_u16(), &made.body["paymentMethod"]), (201, &json!(method)));
    }
    let unknown = with(&unknown, &json!({"paymentMethod": "unknown"}));
    assert_eq!(api.bought(ROOT, "k", &order_with("product", "mug", &unknown)).await["currency"], Value::Null);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_methods_and_currencies_are_configurable() {
    let app = App::start_with(|options| {
        options.parameters.insert("PaymentMethods".to_owned(), "cheque, cash".to_owned());
        options.parameters.insert("Currencies".to_owned(), "ZAR,KWD".to_owned());
    });
    let api = Api::of(app.await);
    let refused = pays(&api, SAM, "credit_card", "ZAR").await;
    assert_invalid_field(&refused, 422, "paymentMethod");
    assert_eq!(refused.body["errors"][0]["reason"], "must be one of cash, cheque");
    let refused = pays(&api, SAM, "cheque", "USD").await;
    assert_invalid_field(&refused, 422, "currency");
    assert_eq!(refused.body["errors"][0]["reason"], "must be one of KWD, ZAR");
    for (method, currency) in [("cheque", "ZAR"), ("cash", "KWD")] {
        let made = pays(&api, SAM, method, currency).await;
        assert_eq!((made.status.as_u16(), &made.body["currency"]), (201, &json!(currency)));
    }
    assert_eq!(api.all(SAM).await.len(), 2);
    api.app.finish().await;
}
