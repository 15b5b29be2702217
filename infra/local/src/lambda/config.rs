//! What a function is, as the template declares it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::iam::Policy;
use crate::wire::REGION;

/// A function with everything that surrounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionConfig {
    /// The template's name of it.
    pub logical_id: String,
    /// The name it is deployed under.
    pub name: String,
    /// The crate that it is made of.
    pub crate_name: String,
    /// Its memory in megabytes.
    pub memory: u32,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// What it may do.
    pub policy: Policy,
    /// Whether a chain of requests may invoke it any number of times.
    pub may_loop: bool,
}

impl FunctionConfig {
    /// The variables that the function finds: the template's, and those that Lambda sets.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let memory = self.memory.to_string();
        let of_lambda = [
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.as_str()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.as_str()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ];
        let own = self.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
        own.chain(of_lambda.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    }
}
