//! Every condition, and what is refused.

use serde_json::json;

use super::*;

fn matches(pattern: Value, record: &Value) -> bool {
    Filters::compile(&[pattern]).unwrap().matches(record)
}

#[test]
fn every_operator_matches_what_it_names_and_nothing_else() {
    for (condition, matching, other) in [
        (json!("a"), json!("a"), json!("A")),
        (json!(5), json!(5.0), json!("5")),
        (json!(null), json!(null), json!("null")),
        (json!({"prefix": "ab"}), json!("abc"), json!("cab")),
        (json!({"prefix": {"equals-ignore-case": "AB"}}), json!("abc"), json!("cab")),
        (json!({"suffix": "bc"}), json!("abc"), json!("bca")),
        (json!({"suffix": {"equals-ignore-case": "BC"}}), json!("abc"), json!("bca")),
        (json!({"equals-ignore-case": "AbC"}), json!("aBc"), json!("aBcd")),
        (json!({"numeric": [">", 0, "<=", 5]}), json!(5), json!(6)),
        (json!({"numeric": ["=", 3]}), json!("3"), json!("x")),
        (json!({"anything-but": "a"}), json!("b"), json!("a")),
        (json!({"anything-but": ["a", "b"]}), json!("c"), json!("b")),
        (json!({"anything-but": {"prefix": "a"}}), json!("ba"), json!("ab")),
        (json!({"anything-but": {"suffix": ["a", "b"]}}), json!("ac"), json!("cb")),
        (json!({"exists": true}), json!("x"), json!({"deeper": 1})),
        (json!("b"), json!(["a", "b"]), json!(["a", "c"])),
    ] {
        let pattern = json!({"f": [condition]});
        assert!(matches(pattern.clone(), &json!({"f": matching})), "{pattern} {matching}");
        assert!(!matches(pattern.clone(), &json!({"f": other})), "{pattern} {other}");
        assert!(!matches(pattern.clone(), &json!({"g": matching})), "{pattern} without the field");
    }
    assert!(matches(json!({"f": [{"exists": false}]}), &json!({"g": 1})));
    assert!(matches(json!({"f": ["a", {"prefix": "b"}]}), &json!({"f": "bb"})));
}

#[test]
fn a_pattern_needs_all_fields_and_one_of_their_alternatives() {
    let pattern = json!({"a": ["x"], "b": {"c": ["y"]}});
    assert!(matches(pattern.clone(), &json!({"a": "x", "b": {"c": "y"}})));
    assert!(!matches(pattern, &json!({"a": "x", "b": {"c": "z"}})));
    let pattern = json!({"a": ["x"], "$or": [{"b": ["y"]}, {"c": ["z"]}]});
    assert!(matches(pattern.clone(), &json!({"a": "x", "c": "z"})));
    assert!(!matches(pattern, &json!({"a": "x", "c": "y"})));
    let both = Filters::compile(&[json!({"a": ["x"]}), json!({"a": ["y"]})]).unwrap();
    assert!(both.matches(&json!({"a": "y"})) && !both.matches(&json!({"a": "z"})));
    assert!(Filters::compile(&[]).unwrap().matches(&json!({})));
}

#[test]
fn finds_fields_that_a_pattern_must_not_use() {
    let other = |pattern: Value| {
        let filters = Filters::compile(&[json!({"dynamodb": {"a": ["x"]}}), pattern]).unwrap();
        filters.other_than("dynamodb").map(str::to_owned)
    };
    assert_eq!(other(json!({"dynamodb": {"Keys": {"eventName": ["x"]}}})), None);
    assert_eq!(other(json!({"dynamodb": {"a": ["x"]}, "eventName": ["INSERT"]})), Some("eventName".to_owned()));
    assert_eq!(other(json!({"$or": [{"userIdentity": {"type": ["x"]}}]})), Some("userIdentity".to_owned()));
    assert_eq!(other(json!({"$or": [{"dynamodb": {"a": ["x"]}}]})), None);
}

#[test]
fn rejects_unknown_parts_with_their_path() {
    for (pattern, place, problem) in [
        (json!({"a": {"b": [{"cidr": "10.0.0.0/8"}]}}), "a.b", "unknown operator cidr"),
        (json!({"a": [{"wildcard": "x*"}]}), "a", "unknown operator wildcard"),
        (json!({"a": [{"numeric": [">"]}]}), "a", "numeric does not take [\">\"]"),
        (json!({"a": [{"exists": "yes"}]}), "a", "exists does not take \"yes\""),
        (json!({"a": "x"}), "a", "conditions are a list"),
        (json!({"$and": []}), "$and", "unknown operator $and"),
        (json!({"a": [{"prefix": "x", "suffix": "y"}]}), "a", "a condition has one operator"),
        (json!({"a": {}}), "a", "an empty pattern"),
    ] {
        let error = Filters::compile(&[json!({"ok": [1]}), pattern]).unwrap_err();
        assert_eq!((error.filter, error.place.as_str(), error.problem.as_str()), (2, place, problem));
    }
}

#[test]
fn detects_patterns_that_use_images() {
    let images = |pattern: Value| Filters::compile(&[pattern]).unwrap().look_at("dynamodb", &["NewImage", "OldImage"]);
    assert!(images(json!({"dynamodb": {"NewImage": {"a": {"S": ["x"]}}}})));
    assert!(images(json!({"$or": [{"dynamodb": {"OldImage": {"a": {"S": ["x"]}}}}]})));
    assert!(!images(json!({"dynamodb": {"Keys": {"NewImage": {"S": ["x"]}}}})));
}
