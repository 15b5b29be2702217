//! The environment, read once.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The environment variables of a function.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// All problems of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Environment {
    /// The environment of this process.
    #[allow(clippy::disallowed_methods, reason = "the one home of the environment")]
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// A variable as it is, if it is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Starts to read the environment into a config; [`Reader::finish`] names every problem.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { environment: self, problems: Vec::new() }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Reads variables and collects what is missing or malformed.
#[derive(Debug)]
pub struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// A variable that must be there.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.reject(format!("{name} is missing"));
            String::new()
        })
    }

    /// A variable that may be missing; an empty one counts as missing.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }

    /// A variable that must be there and parse.
    pub fn parsed<T: FromStr<Err: std::fmt::Display> + Default>(&mut self, name: &str) -> T {
        let value = self.required(name);
        if value.is_empty() {
            return T::default();
        }
        value.parse().unwrap_or_else(|error| {
            self.reject(format!("{name} is malformed: {value:?} {error}"));
            T::default()
        })
    }

    /// A number that must be there and be positive; 1 where it is not.
    pub fn positive(&mut self, name: &str) -> usize {
        let number: usize = self.parsed(name);
        if self.environment.get(name).is_some_and(|value| value.parse() == Ok(0_usize)) {
            self.reject(format!("{name} must be positive"));
        }
        number.max(1)
    }

    /// A variable that must parse if it is set; the default where it is not.
    pub fn parsed_or_default<T: FromStr<Err: std::fmt::Display> + Default>(&mut self, name: &str) -> T {
        self.parsed_if_set(name).unwrap_or_default()
    }

    /// A variable that must parse if it is set.
    pub fn parsed_if_set<T: FromStr<Err: std::fmt::Display> + Default>(&mut self, name: &str) -> Option<T> {
        self.optional(name).map(|_| self.parsed(name))
    }

    /// Records a problem with a variable. The same problem counts once.
    pub fn reject(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The config, if nothing was wrong.
    ///
    /// # Errors
    /// Every problem that was met.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_problem_at_once() {
        let environment: Environment =
            [("A".to_owned(), "x".to_owned()), ("EMPTY".to_owned(), String::new())].into_iter().collect();
        let mut reader = environment.reader();
        let config = (reader.parsed::<u32>("A"), reader.required("EMPTY"), reader.required("B"), reader.required("B"));
        let error = reader.finish(config).unwrap_err();
        assert_eq!(
            error.0,
            ["A is malformed: \"x\" invalid digit found in string", "EMPTY is missing", "B is missing"]
        );
    }
}
