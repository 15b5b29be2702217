//! The template's parameters: what may be given, and what holds where nothing is given.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::{Refusal, at, read};
use super::scalar::{Flag, Text, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Declaration {
    r#type: Type,
    default: Option<Text>,
    allowed_values: Option<Vec<Text>>,
    min_value: Option<Whole>,
    max_value: Option<Whole>,
    min_length: Option<Whole>,
    max_length: Option<Whole>,
    constraint_description: Option<Text>,
    #[serde(rename = "Description")]
    _description: Option<Text>,
    #[serde(rename = "NoEcho")]
    _no_echo: Option<Flag>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
enum Type {
    String,
    Number,
    CommaDelimitedList,
}

/// The value of every parameter: text, a number, or a list of texts.
pub(super) fn values(
    declared: Map<String, Value>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Refusal> {
    if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Refusal::err("Parameters", format_args!("{unknown:?} is given, but not declared"));
    }
    let mut values = BTreeMap::new();
    for (name, declaration) in declared {
        let place = at("Parameters", &name);
        let declaration: Declaration = read(&place, declaration)?;
        let text = match (given.get(&name), &declaration.default) {
            (Some(given), _) => given.clone(),
            (None, Some(Text(default))) => default.clone(),
            (None, None) => return Refusal::err(place, "has no default, and no value is given"),
        };
        values.insert(name, declaration.value(&place, &text)?);
    }
    Ok(values)
}

impl Declaration {
    fn value(&self, place: &str, text: &str) -> Result<Value, Refusal> {
        let refuse = |problem: String| match &self.constraint_description {
            Some(Text(description)) => Refusal::err(place, format_args!("{problem}: {description}")),
            None => Refusal::err(place, problem),
        };
        let items: Vec<&str> = match self.r#type {
            Type::CommaDelimitedList => text.split(',').map(str::trim).collect(),
            Type::String | Type::Number => vec![text],
        };
        for item in &items {
            if let Some(allowed) = &self.allowed_values
                && !allowed.iter().any(|allowed| allowed.0 == *item)
            {
                return refuse(format!("{item:?} is not one of the allowed values"));
            }
            let length = i64::try_from(item.chars().count()).unwrap_or(i64::MAX);
            if self.min_length.is_some_and(|Whole(least)| length < least)
                || self.max_length.is_some_and(|Whole(most)| length > most)
            {
                return refuse(format!("{length} characters are too few or too many"));
            }
        }
        match self.r#type {
            Type::String => Ok(Value::from(text)),
            Type::CommaDelimitedList => Ok(Value::from(items)),
            Type::Number => {
                let Ok(number) = text.parse::<i64>() else {
                    return refuse(format!("{text:?} is not a whole number"));
                };
                if self.min_value.is_some_and(|Whole(least)| number < least)
                    || self.max_value.is_some_and(|Whole(most)| number > most)
                {
                    return refuse(format!("{number} is out of range"));
                }
                Ok(Value::from(number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(declaration: &Value, given: Option<&str>) -> Result<Value, String> {
        let Value::Object(declared) = json!({"P": declaration}) else { unreachable!() };
        let given = given.map(|given| ("P".to_owned(), given.to_owned())).into_iter().collect();
        values(declared, &given).map(|mut values| values.remove("P").unwrap()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn given_values_override_defaults() {
        assert_eq!(value(&json!({"Type": "String", "Default": ""}), None), Ok(json!("")));
        assert_eq!(value(&json!({"Type": "Number", "Default": 90, "MinValue": 30}), None), Ok(json!(90)));
        assert_eq!(value(&json!({"Type": "Number", "Default": 90}), Some("31")), Ok(json!(31)));
        assert_eq!(value(&json!({"Type": "CommaDelimitedList"}), Some("a, b")), Ok(json!(["a", "b"])));
    }

    #[test]
    fn rejects_values_that_the_declaration_forbids() {
        let refused = |declaration: Value, given| value(&declaration, given).unwrap_err();
        assert!(refused(json!({"Type": "String"}), None).starts_with("Parameters.P: has no default"));
        assert!(refused(json!({"Type": "Number", "MaxValue": 3}), Some("4")).contains("out of range"));
        assert!(refused(json!({"Type": "Number"}), Some("x")).contains("whole number"));
        assert!(refused(json!({"Type": "String", "AllowedValues": ["a"]}), Some("b")).contains("allowed"));
        assert!(refused(json!({"Type": "String", "MinLength": 2}), Some("b")).contains("too few"));
        assert!(refused(json!({"Type": "AWS::SSM::Parameter"}), Some("b")).starts_with("Parameters.P.Type: "));
        assert!(refused(json!({"Type": "String", "Secret": true}), Some("b")).starts_with("Parameters.P.Secret: "));
        let undeclared = values(Map::new(), &BTreeMap::from([("Q".to_owned(), String::new())])).unwrap_err();
        assert!(undeclared.to_string().contains("\"Q\""));
    }
}
