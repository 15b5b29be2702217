//! Updaters that each break a rule, and one in the same words that breaks none.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::counters::TrackCounters;
use domain::fold::{Fold, Recorded};
use runtime::context::FunctionContext;
use serde_json::Value;
use store::{expand, keys};

type Item = HashMap<String, AttributeValue>;

/// What an updater does wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mutant {
    /// It adds one for every record that arrives.
    Adds,
    /// It folds, by these rules.
    Folds(Rules),
}

/// How a bucket is folded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) version: Version,
    pub(crate) skip: Skip,
    pub(crate) empty: EmptyBucket,
    pub(crate) order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Version {
    Fresh,
    Restarts,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Skip {
    Never,
    SameValue,
    SameFacts,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum EmptyBucket {
    Kept,
    Deleted,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    VersionFirst,
    FactsFirst,
}

/// The rules that the store follows.
pub(crate) const SOUND: Rules =
    Rules { version: Version::Fresh, skip: Skip::Never, empty: EmptyBucket::Kept, order: Order::VersionFirst };

/// Handles a batch; the records that failed, or nothing if all of it did.
pub(crate) async fn update(mutant: Mutant, boot: FunctionContext, payload: Value) -> Option<Vec<String>> {
    let client = boot.dynamodb();
    let records = payload["Records"].as_array().unwrap();
    let key = |record: &Value| {
        let keys = &record["dynamodb"]["Keys"];
        (keys["pk"]["S"].as_str().unwrap().to_owned(), keys["sk"]["S"].as_str().unwrap().to_owned())
    };
    match mutant {
        Mutant::Adds => {
            for record in records {
                let (pk, sk) = key(record);
                add(&client, &pk, &sk, record["eventName"] == "REMOVE").await?;
            }
        }
        Mutant::Folds(rules) => {
            let buckets: BTreeSet<(String, String)> =
                records.iter().map(key).map(|(pk, sk)| (pk, sk[..3].to_owned())).collect();
            for (hour, minute) in buckets {
                let mut tries = 0;
                while !fold(&client, &boot, rules, &hour, &minute).await? {
                    tries += 1;
                    if tries > 20 {
                        return None;
                    }
                }
            }
        }
    }
    Some(Vec::new())
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn bucket_key(hour: &str, minute: &str) -> Item {
    let (track, hour) = hour.rsplit_once('#').unwrap();
    HashMap::from([("pk".to_owned(), text(track)), ("sk".to_owned(), text(format!("B#{hour}:{}", &minute[..2])))])
}

/// Adds one play, share or download, or takes it away; enough to be wrong.
async fn add(client: &Client, pk: &str, sk: &str, removed: bool) -> Option<()> {
    let held = client.get_item().table_name("Stats").set_key(Some(bucket_key(pk, sk))).consistent_read(true);
    let held = held.send().await.ok()?.item;
    let mut value: TrackCounters = match held {
        Some(item) => serde_dynamo::from_attribute_value(item["value"].clone()).unwrap(),
        None => TrackCounters::default(),
    };
    let fact = client.get_item().table_name("Events").key("pk", text(pk)).key("sk", text(sk)).consistent_read(true);
    if let Some(fact) = fact.send().await.ok()?.item {
        value.merge(&TrackCounters::fold(vec![recorded(fact)]));
    } else if removed {
        value.plays = value.plays.saturating_sub(1);
    }
    put(client, bucket_key(pk, sk), "any".to_owned(), &value, &[]).send().await.ok().map(|_| ())
}

fn recorded(item: Item) -> Recorded<<TrackCounters as Fold>::Fact> {
    let (_, at, id) = keys::parse_fact(item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap()).unwrap();
    Recorded { at, id, fact: serde_dynamo::from_item(expand(item)).unwrap() }
}

fn put(
    client: &Client,
    key: Item,
    version: String,
    value: &TrackCounters,
    facts: &[String],
) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
    let mut item = key;
    item.insert("version".to_owned(), text(version));
    item.insert("asOf".to_owned(), text("2026-01-31T12:00:00.000Z"));
    item.insert("facts".to_owned(), AttributeValue::N("1".to_owned()));
    item.insert("from".to_owned(), text(facts.join("|")));
    item.insert("value".to_owned(), serde_dynamo::to_attribute_value(value).unwrap());
    client.put_item().table_name("Stats").set_item(Some(item))
}

/// Folds a bucket once: whether it is settled, or nothing if a call failed.
async fn fold(client: &Client, boot: &FunctionContext, rules: Rules, hour: &str, minute: &str) -> Option<bool> {
    let (held, facts) = match rules.order {
        Order::VersionFirst => {
            let held = held(client, hour, minute).await?;
            (held, facts(client, hour, minute).await?)
        }
        Order::FactsFirst => {
            let facts = facts(client, hour, minute).await?;
            (held(client, hour, minute).await?, facts)
        }
    };
    let digest: Vec<String> = facts.iter().map(digest).collect();
    let is_empty = facts.is_empty();
    let value = TrackCounters::fold(facts.into_iter().map(recorded).collect());
    let version = held.as_ref().map(|held| held["version"].as_s().unwrap().clone());
    if let Some(held) = &held {
        let same = match rules.skip {
            Skip::Never => false,
            Skip::SameValue => {
                serde_dynamo::from_attribute_value::<_, TrackCounters>(held["value"].clone()).unwrap() == value
            }
            Skip::SameFacts => held["from"].as_s().unwrap() == &digest.join("|"),
        };
        if same {
            return Some(true);
        }
    }
    let key = bucket_key(hour, minute);
    if is_empty && rules.empty == EmptyBucket::Deleted {
        let Some(version) = version else { return Some(true) };
        let delete = client.delete_item().table_name("Stats").set_key(Some(key));
        let delete = delete.condition_expression("version = :v").expression_attribute_values(":v", text(version));
        return written(delete.send().await.map(|_| ()));
    }
    let next = match (rules.version, &version) {
        (Version::Fresh, _) => boot.ids.fresh(),
        (Version::Restarts, held) => held.as_ref().map_or(1, |held| held.parse::<u64>().unwrap() + 1).to_string(),
    };
    let put = put(client, key, next, &value, &digest);
    let put = match version {
        Some(version) => put.condition_expression("version = :v").expression_attribute_values(":v", text(version)),
        None => put.condition_expression("attribute_not_exists(pk)"),
    };
    written(put.send().await.map(|_| ()))
}

/// A fact's key and contents, without when it expires.
fn digest(fact: &Item) -> String {
    let mut attributes: Vec<String> =
        fact.iter().filter(|(name, _)| *name != "ttl").map(|(name, value)| format!("{name}={value:?}")).collect();
    attributes.sort();
    attributes.join(",")
}

fn written<E: aws_sdk_dynamodb::error::ProvideErrorMetadata>(result: Result<(), E>) -> Option<bool> {
    match result {
        Ok(()) => Some(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Some(false),
        Err(_) => None,
    }
}

async fn held(client: &Client, hour: &str, minute: &str) -> Option<Option<Item>> {
    let read = client.get_item().table_name("Stats").consistent_read(true).set_key(Some(bucket_key(hour, minute)));
    Some(read.send().await.ok()?.item)
}

async fn facts(client: &Client, hour: &str, minute: &str) -> Option<Vec<Item>> {
    let query = client.query().table_name("Events").consistent_read(true);
    let query = query.key_condition_expression("pk = :h AND begins_with(sk, :m)");
    let query = query.expression_attribute_values(":h", text(hour)).expression_attribute_values(":m", text(minute));
    query.send().await.ok()?.items
}
