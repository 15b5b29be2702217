//! A cloud and the requests to it. The operations that `x-things` names create the resources of a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use system::clock::{Clock, SystemClock};

use super::operation::{Operation, Place, operation};
use crate::contract::assert_response_matches;
use crate::support::app::{Answer, App};
use crate::support::client;

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) role: String,
}

/// The values of fields and parameters by name.
pub(super) type Bindings = BTreeMap<String, Value>;

/// A cloud and its contract.
pub(super) struct World<'a> {
    pub(super) app: App,
    pub(super) contract: &'a Value,
    ids: AtomicUsize,
}

impl<'a> World<'a> {
    pub(super) async fn of(contract: &'a Value) -> Self {
        Self { app: App::start().await, contract, ids: AtomicUsize::new(0) }
    }

    /// An unused id.
    pub(super) fn fresh(&self, what: &str) -> String {
        format!("{what}-{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn person(&self, role: &str) -> Person {
        Person { id: self.fresh(role), role: role.to_owned() }
    }

    pub(super) fn token(&self, person: &Person) -> String {
        client::token(&self.app, &person.id, &person.role, SystemClock.now())
    }

    pub(super) fn is_person(&self, name: &str) -> bool {
        self.contract["components"]["x-people"].as_array().unwrap().iter().any(|person| person == name)
    }

    fn thing(&self, name: &str) -> Option<&'a Value> {
        Some(&self.contract["components"]["x-things"][name]).filter(|thing| thing.is_object())
    }

    /// Whether callers of a role can own a resource.
    pub(super) fn can_have(&self, role: &str, name: &str) -> bool {
        if self.is_person(name) {
            return true;
        }
        self.thing(name).is_some_and(|thing| {
            let maker = operation(self.contract, thing["madeBy"].as_str().unwrap());
            thing["ownedBy"].is_string() || allows(&maker, role)
        })
    }

    /// The id of a new resource of an owner. The operation of `x-things` creates it.
    pub(super) fn resource<'b>(&'b self, name: &'b str, of: &'b Person, known: &'b Bindings) -> BoxFuture<'b, Value> {
        Box::pin(async move {
            if self.is_person(name) {
                return json!(of.id);
            }
            let Some(thing) = self.thing(name) else { return json!(self.fresh(name)) };
            let maker = operation(self.contract, thing["madeBy"].as_str().unwrap());
            let usual = || self.person(thing["as"].as_str().unwrap());
            // The user that a request names need not own its resources.
            let mut known = known.clone();
            known.retain(|name, _| !self.is_person(name));
            let by = match thing["ownedBy"].as_str() {
                Some(owner) => {
                    known.insert(owner.to_owned(), json!(of.id));
                    usual()
                }
                // An admin would have to name an owner, so the usual role creates the resource.
                None if allows(&maker, &of.role) && (of.role != "admin" || thing["as"] == "admin") => of.clone(),
                None => usual(),
            };
            let is_named_by_client = maker.place(name) == Some(Place::Path);
            if is_named_by_client {
                known.insert(name.to_owned(), json!(self.fresh(name)));
            }
            let (answer, bound) = self.call(&maker, &by, known).await;
            assert!(answer.status.is_success(), "{} to make {name} by {by:?}: {answer:?}", maker.id);
            if is_named_by_client { bound[name].clone() } else { answer.body[name].clone() }
        })
    }

    /// The response to a request of an operation, and its values. Resources that are not known are created, by the same caller
    /// if possible.
    pub(super) async fn call(&self, operation: &Operation<'_>, by: &Person, mut known: Bindings) -> (Answer, Bindings) {
        let foreign = operation.extension("x-access")["foreign"].as_array();
        let is_foreign = |name: &str| foreign.is_some_and(|all| all.iter().any(|one| one == name));
        for (name, _) in operation.needed() {
            if known.contains_key(&name) || (self.thing(&name).is_none() && !self.is_person(&name)) {
                continue;
            }
            let makes = self.thing(&name).is_some_and(|thing| thing["madeBy"] == operation.id);
            let value = if makes {
                json!(self.fresh(&name))
            } else if self.is_person(&name) {
                // Any user will do.
                json!(self.person("student").id)
            } else if is_foreign(&name) {
                self.resource(&name, &self.person("student"), &known).await
            } else {
                self.resource(&name, by, &known).await
            };
            known.insert(name, value);
        }
        if let Some(before) = operation.extension("x-access")["after"].as_str() {
            let before = super::operation::operation(self.contract, before);
            let mut same = known.clone();
            for (theirs, ours) in operation.extension("x-access")["after-with"].as_object().into_iter().flatten() {
                same.insert(theirs.clone(), known[ours.as_str().unwrap()].clone());
            }
            let (answer, _) = Box::pin(self.call(&before, &self.person("admin"), same)).await;
            assert!(answer.status.is_success(), "{} before {}: {answer:?}", before.id, operation.id);
        }
        let answer = self.send(operation, &[("authorization", &self.token(by))], &known, "").await;
        (answer, known)
    }

    /// Sends a request of an operation with these headers, and appends `more` to its query.
    pub(super) async fn send(
        &self,
        operation: &Operation<'_>,
        headers: &[(&str, &str)],
        known: &Bindings,
        more: &str,
    ) -> Answer {
        let mut path = operation.path.to_owned();
        let mut query: Vec<String> = Vec::new();
        let mut body = operation.sample();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            let value = known.get(name).map_or_else(|| "x".to_owned(), text);
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        for (name, place) in operation.needed() {
            match place {
                Place::Query if !known.contains_key(&name) => {
                    query.push(format!("{name}={}", text(&operation.query_sample(&name))));
                }
                Place::Body if name.ends_with("Id") && !known.contains_key(&name) => {
                    body.as_mut().unwrap().insert(name.clone(), json!(self.fresh(&name)));
                }
                _ => {}
            }
        }
        for (name, value) in known {
            match operation.place(name) {
                Some(Place::Query) => query.push(format!("{name}={}", text(value))),
                Some(Place::Body) => {
                    body.get_or_insert_with(Map::new).insert(name.clone(), value.clone());
                }
                Some(Place::Path) | None => {}
            }
        }
        let query = query.join("&") + more;
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.trim_start_matches('&')) };
        let key = self.fresh("key");
        let mut all = headers.to_vec();
        if operation.parameters("header").iter().any(|one| one["name"] == "Idempotency-Key") {
            all.push(("idempotency-key", &key));
        }
        let body = body.map(|body| Value::Object(body).to_string()).unwrap_or_default();
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        let answer = self.app.send(operation.method.clone(), &target, &all, body).await;
        assert_response_matches(self.contract, &operation.method, operation.path, &answer);
        answer
    }
}

/// Whether an operation allows a role.
pub(super) fn allows(operation: &Operation<'_>, role: &str) -> bool {
    let roles = operation.extension("x-access")["roles"].as_array();
    let roles = roles.unwrap_or_else(|| panic!("{} has no roles in x-access", operation.id));
    roles.iter().any(|one| one == role)
}
