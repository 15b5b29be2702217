//! Filter patterns: which records a function wants.
//!
//! A pattern has the shape of a record, with a list of conditions at each leaf. One of them must match.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// What is wrong with a pattern, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter}, at {place}: {problem}")]
pub struct FilterError {
    /// The filter's number, from 1.
    pub filter: usize,
    /// The path to the condition.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// Patterns. A record must match one of them; without patterns everything matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters(Vec<Node>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Every field matches.
    All(Vec<(String, Node)>),
    /// One of the alternatives matches.
    Any(Vec<Node>),
    /// One of the conditions holds for the value, or one of its elements.
    Leaf(Vec<Condition>),
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    Exists(bool),
    Numeric(Vec<(Comparison, f64)>),
    AnythingBut(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filters {
    /// Reads patterns.
    ///
    /// # Errors
    /// The first condition that the local cloud does not know, so that none is ignored.
    pub fn compile(patterns: &[Value]) -> Result<Self, FilterError> {
        let compile = |(index, pattern): (usize, &Value)| {
            let Value::Object(fields) = pattern else {
                let problem = "a pattern is an object".to_owned();
                return Err(FilterError { filter: index + 1, place: "its root".to_owned(), problem });
            };
            node(fields, "").map_err(|(place, problem)| FilterError { filter: index + 1, place, problem })
        };
        Ok(Self(patterns.iter().enumerate().map(compile).collect::<Result<_, _>>()?))
    }

    /// Whether there is nothing to filter by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record is wanted.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(Some(record)))
    }

    /// A field of the record, other than `allowed`, that a pattern looks at.
    #[must_use]
    pub fn other_than(&self, allowed: &str) -> Option<&str> {
        self.0.iter().find_map(|pattern| pattern.other_than(allowed))
    }

    /// Whether a pattern looks at one of these fields of the record's `outer` field.
    #[must_use]
    pub fn look_at(&self, outer: &str, fields: &[&str]) -> bool {
        let mut found = false;
        for pattern in &self.0 {
            pattern.visit(outer, &mut |inner| found |= inner.names(fields));
        }
        found
    }
}

impl Node {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::All(fields) => {
                fields.iter().all(|(name, node)| match name.as_str() {
                    // Alternatives stand beside the fields, and look at the same object.
                    "$or" => node.matches(value),
                    name => node.matches(value.and_then(|value| value.get(name))),
                })
            }
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(value)),
            Self::Leaf(conditions) => conditions.iter().any(|condition| condition.holds_for(value)),
        }
    }

    /// Shows what is below a field, wherever alternatives hide it.
    fn visit(&self, field: &str, look: &mut impl FnMut(&Self)) {
        match self {
            Self::All(fields) => {
                for (name, node) in fields {
                    match name.as_str() {
                        "$or" => node.visit(field, look),
                        name if name == field => look(node),
                        _ => {}
                    }
                }
            }
            Self::Any(nodes) => nodes.iter().for_each(|node| node.visit(field, look)),
            Self::Leaf(_) => {}
        }
    }

    fn other_than(&self, allowed: &str) -> Option<&str> {
        match self {
            Self::All(fields) => fields.iter().find_map(|(name, node)| match name.as_str() {
                "$or" => node.other_than(allowed),
                name => (name != allowed).then_some(name),
            }),
            Self::Any(nodes) => nodes.iter().find_map(|node| node.other_than(allowed)),
            Self::Leaf(_) => None,
        }
    }

    fn names(&self, wanted: &[&str]) -> bool {
        match self {
            Self::All(fields) => fields
                .iter()
                .any(|(name, node)| wanted.contains(&name.as_str()) || (name == "$or" && node.names(wanted))),
            Self::Any(nodes) => nodes.iter().any(|node| node.names(wanted)),
            Self::Leaf(_) => false,
        }
    }
}

impl Condition {
    fn holds_for(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // Only a value itself exists: what is looked at is a leaf.
            (Self::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
            (_, None) => false,
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.holds(element)),
            (_, Some(value)) => self.holds(value),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        let lower = |text: &str| text.to_lowercase();
        match self {
            Self::Equals(Value::Number(wanted)) => value.as_f64().is_some_and(|number| Some(number) == wanted.as_f64()),
            Self::Equals(wanted) => value == wanted,
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| lower(text) == *wanted),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::PrefixIgnoreCase(prefix) => text.is_some_and(|text| lower(text).starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Self::SuffixIgnoreCase(suffix) => text.is_some_and(|text| lower(text).ends_with(suffix.as_str())),
            Self::Exists(_) => false,
            Self::Numeric(comparisons) => value
                .as_f64()
                // DynamoDB writes its numbers as texts.
                .or_else(|| text?.parse().ok())
                .is_some_and(|number| comparisons.iter().all(|(comparison, than)| comparison.holds(number, *than))),
            Self::AnythingBut(unwanted) => {
                !value.is_object() && !unwanted.iter().any(|condition| condition.holds(value))
            }
        }
    }
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, than: f64) -> bool {
        match self {
            Self::Equal => number == than,
            Self::Less => number < than,
            Self::LessOrEqual => number <= than,
            Self::Greater => number > than,
            Self::GreaterOrEqual => number >= than,
        }
    }
}

/// A place in a pattern, and what is wrong there.
type Problem = (String, String);

fn node(fields: &Map<String, Value>, place: &str) -> Result<Node, Problem> {
    if fields.is_empty() {
        return Err((place.to_owned(), "an empty pattern".to_owned()));
    }
    let mut nodes = Vec::new();
    for (name, value) in fields {
        let inner = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let node = match (name.as_str(), value) {
            ("$or", Value::Array(alternatives)) => {
                let alternative = |alternative: &Value| match alternative {
                    Value::Object(fields) => node(fields, &inner),
                    _ => Err((inner.clone(), "an alternative is an object".to_owned())),
                };
                Node::Any(alternatives.iter().map(alternative).collect::<Result<_, _>>()?)
            }
            (name, _) if name.starts_with('$') => return Err((inner, format!("unknown operator {name}"))),
            (_, Value::Object(fields)) => node(fields, &inner)?,
            (_, Value::Array(conditions)) => {
                Node::Leaf(conditions.iter().map(|value| condition(value, &inner)).collect::<Result<_, _>>()?)
            }
            _ => return Err((inner, "conditions are a list".to_owned())),
        };
        nodes.push((name.clone(), node));
    }
    Ok(Node::All(nodes))
}

fn condition(value: &Value, place: &str) -> Result<Condition, Problem> {
    let problem = |text: String| Err((place.to_owned(), text));
    let operator = match value {
        Value::Object(operator) => operator,
        Value::Array(_) => return problem("a list within a list".to_owned()),
        value => return Ok(Condition::Equals(value.clone())),
    };
    let mut operators = operator.iter();
    let (Some((name, operand)), None) = (operators.next(), operators.next()) else {
        return problem("a condition has one operator".to_owned());
    };
    let ignoring_case = |operand: &Value| {
        let inner = operand.as_object().filter(|inner| inner.len() == 1)?;
        Some(inner.get("equals-ignore-case")?.as_str()?.to_lowercase())
    };
    let known = match (name.as_str(), operand) {
        ("prefix", Value::String(text)) => Some(Condition::Prefix(text.clone())),
        ("prefix", operand) => ignoring_case(operand).map(Condition::PrefixIgnoreCase),
        ("suffix", Value::String(text)) => Some(Condition::Suffix(text.clone())),
        ("suffix", operand) => ignoring_case(operand).map(Condition::SuffixIgnoreCase),
        ("equals-ignore-case", Value::String(text)) => Some(Condition::EqualsIgnoreCase(text.to_lowercase())),
        ("exists", Value::Bool(wanted)) => Some(Condition::Exists(*wanted)),
        ("numeric", Value::Array(parts)) => numeric(parts).map(Condition::Numeric),
        ("anything-but", operand) => Some(Condition::AnythingBut(unwanted(operand, place)?)),
        ("equals-ignore-case" | "exists" | "numeric", _) => None,
        (name, _) => return problem(format!("unknown operator {name}")),
    };
    match known {
        Some(condition) => Ok(condition),
        None => problem(format!("{name} does not take {operand}")),
    }
}

fn numeric(parts: &[Value]) -> Option<Vec<(Comparison, f64)>> {
    let (pairs, rest) = parts.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[comparison, than]| Some((Comparison::parse(comparison.as_str()?)?, than.as_f64()?))).collect()
}

/// What `anything-but` excludes: a value, values, or another condition on texts.
fn unwanted(operand: &Value, place: &str) -> Result<Vec<Condition>, Problem> {
    match operand {
        Value::Array(values) => values.iter().map(|value| condition(value, place)).collect(),
        Value::Object(operator) if operator.contains_key("exists") || operator.contains_key("anything-but") => {
            Err((place.to_owned(), format!("anything-but does not take {operand}")))
        }
        Value::Object(operator) => {
            // Each operator may be given a list of texts here.
            let expand = |(name, operand): (&String, &Value)| match operand {
                Value::Array(texts) if name != "numeric" => {
                    texts.iter().map(|text| condition(&one(name, text), place)).collect::<Result<Vec<_>, _>>()
                }
                operand => Ok(vec![condition(&one(name, operand), place)?]),
            };
            Ok(operator.iter().map(expand).collect::<Result<Vec<_>, _>>()?.concat())
        }
        value => Ok(vec![condition(value, place)?]),
    }
}

fn one(name: &str, operand: &Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), operand.clone())]))
}
