//! Policies: which actions a function may take, and on what.
//!
//! Every call of a function is checked against its policy in the template, so what runs in the local
//! cloud has run with exactly the rights that it has on AWS.

/// The permissions of a function. Everything else is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What is allowed.
    pub statements: Vec<Statement>,
}

/// Actions allowed on resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// Actions like `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// ARNs; `*` and `?` stand for any text and any character.
    pub resources: Vec<String>,
    /// What the partition keys of all items must be like, where the statement has a condition on `dynamodb:LeadingKeys`.
    pub leading_keys: Option<Vec<String>>,
}

/// One right that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The action.
    pub action: &'static str,
    /// The ARN that it is taken on.
    pub resource: String,
    /// The partition keys of the items that it is taken on, as far as the request names them.
    pub leading_keys: Vec<String>,
}

impl Access {
    /// The right to take an action on a resource.
    #[must_use]
    pub fn new(action: &'static str, resource: String) -> Self {
        Self { action, resource, leading_keys: Vec::new() }
    }

    /// The same on items with these partition keys.
    #[must_use]
    pub fn on_keys(self, leading_keys: Vec<String>) -> Self {
        Self { leading_keys, ..self }
    }
}

impl Statement {
    /// `ForAllValues`: a request that names no key meets the condition
    /// ([multivalued context keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html)).
    fn holds_for(&self, keys: &[String]) -> bool {
        let is_named =
            |patterns: &[String], key: &str| patterns.iter().any(|pattern| matches(pattern.as_bytes(), key.as_bytes()));
        self.leading_keys.as_deref().is_none_or(|patterns| keys.iter().all(|key| is_named(patterns, key)))
    }
}

impl Policy {
    /// Whether the policy gives this right.
    #[must_use]
    pub fn allows(&self, access: &Access) -> bool {
        self.statements.iter().any(|statement| {
            statement.actions.iter().any(|action| {
                matches(action.to_ascii_lowercase().as_bytes(), access.action.to_ascii_lowercase().as_bytes())
            }) && statement.resources.iter().any(|resource| matches(resource.as_bytes(), access.resource.as_bytes()))
                && statement.holds_for(&access.leading_keys)
        })
    }

    /// Whether any right depends on the keys of items.
    #[must_use]
    pub fn depends_on_keys(&self) -> bool {
        self.statements.iter().any(|statement| statement.leading_keys.is_some())
    }

    /// The first of these rights that the policy does not give.
    #[must_use]
    pub fn first_denied<'a>(&self, accesses: &'a [Access]) -> Option<&'a Access> {
        accesses.iter().find(|access| !self.allows(access))
    }
}

/// The message that AWS returns to a caller without permission.
#[must_use]
pub fn denial(function: &str, access: &Access) -> String {
    let account = crate::wire::ACCOUNT;
    let Access { action, resource, .. } = access;
    format!(
        "User: arn:aws:sts::{account}:assumed-role/{function}/{function} is not authorized to perform: {action} \
         on resource: {resource} because no identity-based policy allows the {action} action"
    )
}

/// Whether a text matches a pattern in which `*` matches any text and `?` any character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (pattern, text);
    // Where to go on when the text after the last star did not fit.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (p.split_first(), t.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, t));
                p = rest;
            }
            (Some((head, rest)), Some((first, others))) if *head == b'?' || head == first => {
                p = rest;
                t = others;
            }
            (None, None) => return true,
            _ => match retry.and_then(|(after, from)| Some((after, from.split_first()?.1))) {
                Some((after, from)) => {
                    retry = Some((after, from));
                    p = after;
                    t = from;
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(actions: &[&str], resources: &[&str]) -> Policy {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let statement = Statement { actions: owned(actions), resources: owned(resources), leading_keys: None };
        Policy { statements: vec![statement] }
    }

    #[test]
    fn denies_actions_that_no_statement_allows() {
        let policy = policy(&["dynamodb:GetItem"], &["arn:aws:dynamodb:us-east-1:000000000000:table/Events"]);
        let allowed = Access::new("dynamodb:GetItem", crate::wire::table_arn("Events"));
        let other_action = Access::new("dynamodb:PutItem", crate::wire::table_arn("Events"));
        let other_table = Access::new("dynamodb:GetItem", crate::wire::table_arn("EventsOld"));
        let index = Access::new("dynamodb:GetItem", crate::wire::index_arn("Events", "byScore"));
        assert!(policy.allows(&allowed));
        assert!(!policy.allows(&other_action));
        assert!(!policy.allows(&other_table));
        assert!(!policy.allows(&index));
        assert_eq!(policy.first_denied(&[allowed, other_table.clone()]), Some(&other_table));
        assert!(!Policy::default().allows(&other_action));
    }

    #[test]
    fn a_statement_allows_its_actions_on_its_resources_only() {
        let mut policy = policy(&["dynamodb:Query"], &["arn:aws:dynamodb:*:*:table/A"]);
        policy.statements.push(Statement {
            actions: vec!["sqs:SendMessage".to_owned()],
            resources: vec![crate::wire::queue_arn("q")],
            leading_keys: None,
        });
        assert!(policy.allows(&Access::new("dynamodb:Query", crate::wire::table_arn("A"))));
        assert!(!policy.allows(&Access::new("dynamodb:Query", crate::wire::queue_arn("q"))));
    }

    #[test]
    fn leading_key_conditions_must_hold_for_every_key() {
        let mut policy = policy(&["dynamodb:PutItem"], &["*"]);
        policy.statements[0].leading_keys = Some(vec!["TRACK#*".to_owned(), "LATE".to_owned()]);
        let put = |keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            Access::new("dynamodb:PutItem", crate::wire::table_arn("A")).on_keys(keys)
        };
        for (keys, expected) in [
            (&["TRACK#a", "LATE"][..], true),
            (&["TRACK#a", "USER#b"], false),
            (&["LATER"], false),
            (&["xTRACK#a"], false),
            (&[], true),
        ] {
            assert_eq!(policy.allows(&put(keys)), expected, "{keys:?}");
        }
        policy.statements.push(Statement { leading_keys: None, ..policy.statements[0].clone() });
        assert!(policy.allows(&put(&["USER#b"])));
    }

    #[test]
    fn wildcards_match_as_in_aws() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a*b*c", "a1b2b3c", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "abcd", false),
            ("*/index/*", "table/T/index/byScore", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(policy(&["dynamodb:get*"], &["*"]).allows(&Access::new("dynamodb:GetItem", String::new())));
    }
}
