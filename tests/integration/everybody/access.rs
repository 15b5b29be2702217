//! Who may call what: the contract states it of every operation, and every operation holds it, with every kind of credentials,
//! in every role, on one's own things and on somebody else's.

use chrono::TimeDelta;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use super::making::{Bindings, Person, World, allows};
use super::operation::{Operation, operations};
use crate::contract::contract;
use crate::support::app::Answer;
use crate::support::requests;

const ROLES: [&str; 5] = ["admin", "artist", "seller", "teacher", "student"];

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_the_credentials_that_the_contract_states() {
    let contract = contract();
    let world = World::of(&contract).await;
    let expired = requests::token(&world.app, "ann", "admin", SystemClock.now() - TimeDelta::days(365));
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
        let is_taken = operation.is_public() || operation.takes("writeKey");
        assert_eq!(answer.status != 401, is_taken, "{} with a write key: {answer:?}", operation.id);
        let answer = send(vec![("authorization", good.clone())]).await;
        assert_ne!(answer.status, 401, "{} with a token: {answer:?}", operation.id);
    }
    world.app.finish().await;
}

/// What the contract states of an operation.
struct Access<'a> {
    owners: Vec<&'a str>,
    others: u64,
    /// Whether admins are as all others.
    is_for_owners_alone: bool,
    /// What it answers where live updates are off.
    off: Option<u64>,
}

impl<'a> Access<'a> {
    fn of(operation: &Operation<'a>) -> Self {
        let states = operation.says("x-access");
        let owners = states["owners"].as_array().into_iter().flatten();
        Self {
            owners: owners.map(|name| name.as_str().unwrap()).collect(),
            others: states["others"].as_u64().unwrap_or(403),
            is_for_owners_alone: states["admins"] == "others",
            off: states["without-live-updates"].as_u64(),
        }
    }

    /// What is wrong with the answer to somebody who may do it.
    fn lets(&self, answer: &Answer, what: &str) -> Option<String> {
        let is_off = self.off == Some(answer.status.as_u16().into());
        let is_let = answer.status.is_success() || is_off;
        (!is_let).then(|| format!("{what} is not let: {} {}", answer.status, answer.body))
    }

    /// What is wrong with the answer to somebody who may not.
    fn refuses(&self, answer: &Answer, what: &str) -> Option<String> {
        let is_refused = u64::from(answer.status.as_u16()) == self.others;
        (!is_refused).then(|| format!("{what} is not answered {}: {} {}", self.others, answer.status, answer.body))
    }
}

/// A request about something of this person's.
async fn about(world: &World<'_>, operation: &Operation<'_>, name: &str, of: &Person, by: &Person) -> Answer {
    let makes = world.contract["components"]["x-things"][name]["madeBy"] == operation.id;
    let known = if makes && of == by {
        // What somebody makes anew is their own.
        Bindings::from([(name.to_owned(), json!(world.fresh(name)))])
    } else {
        Bindings::from([(name.to_owned(), world.made(name, of, &Bindings::new()).await)])
    };
    world.ask(operation, by, known).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_those_whom_the_contract_states_and_for_nobody_else() {
    let contract = contract();
    let world = World::of(&contract).await;
    let mut wrong = Vec::new();
    for operation in operations(&contract).iter().filter(|operation| !operation.is_public()) {
        let access = Access::of(operation);
        for role in ROLES {
            let (me, you) = (world.person(role), world.person(role));
            let what = |of: &str| format!("{} by {role} {of}", operation.id);
            let is_allowed = allows(operation, role);
            let is_free = role == "admin" && is_allowed && !access.is_for_owners_alone;
            if access.owners.is_empty() || is_free {
                let known = match access.owners.first() {
                    Some(name) => {
                        let other = world.person(owner_role(&world, name));
                        Bindings::from([((*name).to_owned(), world.made(name, &other, &Bindings::new()).await)])
                    }
                    None => Bindings::new(),
                };
                let (answer, _) = world.ask(operation, &me, known).await;
                let judge = if is_allowed { Access::lets } else { Access::refuses };
                wrong.extend(judge(&access, &answer, &what("")));
                continue;
            }
            for name in &access.owners {
                let of = format!("on somebody else's {name}");
                let other =
                    if world.can_have(role, name) { you.clone() } else { world.person(owner_role(&world, name)) };
                let answer = about(&world, operation, name, &other, &me).await;
                wrong.extend(access.refuses(&answer, &what(&of)));
                if is_allowed && world.can_have(role, name) {
                    let answer = about(&world, operation, name, &me, &me).await;
                    wrong.extend(access.lets(&answer, &what(&format!("on their own {name}"))));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.app.finish().await;
}

/// In which role somebody has what a name stands for.
fn owner_role<'a>(world: &World<'a>, name: &str) -> &'a str {
    let thing: &'a Value = &world.contract["components"]["x-things"][name];
    if thing["ownedBy"].is_string() { "student" } else { thing["as"].as_str().unwrap_or("student") }
}
