//! Rules of the repository that no compiler checks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the workspace.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder whose name ends so, by its path in the workspace.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

/// The source of a file without its tests, which stand at its end.
fn production(path: &str) -> String {
    let source = read(path);
    source.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

fn functions() -> BTreeSet<String> {
    std::fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The template as YAML, with the short forms of intrinsics as tagged values.
fn template() -> serde_yaml_ng::Value {
    serde_yaml_ng::from_str(&read("template.yaml")).unwrap()
}

fn pascal(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[test]
fn every_function_is_in_the_template_in_the_registry_and_has_an_example() {
    let template = template();
    let registry: BTreeSet<String> = local::functions::all().iter().map(|function| function.name.to_owned()).collect();
    assert_eq!(functions(), registry, "infra/local/src/functions.rs lists every crate under functions/");
    for name in functions() {
        let block = &template["Resources"][format!("{}Function", pascal(&name))];
        assert_eq!(block["Properties"]["CodeUri"], format!("target/lambda/{name}/"), "template.yaml: {name}");
        let main = read(&format!("functions/{name}/src/main.rs"));
        assert!(
            main.contains(&format!("runtime::lambda::run({}::FUNCTION)", name.replace('-', "_"))),
            "{name}: {main}"
        );
        for example in files(&format!("functions/{name}/events"), ".json") {
            serde_json::from_str::<Value>(&read(&example)).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}

#[test]
fn every_route_has_the_authorizer_that_its_function_asks_for() {
    let template = template();
    for name in functions() {
        let source = read(&format!("functions/{name}/src/lib.rs"));
        let Some(access) = source.split("Access::").nth(1).map(|rest| rest.split(',').next().unwrap()) else {
            continue;
        };
        let expected = match access {
            "Public" => None,
            "WriteKey" => Some("CallerAuthorizer"),
            "SignedIn" => Some("TokenAuthorizer"),
            _ => panic!("{name}: Access::{access}"),
        };
        let events = &template["Resources"][format!("{}Function", pascal(&name))]["Properties"]["Events"];
        for (_, event) in events.as_mapping().unwrap().iter().filter(|(_, event)| event["Type"] == "HttpApi") {
            let authorizer = event["Properties"].get("Auth").map(|auth| auth["Authorizer"].as_str().unwrap());
            assert_eq!(authorizer, expected, "{name} asks for Access::{access}");
        }
    }
}

/// Whether anybody may call a function.
fn is_for_anybody(name: &str) -> bool {
    let source = read(&format!("functions/{name}/src/lib.rs"));
    source.contains("Access::Public") || source.contains("Access::WriteKey")
}

#[test]
fn every_function_that_anybody_may_call_is_held_to_the_keys_it_needs() {
    let template = template();
    for name in functions().into_iter().filter(|name| is_for_anybody(name)) {
        let policies = &template["Resources"][format!("{}Function", pascal(&name))]["Properties"]["Policies"];
        let policies = policies.as_sequence().into_iter().flatten();
        for statement in policies.flat_map(|policy| policy["Statement"].as_sequence().unwrap()) {
            let actions = serde_yaml_ng::to_string(&statement["Action"]).unwrap();
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            let keys: Vec<&str> = keys.as_sequence().into_iter().flatten().map(|key| key.as_str().unwrap()).collect();
            let are_narrow = !keys.is_empty() && !keys.iter().any(|key| key.starts_with(['*', '?']));
            assert!(
                are_narrow || !actions.contains("dynamodb:"),
                "template.yaml: {name} may reach any key: {statement:?}"
            );
        }
    }
}

#[test]
fn every_route_that_anybody_may_call_has_a_throttle_of_its_own() {
    let template = template();
    let throttled = &template["Resources"]["HttpApi"]["Properties"]["RouteSettings"];
    let throttled: BTreeSet<&str> = throttled.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()).collect();
    let mut open = BTreeSet::new();
    for name in functions().into_iter().filter(|name| is_for_anybody(name)) {
        let events = &template["Resources"][format!("{}Function", pascal(&name))]["Properties"]["Events"];
        let events = events.as_mapping().unwrap().values().filter(|event| event["Type"] == "HttpApi");
        let text = |value: &serde_yaml_ng::Value| value.as_str().unwrap().to_owned();
        open.extend(
            events.map(|event| {
                format!("{} {}", text(&event["Properties"]["Method"]), text(&event["Properties"]["Path"]))
            }),
        );
    }
    assert_eq!(throttled, open.iter().map(String::as_str).collect());
}

/// Every resource and action of every policy, wherever it is.
fn grants(value: &serde_yaml_ng::Value, found: &mut Vec<String>) {
    match value {
        serde_yaml_ng::Value::Mapping(mapping) => {
            for (name, value) in mapping {
                if matches!(name.as_str(), Some("Action" | "Resource")) {
                    match value {
                        serde_yaml_ng::Value::Sequence(all) => {
                            found.extend(all.iter().map(|one| serde_yaml_ng::to_string(one).unwrap()));
                        }
                        one => found.push(serde_yaml_ng::to_string(one).unwrap()),
                    }
                }
                grants(value, found);
            }
        }
        serde_yaml_ng::Value::Sequence(all) => all.iter().for_each(|value| grants(value, found)),
        serde_yaml_ng::Value::Tagged(tagged) => grants(&tagged.value, found),
        _ => {}
    }
}

/// Whether a grant is without wildcards, or with the one that is narrow: the labels of the streams of one table of the
/// template, for `ListStreams`.
fn is_narrow(grant: &str, template: &serde_yaml_ng::Value) -> bool {
    let text = grant.trim().trim_start_matches("!Sub").trim().trim_matches(['"', '\'']);
    let table = text.strip_prefix("${").and_then(|rest| rest.strip_suffix(".Arn}/stream/*"));
    let is_of_one_table = |name| template["Resources"][name]["Type"] == "AWS::DynamoDB::Table";
    !grant.contains('*') || table.is_some_and(is_of_one_table)
}

#[test]
fn no_policy_grants_everything() {
    let (mut found, template) = (Vec::new(), template());
    grants(&template, &mut found);
    assert!(found.len() > 10, "{found:?}");
    assert!(found.iter().any(|grant| grant.contains("PusherSecretArn")), "what stands under !If is not seen");
    for grant in found {
        assert!(is_narrow(&grant, &template), "a policy grants {grant}");
    }
    for wide in ["*", "dynamodb:*", "!Sub '${StateTable.Arn}/*'", "!Sub '*${StateTable.Arn}/stream/*'"] {
        assert!(!is_narrow(wide, &template), "{wide} passes");
    }
    assert!(!is_narrow("!Sub '${HttpApi.Arn}/stream/*'", &template), "what is no table passes");
}

/// The prefixes of keys: the words in capitals before a `#` in the modules that name keys.
fn key_prefixes() -> BTreeSet<String> {
    let mut prefixes = BTreeSet::new();
    for path in files("shared/store/src/keys", ".rs") {
        let source = production(&path);
        let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let ends = code.match_indices('#').map(|(end, _)| &code[..end]);
        let words = ends.filter_map(|before| before.rsplit(|c: char| !c.is_ascii_uppercase()).next());
        prefixes.extend(words.filter(|word| !word.is_empty()).map(|word| format!("{word}#")));
    }
    assert!(prefixes.len() > 60, "{prefixes:?}");
    prefixes
}

#[test]
fn only_the_store_knows_keys() {
    let mut keys = key_prefixes();
    keys.extend(["\"pk\"", "\"sk\"", "aws_sdk_dynamodb::types"].map(str::to_owned));
    for path in files("shared", ".rs").into_iter().chain(files("functions", ".rs")) {
        if path.starts_with("shared/store/") {
            continue;
        }
        let source = production(&path);
        for key in &keys {
            assert!(!source.contains(key), "{path} knows {key}");
        }
    }
}

#[test]
fn no_function_depends_on_another() {
    for name in functions() {
        let manifest = read(&format!("functions/{name}/Cargo.toml"));
        for other in functions().iter().filter(|other| **other != name) {
            assert!(!manifest.contains(&format!("\n{other}")), "{name} depends on {other}");
        }
        for path in files(&format!("functions/{name}"), ".toml") {
            let manifest = read(&path);
            assert!(
                !manifest.contains("version = \"") && !manifest.contains("= \"0"),
                "{path} has a version of its own"
            );
        }
    }
}

#[test]
fn nothing_is_discarded_or_left_for_later() {
    let sources = ["shared", "functions", "infra/local/src", "tests"].map(|folder| files(folder, ".rs"));
    for path in sources.into_iter().flatten().filter(|path| !path.ends_with("/tidy.rs")) {
        for (number, line) in read(&path).lines().enumerate() {
            let place = format!("{path}:{}: {line}", number + 1);
            assert!(!(line.contains("let _") && line.contains(".await")), "an answer is discarded in {place}");
            for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore"] {
                assert!(!line.contains(word), "{word} in {place}");
            }
            let is_ignored = line.contains("cfg_attr(") && line.contains("ignore");
            let has_need = line.contains("cfg_attr(not(has_") && line.contains("), ignore = \"needs ");
            assert!(!is_ignored || has_need, "a test is ignored without naming what it needs in {place}");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "CHANGELOG.md"].map(str::to_owned));
    let mut local = 0;
    for path in documents {
        let (text, folder) = (read(&path), root().join(&path).parent().unwrap().to_owned());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") {
                local += 1;
                assert!(folder.join(link.split('#').next().unwrap()).exists(), "{path} links to {link}");
            }
        }
    }
    assert!(local > 5, "no links were found");
}

#[test]
fn functions_depend_on_nothing_that_they_do_not_use() {
    for function in functions() {
        let manifest = read(&format!("functions/{function}/Cargo.toml"));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let sources: Vec<String> =
            files(&format!("functions/{function}/src"), ".rs").iter().map(|path| read(path)).collect();
        for line in dependencies.lines().filter(|line| line.contains('=')) {
            let name = line.split(['.', ' ', '=']).next().unwrap().replace('-', "_");
            let is_used = |source: &String| {
                [format!("{name}::"), format!("use {name};")].iter().any(|use_of| source.contains(use_of))
            };
            assert!(sources.iter().any(is_used), "{function} does not use {name}");
        }
    }
}
