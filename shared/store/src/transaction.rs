//! Transactions: several items written together, each on a condition of its own, or none of them.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::error::{self, StoreError};
use super::items::{Item, VERSION, to_key};
use super::keys::{self, Key};

/// A condition that an item is still as it was read; by default, none.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) expression: Option<&'static str>,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<Item>,
}

impl Condition {
    /// That a number of the item is below this, or not there; and that the item is of this version, if one is given.
    pub(super) fn below(name: &str, limit: u64, version: Option<String>) -> Self {
        let mut names = HashMap::from([("#below".to_owned(), name.to_owned())]);
        let mut values = Item::from([(":limit".to_owned(), AttributeValue::N(limit.to_string()))]);
        let expression = match version {
            Some(version) => {
                names.insert("#version".to_owned(), VERSION.to_owned());
                values.insert(":held".to_owned(), AttributeValue::S(version));
                "#version = :held AND (attribute_not_exists(#below) OR #below < :limit)"
            }
            None => "attribute_not_exists(#below) OR #below < :limit",
        };
        Self { expression: Some(expression), names: Some(names), values: Some(values) }
    }

    /// That the item is there, and this attribute is not.
    pub(super) fn absent(name: &str) -> Self {
        let names = [("#pk", keys::PK), ("#absent", name)].map(|(alias, name)| (alias.to_owned(), name.to_owned()));
        Self {
            expression: Some("attribute_exists(#pk) AND attribute_not_exists(#absent)"),
            names: Some(names.into()),
            values: None,
        }
    }

    /// Still of this version; `None`: still not there.
    pub(super) fn unchanged(version: Option<String>) -> Self {
        match version {
            Some(version) => Self {
                expression: Some("#version = :held"),
                names: Some([("#version".to_owned(), VERSION.to_owned())].into()),
                values: Some([(":held".to_owned(), AttributeValue::S(version))].into()),
            },
            None => Self {
                expression: Some("attribute_not_exists(#pk)"),
                names: Some([("#pk".to_owned(), keys::PK.to_owned())].into()),
                values: None,
            },
        }
    }
}

/// Changes of an item in place: attributes to set, and numbers to add to.
#[derive(Debug, Default)]
pub(super) struct Changes {
    sets: Vec<String>,
    adds: Vec<String>,
    names: HashMap<String, String>,
    values: Item,
}

impl Changes {
    fn named(&mut self, name: &str, value: AttributeValue) -> (String, String) {
        let number = self.values.len();
        let (alias, place) = (format!("#c{number}"), format!(":c{number}"));
        self.names.insert(alias.clone(), name.to_owned());
        self.values.insert(place.clone(), value);
        (alias, place)
    }

    /// An attribute gets this value.
    pub(super) fn set(&mut self, name: &str, value: AttributeValue) {
        let (alias, place) = self.named(name, value);
        self.sets.push(format!("{alias} = {place}"));
    }

    /// An attribute gets this value unless it has one.
    pub(super) fn set_if_absent(&mut self, name: &str, value: AttributeValue) {
        let (alias, place) = self.named(name, value);
        self.sets.push(format!("{alias} = if_not_exists({alias}, {place})"));
    }

    /// A number grows by this; one that is not there is 0.
    pub(super) fn add(&mut self, name: &str, by: i64) {
        let (alias, place) = self.named(name, AttributeValue::N(by.to_string()));
        self.adds.push(format!("{alias} {place}"));
    }

    /// The expression, the names and the values.
    pub(super) fn into_parts(self) -> (String, HashMap<String, String>, Item) {
        (self.expression(), self.names, self.values)
    }

    fn expression(&self) -> String {
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        format!("{}{}", clause("SET", &self.sets), clause("ADD", &self.adds)).trim_end().to_owned()
    }
}

/// The writes of one transaction, of at most 100 items
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
pub(super) struct Transaction {
    client: Client,
    actions: Vec<TransactWriteItem>,
}

impl Transaction {
    pub(super) fn new(client: Client) -> Self {
        Self { client, actions: Vec::new() }
    }

    /// Puts an item.
    pub(super) fn put(&mut self, table: &str, item: Item, condition: Option<Condition>) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition.unwrap_or_default();
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(expression.map(str::to_owned))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| StoreError::corrupt(table, error))?;
        self.actions.push(TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// Deletes an item.
    pub(super) fn delete(&mut self, table: &str, key: &Key, condition: Option<Condition>) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition.unwrap_or_default();
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(to_key(key)))
            .set_condition_expression(expression.map(str::to_owned))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| StoreError::corrupt(table, error))?;
        self.actions.push(TransactWriteItem::builder().delete(delete).build());
        Ok(())
    }

    /// Checks a condition of an item that is not written.
    pub(super) fn check(&mut self, table: &str, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition;
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(to_key(key)))
            .condition_expression(expression.unwrap_or_default())
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| StoreError::corrupt(table, error))?;
        self.actions.push(TransactWriteItem::builder().condition_check(check).build());
        Ok(())
    }

    /// Changes an item in place, or makes it.
    pub(super) fn update(
        &mut self,
        table: &str,
        key: &Key,
        changes: Changes,
        condition: Option<Condition>,
    ) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition.unwrap_or_default();
        let (update_expression, mut all_names, mut all_values) = changes.into_parts();
        all_names.extend(names.unwrap_or_default());
        all_values.extend(values.unwrap_or_default());
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(to_key(key)))
            .update_expression(update_expression)
            .set_condition_expression(expression.map(str::to_owned))
            .set_expression_attribute_names(Some(all_names))
            .set_expression_attribute_values(Some(all_values))
            .build()
            .map_err(|error| StoreError::corrupt(table, error))?;
        self.actions.push(TransactWriteItem::builder().update(update).build());
        Ok(())
    }

    /// Writes all of it, or nothing.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        if self.actions.iter().all(|action| action.condition_check().is_some()) {
            return Ok(());
        }
        let transaction = self.client.transact_write_items().set_transact_items(Some(self.actions));
        transaction.send().await.map_err(error::of_transaction)?;
        Ok(())
    }
}
