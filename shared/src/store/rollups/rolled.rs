//! How a rollup lies in its item.

use serde::{Deserialize, Serialize};

use super::holding::{Before, Named, Stamps};
use crate::domain::counters::TrackCounters;
use crate::domain::id::UserId;
use crate::domain::rollup::Rollup;
use crate::domain::time::Time;

/// The rollup of a period.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rolled {
    pub(super) version: String,
    /// When the fold began that it holds.
    pub(super) as_of: Time,
    /// The artist whose numbers it is part of; of tracks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artist: Option<UserId>,
    /// When the first of its facts expires, in seconds since 1970; of tracks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
    /// How often it has changed.
    #[serde(default)]
    pub(super) changes: u64,
    /// What its last changes were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<Named>,
    /// The numbers of the change that made it what it is, in what it is part of; of hours and days of tracks only.
    #[serde(default, skip_serializing_if = "Stamps::is_empty")]
    pub(super) stamps: Stamps,
    /// What it was before that change; of hours of tracks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
    pub(super) value: Rollup,
}

/// The sum of a track's closed days, without its sketches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Total {
    pub(super) version: String,
    pub(super) as_of: Time,
    /// How often it has changed.
    #[serde(default)]
    pub(super) changes: u64,
    /// What its last changes were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<Named>,
    pub(super) value: TrackCounters,
}
