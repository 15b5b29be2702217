//! What a function is, as the template declares it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::iam::Policy;

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
}
