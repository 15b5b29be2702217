//! The resources of a template: which there are, of what kind, and what they are called.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::described::Described;
use super::document::merge_globals;
use super::names::Kind;
use super::refusal::{Refusal, at, read};
use super::resolve::Scope;
use super::scalar::OneOrMany;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Resource {
    r#type: String,
    #[serde(default)]
    properties: Map<String, Value>,
    condition: Option<String>,
    #[serde(rename = "DependsOn")]
    _depends_on: Option<OneOrMany<String>>,
    deletion_policy: Option<String>,
    update_replace_policy: Option<String>,
    metadata: Option<Value>,
}

/// The resources that their conditions let be, by logical id; their properties are not resolved yet.
pub(super) struct Inventory(BTreeMap<String, (Kind, String, Value)>);

/// A resource.
pub(super) struct Found<'a> {
    /// Its logical id.
    pub(super) id: &'a str,
    /// Its kind.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: &'a str,
    /// The place of its properties.
    pub(super) place: String,
    unresolved: &'a Value,
}

impl Found<'_> {
    /// Its properties, resolved.
    pub(super) fn properties(&self, scope: &Scope) -> Result<Value, Refusal> {
        Ok(scope.resolve(&self.place, self.unresolved)?.unwrap_or_default())
    }
}

impl Inventory {
    /// Takes stock of the resources, and makes their names known to the scope.
    pub(super) fn new(
        resources: Map<String, Value>,
        globals: &Value,
        scope: &mut Scope,
        described: &mut Described,
    ) -> Result<Self, Refusal> {
        let mut inventory = BTreeMap::new();
        for (id, resource) in resources {
            let place = at("Resources", &id);
            let resource: Resource = read(&place, resource)?;
            if let Some(condition) = &resource.condition
                && !scope.condition(&at(&place, "Condition"), condition)?
            {
                continue;
            }
            described.note(resource.deletion_policy, "deletion policies");
            described.note(resource.update_replace_policy, "deletion policies");
            described.note(resource.metadata, "metadata");
            let Some(kind) = Kind::of(&resource.r#type) else {
                return Refusal::err(at(&place, "Type"), format_args!("{:?} is not a known resource", resource.r#type));
            };
            let properties = Value::Object(resource.properties);
            let properties = if kind == Kind::Function { merge_globals(globals, properties) } else { properties };
            let name = name(&at(&place, "Properties"), &id, kind, &properties, scope)?;
            inventory.insert(id, (kind, name, properties));
        }
        for (id, (kind, name, _)) in &inventory {
            scope.names.add(id, *kind, name.clone());
        }
        Ok(Self(inventory))
    }

    /// The resources of some kinds, by logical id.
    pub(super) fn of_kind(&self, kinds: &'static [Kind]) -> impl Iterator<Item = Found<'_>> {
        self.0.iter().filter(|(_, (kind, ..))| kinds.contains(kind)).map(|(id, (kind, name, unresolved))| Found {
            id,
            kind: *kind,
            name,
            place: at(&at("Resources", id), "Properties"),
            unresolved,
        })
    }
}

/// A name that the template gives, or one made of the stack's and the logical id.
fn name(place: &str, id: &str, kind: Kind, properties: &Value, scope: &Scope) -> Result<String, Refusal> {
    let given = match properties.get(kind.name_property()) {
        Some(name) => scope.resolve(&at(place, kind.name_property()), name)?,
        None => None,
    };
    match given {
        Some(Value::String(name)) => Ok(name),
        Some(_) => Refusal::err(at(place, kind.name_property()), "is not text"),
        None => {
            let stack = scope.values.get("AWS::StackName").and_then(Value::as_str).unwrap_or_default();
            Ok(format!("{stack}-{id}"))
        }
    }
}
