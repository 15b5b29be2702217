//! The database through the SDK, as functions use it.

mod access;
mod bulk;
mod faults;
mod streams;
mod tables;
mod torn;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Attribute, AttributeKind, Database, IndexConfig, KeySchema, Projection, StreamView, TableConfig};
use crate::wire::ClientOptions;

/// A table with both keys, an index, a stream and expiry.
fn table(name: &str, view: Option<StreamView>) -> TableConfig {
    let string = |name: &str| Attribute { name: name.to_owned(), kind: AttributeKind::String };
    TableConfig {
        logical_id: format!("{name}Table"),
        name: name.to_owned(),
        attributes: vec![string("pk"), string("sk"), string("g")],
        key_schema: KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) },
        gsis: vec![IndexConfig {
            name: "byG".to_owned(),
            key_schema: KeySchema { hash: "g".to_owned(), range: Some("sk".to_owned()) },
            projection: Projection::All,
        }],
        lsis: Vec::new(),
        stream_view: view,
        ttl_attribute: Some("ttl".to_owned()),
    }
}

fn database(view: StreamView) -> Database {
    let database = Database::memory().unwrap();
    database.create_tables(&[table("Facts", Some(view)), table("Other", None)]).unwrap();
    database
}

fn client(database: &Database, options: ClientOptions) -> Client {
    Client::new(&database.sdk_config(options))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn put(client: &Client, table: &str, sk: &str, value: i64) {
    let put = client.put_item().table_name(table).item("pk", text("p")).item("sk", text(sk)).item("n", number(value));
    put.send().await.unwrap();
}

async fn count(client: &Client, table: &str) -> i32 {
    client.scan().table_name(table).send().await.unwrap().count()
}
