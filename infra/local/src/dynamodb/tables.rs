//! Makes the tables that the template declares.

use std::sync::PoisonError;

use dynoxide::actions::create_table;
use dynoxide::types::{
    self, AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex, ProjectionType,
    ScalarAttributeType,
};
use futures::FutureExt;
use rusqlite::OptionalExtension;

use super::store::{Database, DatabaseError};
use super::{AttributeKind, IndexConfig, KeySchema, Projection, TableConfig};

impl Database {
    /// Makes the tables that are not there yet, and checks that the others are as declared.
    ///
    /// Streams store both images, whatever their declared view is: a write that changed nothing can be detected only with
    /// both. Readers see the declared view.
    ///
    /// # Errors
    /// SQLite's and DynamoDB's, and that a stored table has another key or other indexes.
    pub fn create_tables(&self, tables: &[TableConfig]) -> Result<(), DatabaseError> {
        for table in tables {
            self.create_table(table)?;
            let mut configs = self.configs().write().unwrap_or_else(PoisonError::into_inner);
            configs.insert(table.name.clone(), table.clone());
        }
        Ok(())
    }

    fn create_table(&self, table: &TableConfig) -> Result<(), DatabaseError> {
        let storage = self.lock();
        let declared = definition(table);
        let stored: Option<String> = storage
            .conn()
            .query_row("SELECT definition FROM _local_tables WHERE name = ?1", [&table.name], |row| row.get(0))
            .optional()?;
        match stored {
            Some(stored) if stored != declared => {
                return Err(DatabaseError::TableDiffers { table: table.name.clone(), stored, declared });
            }
            Some(_) => {}
            // Written first: a kill in between leaves a definition without a table, which is then made.
            None => {
                let row = (&table.name, &declared);
                storage.conn().execute("INSERT INTO _local_tables (name, definition) VALUES (?1, ?2)", row)?;
            }
        }
        if !storage.table_exists(&table.name)? {
            ready(create_table::execute(&*storage, request(table)))?;
        }
        if table.stream_view.is_some() {
            let label = table.stream_arn().rsplit("/stream/").next().unwrap_or_default().to_owned();
            storage.enable_stream(&table.name, "NEW_AND_OLD_IMAGES", &label)?;
        } else {
            storage.disable_stream(&table.name)?;
        }
        storage.update_ttl_config(&table.name, table.ttl_attribute.as_deref(), table.ttl_attribute.is_some())?;
        Ok(())
    }
}

/// What may not change of a table that holds items.
fn definition(table: &TableConfig) -> String {
    let key = |key: &KeySchema| match &key.range {
        Some(range) => format!("{}+{range}", key.hash),
        None => key.hash.clone(),
    };
    let mut kinds: Vec<String> =
        table.attributes.iter().map(|attribute| format!("{} {}", attribute.name, attribute.kind.as_str())).collect();
    kinds.sort();
    let mut text = format!("key {} ({})", key(&table.key_schema), kinds.join(", "));
    for (kind, indexes) in [("index", &table.gsis), ("local index", &table.lsis)] {
        let mut indexes: Vec<&IndexConfig> = indexes.iter().collect();
        indexes.sort_by(|a, b| a.name.cmp(&b.name));
        for index in indexes {
            let projection = match &index.projection {
                Projection::All => "all".to_owned(),
                Projection::KeysOnly => "keys".to_owned(),
                Projection::Include(names) => format!("keys and {}", names.join(", ")),
            };
            text.push_str(&format!("; {kind} {} of {} with {projection}", index.name, key(&index.key_schema)));
        }
    }
    text
}

fn request(table: &TableConfig) -> create_table::CreateTableRequest {
    let attribute = |attribute: &super::Attribute| AttributeDefinition {
        attribute_name: attribute.name.clone(),
        attribute_type: match attribute.kind {
            AttributeKind::String => ScalarAttributeType::S,
            AttributeKind::Number => ScalarAttributeType::N,
            AttributeKind::Binary => ScalarAttributeType::B,
        },
    };
    let global = |index: &IndexConfig| GlobalSecondaryIndex {
        index_name: index.name.clone(),
        key_schema: keys(&index.key_schema),
        projection: projection(&index.projection),
        ..GlobalSecondaryIndex::default()
    };
    let local = |index: &IndexConfig| LocalSecondaryIndex {
        index_name: index.name.clone(),
        key_schema: keys(&index.key_schema),
        projection: projection(&index.projection),
    };
    create_table::CreateTableRequest {
        table_name: table.name.clone(),
        key_schema: keys(&table.key_schema),
        attribute_definitions: table.attributes.iter().map(attribute).collect(),
        global_secondary_indexes: (!table.gsis.is_empty()).then(|| table.gsis.iter().map(global).collect()),
        local_secondary_indexes: (!table.lsis.is_empty()).then(|| table.lsis.iter().map(local).collect()),
        billing_mode: Some("PAY_PER_REQUEST".to_owned()),
        ..create_table::CreateTableRequest::default()
    }
}

fn keys(schema: &KeySchema) -> Vec<KeySchemaElement> {
    let element = |name: &String, key_type| KeySchemaElement { attribute_name: name.clone(), key_type };
    let range = schema.range.iter().map(|name| element(name, KeyType::RANGE));
    std::iter::once(element(&schema.hash, KeyType::HASH)).chain(range).collect()
}

fn projection(projection: &Projection) -> types::Projection {
    let (projection_type, non_key_attributes) = match projection {
        Projection::All => (ProjectionType::ALL, None),
        Projection::KeysOnly => (ProjectionType::KEYS_ONLY, None),
        Projection::Include(names) => (ProjectionType::INCLUDE, Some(names.clone())),
    };
    types::Projection { projection_type: Some(projection_type), non_key_attributes }
}

/// Runs an operation of the engine, whose futures never wait.
fn ready<T>(operation: impl Future<Output = dynoxide::Result<T>>) -> Result<T, DatabaseError> {
    let waited = || dynoxide::DynoxideError::InternalServerError("the engine waited for something".to_owned());
    Ok(operation.now_or_never().unwrap_or_else(|| Err(waited()))?)
}
