//! Intrinsic functions, resolved to plain values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::Names;
use super::refusal::{Refusal, at};
use super::scalar::text_of;

/// How deep conditions may refer to each other; deeper is a circle.
const DEEPEST: usize = 32;

/// What intrinsic functions may refer to.
pub(super) struct Scope {
    /// Parameters and pseudo parameters.
    pub(super) values: BTreeMap<String, Value>,
    /// The template's mappings.
    pub(super) mappings: Map<String, Value>,
    /// The template's conditions.
    pub(super) conditions: Map<String, Value>,
    /// Names and attributes of resources.
    pub(super) names: Names,
}

impl Scope {
    /// Resolves a value; none where it is `AWS::NoValue`.
    pub(super) fn resolve(&self, place: &str, value: &Value) -> Result<Option<Value>, Refusal> {
        match value {
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    resolved.extend(self.resolve(&at(place, index), item)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(map) => match single(map) {
                Some(("Ref", argument)) => self.reference(place, argument),
                Some((name, argument)) if name.starts_with("Fn::") => self.intrinsic(&at(place, name), name, argument),
                _ => {
                    let mut resolved = Map::new();
                    for (key, value) in map {
                        if key.starts_with("Fn::") {
                            return Refusal::err(at(place, key), "an intrinsic function must be the only key");
                        }
                        if let Some(value) = self.resolve(&at(place, key), value)? {
                            resolved.insert(key.clone(), value);
                        }
                    }
                    Ok(Some(Value::Object(resolved)))
                }
            },
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// Whether one of the template's conditions holds.
    pub(super) fn condition(&self, place: &str, name: &str) -> Result<bool, Refusal> {
        self.named_condition(place, name, 0)
    }

    fn named_condition(&self, place: &str, name: &str, depth: usize) -> Result<bool, Refusal> {
        if depth > DEEPEST {
            return Refusal::err(place, format_args!("the condition {name:?} refers to itself"));
        }
        match self.conditions.get(name) {
            Some(condition) => self.holds_at(&at("Conditions", name), condition, depth + 1),
            None => Refusal::err(place, format_args!("there is no condition {name:?}")),
        }
    }

    /// Whether a condition holds that has no name.
    pub(super) fn holds(&self, place: &str, condition: &Value) -> Result<bool, Refusal> {
        self.holds_at(place, condition, 0)
    }

    fn holds_at(&self, place: &str, condition: &Value, depth: usize) -> Result<bool, Refusal> {
        let Some((name, argument)) = condition.as_object().and_then(single) else {
            return Refusal::err(place, "is not a condition");
        };
        let place = at(place, name);
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, items) {
            ("Condition", _) if argument.is_string() => {
                self.named_condition(&place, argument.as_str().unwrap_or_default(), depth)
            }
            ("Fn::Equals", [left, right]) => {
                let text = |value| Ok(self.resolve(&place, value)?.as_ref().map(comparable));
                Ok(text(left)? == text(right)?)
            }
            ("Fn::Contains", [list, wanted]) => {
                let wanted = self.resolve(&place, wanted)?.as_ref().map(comparable);
                Ok(self.list(&place, list)?.iter().any(|item| Some(comparable(item)) == wanted))
            }
            ("Fn::Not", [item]) => Ok(!self.holds_at(&place, item, depth)?),
            ("Fn::And", items) if !items.is_empty() => {
                items.iter().try_fold(true, |all, item| Ok(all & self.holds_at(&place, item, depth)?))
            }
            ("Fn::Or", items) if !items.is_empty() => {
                items.iter().try_fold(false, |any, item| Ok(any | self.holds_at(&place, item, depth)?))
            }
            _ => Refusal::err(place, "is not a known condition"),
        }
    }

    fn reference(&self, place: &str, argument: &Value) -> Result<Option<Value>, Refusal> {
        let place = at(place, "Ref");
        let Some(name) = argument.as_str() else { return Refusal::err(place, "is not a name") };
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        self.named(&place, name).map(Some)
    }

    fn named(&self, place: &str, name: &str) -> Result<Value, Refusal> {
        match self.values.get(name) {
            Some(value) => Ok(value.clone()),
            None => self.names.reference(place, name).map(Value::from),
        }
    }

    fn text(&self, place: &str, value: &Value) -> Result<String, Refusal> {
        let resolved = self.resolve(place, value)?;
        resolved.as_ref().and_then(text_of).ok_or_else(|| Refusal::new(place, "is not text"))
    }

    fn list(&self, place: &str, value: &Value) -> Result<Vec<Value>, Refusal> {
        match self.resolve(place, value)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Refusal::err(place, "is not a list"),
        }
    }

    fn intrinsic(&self, place: &str, name: &str, argument: &Value) -> Result<Option<Value>, Refusal> {
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let value = match (name, items) {
            ("Fn::If", [condition, yes, no]) => {
                let Some(condition) = condition.as_str() else {
                    return Refusal::err(place, "names no condition");
                };
                let chosen = if self.condition(place, condition)? { yes } else { no };
                return self.resolve(place, chosen);
            }
            ("Fn::GetAtt", [Value::String(resource), attribute]) => {
                Value::from(self.names.attribute(place, resource, &self.text(place, attribute)?)?)
            }
            ("Fn::Sub", []) => self.substitute(place, &self.text(place, argument)?, &Map::new())?,
            ("Fn::Sub", [Value::String(text), Value::Object(own)]) => self.substitute(place, text, own)?,
            ("Fn::Join", [separator, items]) => {
                let separator = self.text(place, separator)?;
                let items: Option<Vec<String>> = self.list(place, items)?.iter().map(text_of).collect();
                let Some(items) = items else { return Refusal::err(place, "joins something that is not text") };
                Value::from(items.join(&separator))
            }
            ("Fn::Split", [separator, text]) => {
                let separator = self.text(place, separator)?;
                Value::from(self.text(place, text)?.split(&separator).map(Value::from).collect::<Vec<_>>())
            }
            ("Fn::Select", [index, items]) => {
                let index = self.text(place, index)?.parse::<usize>().ok();
                match index.and_then(|index| self.list(place, items).map(|items| items.get(index).cloned()).transpose())
                {
                    Some(item) => item?,
                    None => return Refusal::err(place, "selects something that is not in the list"),
                }
            }
            ("Fn::FindInMap", [map, first, second]) => {
                let map = self.text(place, map)?;
                let path = [self.text(place, first)?, self.text(place, second)?];
                let found = self.mappings.get(&map);
                match path.iter().fold(found, |found, key| found.and_then(|found| found.get(key))) {
                    Some(value) => value.clone(),
                    None => return Refusal::err(place, format_args!("{map} has no {}", path.join("."))),
                }
            }
            _ => return Refusal::err(place, "is not a known intrinsic function, or has other arguments"),
        };
        Ok(Some(value))
    }

    fn substitute(&self, place: &str, text: &str, own: &Map<String, Value>) -> Result<Value, Refusal> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                return Refusal::err(place, "has a ${ without its }");
            };
            match name.strip_prefix('!') {
                Some(literal) => result.push_str(&format!("${{{literal}}}")),
                None => {
                    let value = match (own.get(name), name.split_once('.')) {
                        (Some(value), _) => Value::from(self.text(place, value)?),
                        (None, Some((resource, attribute))) => {
                            Value::from(self.names.attribute(place, resource, attribute)?)
                        }
                        (None, None) => self.named(place, name)?,
                    };
                    let Some(value) = text_of(&value) else {
                        return Refusal::err(place, format_args!("{name} is not text"));
                    };
                    result.push_str(&value);
                }
            }
            rest = behind;
        }
        result.push_str(rest);
        Ok(Value::from(result))
    }
}

fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Some((key.as_str(), value)),
        _ => None,
    }
}

fn comparable(value: &Value) -> String {
    text_of(value).unwrap_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let object = |value: Value| value.as_object().cloned().unwrap();
        Scope {
            values: BTreeMap::from([
                ("Name".to_owned(), json!("n")),
                ("List".to_owned(), json!(["a", "b"])),
                ("Days".to_owned(), json!(90)),
                ("AWS::Region".to_owned(), json!("here")),
            ]),
            mappings: object(json!({"Sizes": {"small": {"memory": 128}}})),
            conditions: object(json!({
                "Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
                "Both": {"Fn::And": [{"Condition": "Named"}, {"Fn::Equals": [{"Ref": "Days"}, "90"]}]},
                "Neither": {"Fn::Not": [{"Fn::Or": [{"Condition": "Named"}, {"Condition": "Both"}]}]},
                "Among": {"Fn::Contains": [{"Ref": "List"}, "b"]},
                "NotAmong": {"Fn::Not": [{"Fn::Contains": [{"Ref": "List"}, {"Ref": "Name"}]}]},
                "Circle": {"Condition": "Circle"},
            })),
            names: Names::default(),
        }
    }

    fn resolved(value: Value) -> Value {
        scope().resolve("P", &value).unwrap().unwrap()
    }

    fn refused(value: Value) -> String {
        scope().resolve("P", &value).unwrap_err().to_string()
    }

    #[test]
    fn every_function_resolves() {
        assert_eq!(resolved(json!({"Ref": "List"})), json!(["a", "b"]));
        assert_eq!(resolved(json!({"Fn::Join": [",", {"Ref": "List"}]})), json!("a,b"));
        assert_eq!(resolved(json!({"Fn::Sub": "${Name}-${AWS::Region}-${!Name}-${Days}"})), json!("n-here-${Name}-90"));
        assert_eq!(resolved(json!({"Fn::Sub": ["${Own}/${Name}", {"Own": {"Ref": "Days"}}]})), json!("90/n"));
        assert_eq!(resolved(json!({"Fn::Select": [1, {"Ref": "List"}]})), json!("b"));
        assert_eq!(resolved(json!({"Fn::Select": ["0", {"Fn::Split": ["-", "x-y"]}]})), json!("x"));
        assert_eq!(resolved(json!({"Fn::FindInMap": ["Sizes", "small", "memory"]})), json!(128));
        assert_eq!(resolved(json!({"Fn::If": ["Both", "yes", "no"]})), json!("yes"));
        assert_eq!(resolved(json!({"Fn::If": ["Neither", "yes", "no"]})), json!("no"));
        assert_eq!(resolved(json!({"Fn::If": ["Among", "yes", "no"]})), json!("yes"));
        assert_eq!(resolved(json!({"Fn::If": ["NotAmong", "yes", "no"]})), json!("yes"));
    }

    #[test]
    fn no_value_removes_its_property() {
        let absent = json!({"Fn::If": ["Neither", "yes", {"Ref": "AWS::NoValue"}]});
        assert_eq!(resolved(json!({"A": absent, "B": [absent, 1]})), json!({"B": [1]}));
    }

    #[test]
    fn rejects_unknown_parts_with_their_path() {
        assert_eq!(refused(json!({"A": {"Ref": "Nobody"}})), "P.A.Ref: there is no resource or parameter \"Nobody\"");
        assert!(refused(json!({"A": [{"Fn::GetAZs": ""}]})).starts_with("P.A.0.Fn::GetAZs: is not a known"));
        assert!(refused(json!({"Fn::If": ["Nothing", 1, 2]})).contains("there is no condition \"Nothing\""));
        assert!(refused(json!({"Fn::If": ["Circle", 1, 2]})).contains("refers to itself"));
        assert!(refused(json!({"Fn::Sub": "${Nobody.Arn}"})).starts_with("P.Fn::Sub: "));
        assert!(refused(json!({"Fn::Join": [",", "a"], "B": 1})).contains("must be the only key"));
        assert!(refused(json!({"Fn::Select": [2, {"Ref": "List"}]})).contains("not in the list"));
    }
}
