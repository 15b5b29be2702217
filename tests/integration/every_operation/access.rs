//! Access: every operation enforces the `security` and the `x-access` of the contract, for every kind of credentials, every role,
//! and the caller's own and other users' resources.

use chrono::TimeDelta;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use super::operation::{Operation, operations};
use super::world::{Bindings, Person, World, allows};
use crate::contract::contract;
use crate::support::app::Answer;
use crate::support::client;

const ROLES: [&str; 5] = ["admin", "artist", "seller", "teacher", "student"];

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_requires_the_credentials_of_the_contract() {
    let contract = contract();
    let world = World::of(&contract).await;
    let expired = client::token(&world.app, "ann", "admin", SystemClock.now() - TimeDelta::days(365));
    let good = world.token(&world.person("admin"));
    let forged = format!("{}x", &good[..good.len() - 1]);
    let key = world.app.cloud.write_key().to_owned();
    for operation in operations(&contract) {
        let nothing = Bindings::new();
        let send = |headers: Vec<(&'static str, String)>| {
            let (world, operation, nothing) = (&world, &operation, &nothing);
            async move {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                world.send(operation, &headers, nothing, "").await
            }
        };
        let refused = [
            ("nothing", vec![]),
            ("a token with another signature", vec![("authorization", forged.clone())]),
            ("no token at all", vec![("authorization", "Bearer garbage".to_owned())]),
            ("a token in another alphabet", vec![("authorization", "Bearer ключ".to_owned())]),
            ("a token that has expired", vec![("authorization", expired.clone())]),
            ("an unknown write key", vec![("x-write-key", "unknown".to_owned())]),
            ("a write key in another alphabet", vec![("x-write-key", "ключ".to_owned())]),
            ("a bad token and a good key", vec![("authorization", forged.clone()), ("x-write-key", key.clone())]),
        ];
        for (with, headers) in refused {
            let answer = send(headers).await;
            let is_refused = answer.status == 401;
            assert_eq!(is_refused, !operation.is_public(), "{} with {with}: {answer:?}", operation.id);
        }
        let answer = send(vec![("x-write-key", key.clone())]).await;
        let is_accepted = operation.is_public() || operation.accepts("writeKey");
        assert_eq!(answer.status != 401, is_accepted, "{} with a write key: {answer:?}", operation.id);
        let answer = send(vec![("authorization", good.clone())]).await;
        assert_ne!(answer.status, 401, "{} with a token: {answer:?}", operation.id);
    }
    world.app.finish().await;
}

/// The `x-access` of an operation.
struct Access<'a> {
    owners: Vec<&'a str>,
    others: u64,
    /// Whether admins get `others` too.
    is_for_owners_only: bool,
    /// The status if live updates are disabled.
    disabled: Option<u64>,
}

impl<'a> Access<'a> {
    fn of(operation: &Operation<'a>) -> Self {
        let access = operation.extension("x-access");
        let owners = access["owners"].as_array().into_iter().flatten();
        Self {
            owners: owners.map(|name| name.as_str().unwrap()).collect(),
            others: access["others"].as_u64().unwrap_or(403),
            is_for_owners_only: access["admins"] == "others",
            disabled: access["without-live-updates"].as_u64(),
        }
    }

    /// What is wrong with the response to an allowed caller.
    fn check_allowed(&self, answer: &Answer, what: &str) -> Option<String> {
        let is_disabled = self.disabled == Some(answer.status.as_u16().into());
        let is_allowed = answer.status.is_success() || is_disabled;
        (!is_allowed).then(|| format!("{what} is refused: {} {}", answer.status, answer.body))
    }

    /// What is wrong with the response to any other caller.
    fn check_refused(&self, answer: &Answer, what: &str) -> Option<String> {
        let is_refused = u64::from(answer.status.as_u16()) == self.others;
        (!is_refused).then(|| format!("{what} is not refused with {}: {} {}", self.others, answer.status, answer.body))
    }
}

/// A request about a resource of this owner.
async fn request_about(world: &World<'_>, operation: &Operation<'_>, name: &str, of: &Person, by: &Person) -> Answer {
    let is_creator = world.contract["components"]["x-things"][name]["madeBy"] == operation.id;
    let known = if is_creator && of == by {
        // A new resource belongs to its creator.
        Bindings::from([(name.to_owned(), json!(world.fresh(name)))])
    } else {
        Bindings::from([(name.to_owned(), world.resource(name, of, &Bindings::new()).await)])
    };
    world.call(operation, by, known).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_allows_exactly_the_callers_of_the_contract() {
    let contract = contract();
    let world = World::of(&contract).await;
    let mut wrong = Vec::new();
    for operation in operations(&contract).iter().filter(|operation| !operation.is_public()) {
        let access = Access::of(operation);
        for role in ROLES {
            let (me, you) = (world.person(role), world.person(role));
            let what = |of: &str| format!("{} by {role} {of}", operation.id);
            let is_allowed = allows(operation, role);
            let is_free = role == "admin" && is_allowed && !access.is_for_owners_only;
            if access.owners.is_empty() || is_free {
                let known = match access.owners.first() {
                    Some(name) => {
                        let other = world.person(owner_role(&world, name));
                        Bindings::from([((*name).to_owned(), world.resource(name, &other, &Bindings::new()).await)])
                    }
                    None => Bindings::new(),
                };
                let (answer, _) = world.call(operation, &me, known).await;
                let judge = if is_allowed { Access::check_allowed } else { Access::check_refused };
                wrong.extend(judge(&access, &answer, &what("")));
                continue;
            }
            for name in &access.owners {
                let of = format!("on another user's {name}");
                let other =
                    if world.can_have(role, name) { you.clone() } else { world.person(owner_role(&world, name)) };
                let answer = request_about(&world, operation, name, &other, &me).await;
                wrong.extend(access.check_refused(&answer, &what(&of)));
                if is_allowed && world.can_have(role, name) {
                    let answer = request_about(&world, operation, name, &me, &me).await;
                    wrong.extend(access.check_allowed(&answer, &what(&format!("on its own {name}"))));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.app.finish().await;
}

/// The role of the owner of a resource.
fn owner_role<'a>(world: &World<'a>, name: &str) -> &'a str {
    let thing: &'a Value = &world.contract["components"]["x-things"][name];
    if thing["ownedBy"].is_string() { "student" } else { thing["as"].as_str().unwrap_or("student") }
}
