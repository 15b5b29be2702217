//! `cargo dev tables` and `cargo dev table`: a look into the tables.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::cloud::{Ready, kept_database};
use crate::dynamodb::Database;
use crate::wire::ClientOptions;

/// What to print, and from which state folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) which: Which,
    pub(super) state: Option<PathBuf>,
}

/// What to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The tables.
    All,
    /// Items of one.
    One {
        name: String,
        /// Those of this partition.
        key: Option<String>,
        /// Those whose key contains this.
        text: Option<String>,
        limit: usize,
    },
}

impl Which {
    /// Prints it.
    pub(super) async fn print(&self, folder: &Path, out: &mut impl Write) -> anyhow::Result<()> {
        let source = Source::of(folder)?;
        match self {
            Self::All => {
                for table in source.tables().await? {
                    let size = source.describe(&table).await?;
                    writeln!(out, "{table:<32} {size:>9} items")?;
                }
                Ok(())
            }
            Self::One { name, key, text, limit } => {
                let table = source.table(name).await?;
                source.print(&table, key.as_deref(), text.as_deref(), *limit, out).await
            }
        }
    }
}

/// The source of the tables: a running cloud, or a stored database.
enum Source {
    Running(String, Box<Client<HttpConnector, Full<bytes::Bytes>>>),
    Kept(Database),
}

impl Source {
    fn of(folder: &Path) -> anyhow::Result<Self> {
        if let Some(ready) = Ready::of_running(folder)? {
            let client = Client::builder(TokioExecutor::new()).build_http();
            return Ok(Self::Running(ready.summary.dynamodb_url, Box::new(client)));
        }
        let kept = kept_database(folder)?.with_context(|| {
            format!("no local cloud runs and {} has no state; start one with `cargo dev`", folder.display())
        })?;
        Ok(Self::Kept(kept))
    }

    async fn call(&self, operation: &str, request: &Value) -> anyhow::Result<Value> {
        let body = match self {
            Self::Kept(database) => database.call(operation, &request.to_string(), &ClientOptions::default()).body,
            Self::Running(url, client) => {
                let request = Request::post(url)
                    .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
                    .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
                    .body(Full::from(request.to_string()))?;
                let answer = client.request(request).await.with_context(|| format!("{url} does not answer"))?;
                String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?
            }
        };
        let answer: Value = serde_json::from_str(&body)?;
        match answer.get("__type") {
            Some(kind) => bail!("{operation}: {kind}: {}", answer.get("message").unwrap_or(&Value::Null)),
            None => Ok(answer),
        }
    }

    async fn tables(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.call("ListTables", &json!({})).await?;
        let names = answer.get("TableNames").and_then(Value::as_array).into_iter().flatten();
        Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The number of items of a table, by a count of all of them.
    async fn describe(&self, table: &str) -> anyhow::Result<u64> {
        let mut count = 0;
        let mut request = json!({"TableName": table, "Select": "COUNT"});
        loop {
            let mut page = self.call("Scan", &request).await?;
            count += page.get("Count").and_then(Value::as_u64).unwrap_or_default();
            if !go_on(&mut request, &mut page) {
                return Ok(count);
            }
        }
    }

    /// The table of a name. The stack prefix and the suffix "Table" are optional.
    async fn table(&self, name: &str) -> anyhow::Result<String> {
        let tables = self.tables().await?;
        let short = |table: &str| {
            let table = table.rsplit('-').next().unwrap_or(table);
            table.strip_suffix("Table").unwrap_or(table).to_ascii_lowercase()
        };
        let found = tables.iter().find(|table| *table == name || short(table) == short(name));
        found.cloned().with_context(|| format!("there is no table {name}; there are {}", tables.join(", ")))
    }

    async fn print(
        &self,
        table: &str,
        key: Option<&str>,
        text: Option<&str>,
        limit: usize,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let mut request = json!({"TableName": table});
        if let Some(key) = key {
            set(&mut request, "KeyConditionExpression", json!("pk = :pk"));
            set(&mut request, "ExpressionAttributeValues", json!({":pk": {"S": key}}));
        }
        // DynamoDB cannot filter by keys.
        let is_meant = |item: &&Value| text.is_none_or(|text| key_texts(item).any(|key| key.contains(text)));
        let operation = if key.is_some() { "Query" } else { "Scan" };
        let mut left = limit;
        loop {
            let mut page = self.call(operation, &request).await?;
            for item in page.get("Items").and_then(Value::as_array).into_iter().flatten().filter(is_meant).take(left) {
                left -= 1;
                writeln!(out, "{}", plain_item(item))?;
            }
            if left == 0 || !go_on(&mut request, &mut page) {
                return Ok(());
            }
        }
    }
}

/// The parts of an item's key.
fn key_texts(item: &Value) -> impl Iterator<Item = &str> {
    ["pk", "sk"].into_iter().filter_map(|name| item.get(name)?.get("S")?.as_str())
}

/// Continues with the next page and returns whether there is one.
fn go_on(request: &mut Value, page: &mut Value) -> bool {
    match page.get_mut("LastEvaluatedKey").map(Value::take) {
        Some(key) if key.is_object() => {
            set(request, "ExclusiveStartKey", key);
            true
        }
        _ => false,
    }
}

fn set(request: &mut Value, name: &str, value: Value) {
    if let Some(request) = request.as_object_mut() {
        request.insert(name.to_owned(), value);
    }
}

/// An item without the types that DynamoDB writes beside its values; its key comes first.
fn plain_item(item: &Value) -> String {
    let attributes: BTreeMap<&String, Value> =
        item.as_object().into_iter().flatten().map(|(name, value)| (name, plain(value))).collect();
    let (keys, others): (Vec<_>, Vec<_>) =
        attributes.into_iter().partition(|(name, _)| ["pk", "sk"].contains(&name.as_str()));
    let fields = keys.into_iter().chain(others).map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// A value without its type: numbers as they are stored, sets as arrays, bytes in Base64.
fn plain(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return value.clone() };
    let number = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        // A number that JSON would write differently stays text.
        let number = serde_json::from_str::<Value>(text).ok();
        number
            .map(|number| (number.to_string(), number))
            .filter(|(written, _)| written == text)
            .map_or_else(|| value.clone(), |(_, number)| number)
    };
    match (kind.as_str(), value) {
        ("N", value) => number(value),
        ("NS", Value::Array(numbers)) => numbers.iter().map(number).collect(),
        ("NULL", _) => Value::Null,
        ("L", Value::Array(values)) => values.iter().map(plain).collect(),
        ("M", Value::Object(fields)) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{LocalCloud, Options};

    fn one(name: &str, key: Option<&str>, text: Option<&str>, limit: usize) -> Which {
        let [key, text] = [key, text].map(|text| text.map(str::to_owned));
        Which::One { name: name.to_owned(), key, text, limit }
    }

    async fn printed(which: &Which, folder: &Path) -> anyhow::Result<Vec<String>> {
        let mut out = Vec::new();
        which.print(folder, &mut out).await?;
        Ok(String::from_utf8(out)?.lines().map(str::to_owned).collect())
    }

    #[tokio::test]
    async fn prints_tables_of_running_and_stopped_clouds() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(printed(&Which::All, folder).await.unwrap_err().to_string().starts_with("no local cloud runs"));
        let options = Options { state: Some(folder.to_owned()), schedules: false, ..Options::of_workspace() };
        let cloud = LocalCloud::start(options).await.unwrap();
        for (pk, sk, n) in [("A#1", "T", "1"), ("A#1", "U", "2.50"), ("B#1", "T", "3")] {
            let item =
                json!({"pk": {"S": pk}, "sk": {"S": sk}, "a": {"M": {"n": {"N": n}, "l": {"L": [{"NULL": true}]}}}});
            let put = json!({"TableName": "tally-OutboxTable", "Item": item}).to_string();
            assert!(cloud.database().call("PutItem", &put, &ClientOptions::default()).is_ok());
        }
        let mut cloud = Some(cloud);
        for _ in ["running", "kept"] {
            let tables = printed(&Which::All, folder).await.unwrap();
            let outbox = tables.iter().find(|table| table.starts_with("tally-OutboxTable ")).unwrap();
            assert!(outbox.ends_with(" 3 items"), "{outbox}");
            assert_eq!(tables.len(), 6);
            for name in ["outbox", "OutboxTable", "tally-OutboxTable"] {
                assert_eq!(printed(&one(name, None, None, 9), folder).await.unwrap().len(), 3, "{name}");
            }
            let items = printed(&one("Outbox", Some("A#1"), None, 9), folder).await.unwrap();
            assert_eq!(items[0], r#"{"pk":"A#1","sk":"T","a":{"l":[null],"n":1}}"#);
            assert!(items[1].contains(r#""n":"2.5"#) || items[1].contains(r#""n":2.5"#), "{}", items[1]);
            assert_eq!(printed(&one("Outbox", Some("A#1"), Some("U"), 9), folder).await.unwrap().len(), 1);
            assert_eq!(printed(&one("Outbox", None, Some("B#"), 9), folder).await.unwrap().len(), 1);
            assert_eq!(printed(&one("Outbox", None, None, 2), folder).await.unwrap().len(), 2);
            let unknown = printed(&one("Nope", None, None, 2), folder).await.unwrap_err().to_string();
            assert!(unknown.contains("tally-OutboxTable"), "{unknown}");
            if let Some(cloud) = cloud.take() {
                cloud.stop().await;
            }
        }
    }
}
