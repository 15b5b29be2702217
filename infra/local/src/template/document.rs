//! The YAML of a template, with CloudFormation's short tags written out, and SAM's globals merged in.

use serde_json::{Map, Value};

use super::refusal::{Refusal, at};

/// The sections a template may have.
const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
];

/// Parses a template; every intrinsic function is in its long form afterwards.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, Refusal> {
    let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).map_err(|error| Refusal::new("template", error))?;
    let Value::Object(root) = plain("", yaml)? else {
        return Refusal::err("template", "is not a mapping");
    };
    if let Some(unknown) = root.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Refusal::err(unknown, "is not a known section of a template");
    }
    match root.get("Transform") {
        Some(Value::String(transform)) if transform == "AWS::Serverless-2016-10-31" => Ok(root),
        Some(_) => Refusal::err("Transform", "only AWS::Serverless-2016-10-31 is known"),
        None => Refusal::err("Transform", "is missing: AWS::Serverless-2016-10-31 is expected"),
    }
}

/// A section of the template that is a mapping; empty where it is missing.
pub(super) fn section(root: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refusal> {
    match root.remove(name) {
        None => Ok(Map::new()),
        Some(Value::Object(section)) => Ok(section),
        Some(_) => Refusal::err(name, "is not a mapping"),
    }
}

/// Merges `Globals.Function` into the properties of a function as SAM does: mappings are merged, lists
/// are appended to the global ones, anything else of the function's own wins.
pub(super) fn merge_globals(globals: &Value, own: Value) -> Value {
    match (globals, own) {
        (Value::Object(globals), Value::Object(own)) if !is_intrinsic(globals) && !is_intrinsic(&own) => {
            let mut merged = globals.clone();
            for (key, value) in own {
                let value = match merged.get(&key) {
                    Some(global) => merge_globals(global, value),
                    None => value,
                };
                merged.insert(key, value);
            }
            Value::Object(merged)
        }
        (Value::Array(globals), Value::Array(own)) => Value::Array(globals.iter().cloned().chain(own).collect()),
        (_, own) => own,
    }
}

fn is_intrinsic(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}

fn plain(place: &str, yaml: serde_yaml_ng::Value) -> Result<Value, Refusal> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::String(text) => Value::String(text),
        Yaml::Number(number) => serde_json::to_value(&number).map_err(|error| Refusal::new(place, error))?,
        Yaml::Sequence(items) => Value::Array(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| plain(&at(place, index), item))
                .collect::<Result<_, _>>()?,
        ),
        Yaml::Mapping(mapping) => {
            let mut map = Map::new();
            for (key, value) in mapping {
                let Yaml::String(key) = key else {
                    return Refusal::err(place, format_args!("the key {key:?} is not text"));
                };
                let value = plain(&at(place, &key), value)?;
                map.insert(key, value);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let argument = plain(place, tagged.value)?;
            let (name, argument) = match (name, argument) {
                ("Ref" | "Condition", argument) => (name.to_owned(), argument),
                ("GetAtt", Value::String(path)) => ("Fn::GetAtt".to_owned(), get_att(place, &path)?),
                (_, argument) => (format!("Fn::{name}"), argument),
            };
            Value::Object(Map::from_iter([(name, argument)]))
        }
    })
}

fn get_att(place: &str, path: &str) -> Result<Value, Refusal> {
    match path.split_once('.') {
        Some((resource, attribute)) => Ok(Value::from(vec![resource, attribute])),
        None => Refusal::err(place, format_args!("!GetAtt {path} names no attribute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(resources: &str) -> Value {
        let text = format!("Transform: AWS::Serverless-2016-10-31\nResources: {resources}");
        section(&mut parse(&text).unwrap(), "Resources").unwrap().into()
    }

    #[test]
    fn short_tags_become_long_forms() {
        assert_eq!(
            parsed("{A: !Ref B, C: !GetAtt D.E.F, G: !Sub 'x', H: !If [I, [!Ref J], !Ref AWS::NoValue]}"),
            json!({
                "A": {"Ref": "B"},
                "C": {"Fn::GetAtt": ["D", "E.F"]},
                "G": {"Fn::Sub": "x"},
                "H": {"Fn::If": ["I", [{"Ref": "J"}], {"Ref": "AWS::NoValue"}]},
            })
        );
    }

    #[test]
    fn rejects_unknown_sections_and_transforms() {
        let refused = |text: &str| parse(text).unwrap_err().place;
        assert_eq!(refused("Transform: AWS::Serverless-2016-10-31\nStages: {}"), "Stages");
        assert_eq!(refused("Transform: AWS::Include\nResources: {}"), "Transform");
        assert_eq!(refused("Resources: {}"), "Transform");
        assert_eq!(refused("- a"), "template");
        assert_eq!(refused("Transform: AWS::Serverless-2016-10-31\nResources: {A: {}, A: {}}"), "template");
    }

    #[test]
    fn globals_are_merged_as_sam_merges_them() {
        let merged = merge_globals(
            &json!({"Timeout": 10, "Layers": [1], "Environment": {"Variables": {"A": 1, "B": {"Ref": "X"}}}}),
            json!({"Timeout": 20, "Layers": [2], "Environment": {"Variables": {"B": {"Ref": "Y"}, "C": 3}}}),
        );
        assert_eq!(
            merged,
            json!({"Timeout": 20, "Layers": [1, 2], "Environment": {"Variables": {"A": 1, "B": {"Ref": "Y"}, "C": 3}}})
        );
    }
}
