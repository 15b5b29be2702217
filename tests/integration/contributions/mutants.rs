//! Mutants that each break a rule of contributions.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use local::wire::{Call, Fault, Faults};
use runtime::context::FunctionContext;
use serde_json::{Value, json};

use crate::support::stage::Stage;

/// The rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A removed contribution is deleted without a tombstone, so the absent version can come back.
    LeavesNoTombstones,
    /// A change that leaves the value equal is not written.
    SkipsTheSame,
    /// A quiz is read before its membership is visible.
    ReadsBeforeItIsIn,
    /// What arrives is added, however often it arrives.
    Adds,
}

/// Forwards calls, and deletes tombstones at once.
struct Forgetting {
    stage: Stage,
    schedule: Arc<dyn Faults>,
}

impl Faults for Forgetting {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        self.schedule.before(call)
    }

    fn after<'a>(&'a self, done: &'a Call) -> BoxFuture<'a, ()> {
        let body: Value = serde_json::from_str(&done.body).unwrap();
        for action in body["TransactItems"].as_array().into_iter().flatten() {
            let item = &action["Put"]["Item"];
            if item["gone"]["BOOL"] == true && action["Put"]["TableName"] == "Stats" {
                let delete = json!({
                    "TableName": "Stats", "Key": {"pk": item["pk"], "sk": item["sk"]},
                    "ConditionExpression": "gone = :t", "ExpressionAttributeValues": {":t": {"BOOL": true}},
                });
                // The call may not have been carried out.
                let options = local::wire::ClientOptions::default();
                let deleted = self.stage.database.call("DeleteItem", &delete.to_string(), &options);
                assert!(deleted.is_ok() || deleted.body.contains("ConditionalCheckFailed"), "{deleted:?}");
            }
        }
        self.schedule.after(done)
    }
}

/// The faults of the calls of an invocation.
pub(super) fn faults(mutant: Option<Mutant>, stage: &Stage, schedule: Arc<dyn Faults>) -> Arc<dyn Faults> {
    match mutant {
        Some(Mutant::LeavesNoTombstones) => Arc::new(Forgetting { stage: stage.clone(), schedule }),
        _ => schedule,
    }
}

/// What a mutant does instead of handling a batch, and whether that is all there is to do; `None` to go on as ever.
pub(super) async fn instead(
    mutant: Option<Mutant>,
    stage: &Stage,
    boot: &FunctionContext,
    payload: &Value,
) -> Option<bool> {
    let records = payload["Records"].as_array().unwrap();
    match mutant? {
        Mutant::LeavesNoTombstones => None,
        Mutant::SkipsTheSame => records.iter().all(|record| is_as_it_says(stage, record)).then_some(true),
        Mutant::ReadsBeforeItIsIn => {
            if !records.iter().all(only_brings_in) {
                return None;
            }
            for record in records {
                bring_in(boot, record).await?;
            }
            Some(true)
        }
        Mutant::Adds => {
            if records.iter().any(|record| record["dynamodb"]["Keys"]["sk"]["S"] == "DOC") {
                return None;
            }
            for record in records {
                add(boot, record).await?;
            }
            Some(true)
        }
    }
}

fn quizzes(image: &Value) -> BTreeSet<String> {
    let quizzes = image["quizzes"]["L"].as_array().into_iter().flatten();
    quizzes.map(|quiz| quiz["S"].as_str().unwrap().to_owned()).collect()
}

/// Whether the members of a package already match its document.
fn is_as_it_says(stage: &Stage, record: &Value) -> bool {
    let change = &record["dynamodb"];
    let keys = &change["Keys"];
    if keys["sk"]["S"] != "DOC" {
        return false;
    }
    let named = quizzes(&stage.call("GetItem", &json!({"TableName": "State", "Key": keys}))["Item"]);
    let (old, new) = (quizzes(&change["OldImage"]), quizzes(&change["NewImage"]));
    old.symmetric_difference(&new).all(|quiz| {
        let key = json!({"pk": keys["pk"], "sk": {"S": format!("C#QUIZ#{quiz}")}});
        let held = stage.call("GetItem", &json!({"TableName": "Stats", "Key": key}));
        let is_in = held["Item"].is_object() && held["Item"]["gone"].is_null();
        is_in == named.contains(quiz)
    })
}

type Item = crate::support::stage::Item;

fn text(value: impl Into<String>) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(value.into())
}

async fn read(boot: &FunctionContext, table: &str, pk: &str, sk: &str) -> Option<Option<Item>> {
    let get = boot.dynamodb().get_item().table_name(table).key("pk", text(pk)).key("sk", text(sk));
    Some(get.consistent_read(true).send().await.ok()?.item)
}

fn only_brings_in(record: &Value) -> bool {
    let change = &record["dynamodb"];
    let (old, new) = (quizzes(&change["OldImage"]), quizzes(&change["NewImage"]));
    change["Keys"]["sk"]["S"] == "DOC" && old.is_subset(&new)
}

/// Adds the new quizzes in one step with values that were read before their contributions existed. The contributions
/// look up to date, so they are never refreshed. `None` if the step failed.
async fn bring_in(boot: &FunctionContext, record: &Value) -> Option<()> {
    let change = &record["dynamodb"];
    let pk = change["Keys"]["pk"]["S"].as_str().unwrap();
    let package = pk.strip_prefix("PACKAGE#").unwrap();
    for quiz in quizzes(&change["NewImage"]).difference(&quizzes(&change["OldImage"])) {
        let sk = format!("C#QUIZ#{quiz}");
        let held = read(boot, "Stats", pk, &sk).await?;
        if held.as_ref().is_some_and(|held| !held.contains_key("gone")) {
            return None;
        }
        let document = read(boot, "State", pk, "DOC").await?;
        let named = document.and_then(|mut document| document.remove("quizzes"));
        if !named.is_some_and(|named| named.as_l().unwrap().contains(&text(quiz.as_str()))) {
            return None;
        }
        let total = read(boot, "Stats", &format!("QUIZ#{quiz}"), "T").await?;
        write_in(boot, (pk, &sk, quiz, package), held, total).await?;
    }
    Some(())
}

async fn write_in(
    boot: &FunctionContext,
    (pk, sk, quiz, package): (&str, &str, &str, &str),
    held: Option<Item>,
    total: Option<Item>,
) -> Option<()> {
    use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
    let mut item: Item = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), text(value))).into();
    item.insert("version".to_owned(), text(boot.ids.fresh()));
    let total = total.unwrap_or_default();
    item.extend(total.get("version").map(|version| ("of".to_owned(), version.clone())));
    let sums: Vec<_> = total.iter().filter(|(_, value)| value.is_n()).collect();
    item.extend(sums.iter().map(|(name, value)| ((*name).clone(), (*value).clone())));
    let put = Put::builder().table_name("Stats").set_item(Some(item));
    let put = match held {
        Some(held) => {
            put.condition_expression("version = :v").expression_attribute_values(":v", held["version"].clone())
        }
        None => put.condition_expression("attribute_not_exists(pk)"),
    };
    let edge = Put::builder().table_name("Stats").item("pk", text(format!("QUIZ#{quiz}")));
    let edge = edge.item("sk", text(format!("IN#{package}")));
    let mut actions = vec![
        TransactWriteItem::builder().put(put.build().unwrap()).build(),
        TransactWriteItem::builder().put(edge.build().unwrap()).build(),
    ];
    if !sums.is_empty() {
        let mut update = Update::builder().table_name("Stats").key("pk", text(pk)).key("sk", text("T"));
        let mut adds = Vec::new();
        for (number, (name, value)) in sums.into_iter().enumerate() {
            adds.push(format!("#{number} :{number}"));
            update = update.expression_attribute_names(format!("#{number}"), name);
            update = update.expression_attribute_values(format!(":{number}"), value.clone());
        }
        let update = update
            .expression_attribute_names("#v", "version")
            .expression_attribute_values(":v", text(boot.ids.fresh()))
            .update_expression(format!("SET #v = :v ADD {}", adds.join(", ")));
        actions.push(TransactWriteItem::builder().update(update.build().unwrap()).build());
    }
    boot.dynamodb().transact_write_items().set_transact_items(Some(actions)).send().await.ok().map(drop)
}

/// Adds a fact to its quiz and to every package that holds the quiz; enough to be wrong.
async fn add(boot: &FunctionContext, record: &Value) -> Option<()> {
    let keys = &record["dynamodb"]["Keys"];
    let (pk, sk) = (keys["pk"]["S"].as_str().unwrap(), keys["sk"]["S"].as_str().unwrap());
    let fact = read(boot, "Interactions", pk, sk).await??;
    let likes = match fact.get("on") {
        Some(on) if *on.as_bool().unwrap() => "1",
        Some(_) => "-1",
        None => return None,
    };
    let quiz = pk.rsplit_once('#').unwrap().0;
    let with = boot.dynamodb().query().table_name("Stats").consistent_read(true);
    let with = with.key_condition_expression("pk = :q AND begins_with(sk, :i)");
    let with = with.expression_attribute_values(":q", text(quiz)).expression_attribute_values(":i", text("IN#"));
    let packages = with.send().await.ok()?.items.unwrap_or_default();
    let packages = packages.iter().map(|item| item["sk"].as_s().unwrap().replace("IN#", "PACKAGE#"));
    for pk in packages.chain([quiz.to_owned()]) {
        let update = boot.dynamodb().update_item().table_name("Stats").key("pk", text(pk)).key("sk", text("T"));
        let update = update.update_expression("SET asOf = :t ADD likes :n");
        let update = update.expression_attribute_values(":t", text("2026-01-31T12:00:00.000Z"));
        let by = aws_sdk_dynamodb::types::AttributeValue::N(likes.to_owned());
        update.expression_attribute_values(":n", by).send().await.ok()?;
    }
    Some(())
}
