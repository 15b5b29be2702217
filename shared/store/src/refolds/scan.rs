//! Finds the units of a day. Facts have no index by day, so their table is scanned in parts.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::ToRefold;
use crate::error::StoreError;
use crate::items::{Item, key_of, to_key};
use crate::keys::{self, Key, PK, SK};
use crate::retry;
use crate::setup::{EventsTable, InteractionsTable, PurchasesTable, Setup};
use crate::table::Table;
use domain::id::RefoldId;
use domain::refold::System;

/// How many facts one page reads, if they are less than 1 MB.
const PAGE: i32 = 10_000;

/// The time before the deadline that is left for sending what was found.
const TO_HAND_OVER: Duration = Duration::from_secs(20);

/// A part of a scan, as a message of its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanPart {
    /// The refold.
    pub refold: RefoldId,
    /// The system whose facts are scanned.
    pub system: System,
    /// The day of UTC.
    pub day: String,
    /// The segment of the table, from 0.
    pub segment: i32,
    /// The key after which the scan continues, if it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(String, String)>,
}

impl ScanPart {
    /// The number of segments of a scan.
    pub const SEGMENTS: i32 = 8;

    /// The parts of the scan of a day.
    pub fn all<'a>(refold: &'a RefoldId, system: System, day: &'a str) -> impl Iterator<Item = Self> + 'a {
        let part = move |segment| Self { refold: refold.clone(), system, day: day.to_owned(), segment, after: None };
        (0..Self::SEGMENTS).map(part)
    }
}

/// Scans the tables of facts.
#[derive(Debug, Clone)]
pub struct FactScan {
    events: EventsTable,
    interactions: InteractionsTable,
    purchases: PurchasesTable,
    part_facts: i32,
}

impl FactScan {
    /// Opens the tables of facts. One invocation reads `PART_FACTS` facts at most.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            events: setup.events_table(),
            interactions: setup.interactions_table(),
            purchases: setup.purchases_table(),
            part_facts: setup.parsed::<i32>("PART_FACTS").max(1),
        }
    }

    fn table(&self, system: System) -> &Table {
        match system {
            System::Tracks => &self.events,
            System::Quizzes | System::Products => &self.interactions,
            System::Sales => &self.purchases,
        }
    }

    /// Scans a part as far as one invocation can. Returns what it found, and the rest of the part if there is any.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn read<'a>(
        &'a self,
        part: &'a ScanPart,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(ToRefold, Option<ScanPart>), StoreError>> {
        Box::pin(async move {
            let until = deadline.checked_sub(TO_HAND_OVER).unwrap_or(deadline);
            let (mut found, mut after) = (ToRefold::default(), part.after.clone());
            let mut left = self.part_facts;
            while left > 0 {
                let (items, looked_at, next) =
                    retry::until(deadline, || Box::pin(self.page(part, after.as_ref(), left))).await?;
                left = left.saturating_sub(looked_at.max(1));
                for Key { pk, sk } in items.iter().filter_map(key_of) {
                    if keys::system_of(&pk) == Ok(part.system) {
                        found.add(&pk, &sk);
                    }
                }
                let Some(next) = next.as_ref().and_then(key_of) else { return Ok((found, None)) };
                after = Some((next.pk, next.sk));
                if Instant::now() >= until {
                    break;
                }
            }
            Ok((found, Some(ScanPart { after, ..part.clone() })))
        })
    }

    async fn page(
        &self,
        part: &ScanPart,
        after: Option<&(String, String)>,
        left: i32,
    ) -> Result<(Vec<Item>, i32, Option<Item>), StoreError> {
        let names = [("#pk", PK), ("#sk", SK)].map(|(alias, name)| (alias.to_owned(), name.to_owned()));
        let value = |text: String| AttributeValue::S(text);
        let values = HashMap::from([
            (":hours".to_owned(), value(keys::hours_of_day(&part.day))),
            (":day".to_owned(), value(part.day.clone())),
        ]);
        let table = self.table(part.system);
        let scan = table.client.scan().table_name(&table.name);
        let scan = scan.limit(left.min(PAGE)).segment(part.segment).total_segments(ScanPart::SEGMENTS);
        // The partition of a fact contains its hour. The sort key of a purchase in its buyer's list begins with its
        // time.
        let scan =
            scan.projection_expression("#pk, #sk").filter_expression("contains(#pk, :hours) OR begins_with(#sk, :day)");
        let scan = scan.set_expression_attribute_names(Some(names.into()));
        let scan = scan.set_expression_attribute_values(Some(values));
        let after = after.map(|(pk, sk)| to_key(&Key { pk: pk.clone(), sk: sk.clone() }));
        let page = scan.set_exclusive_start_key(after).send().await?;
        Ok((page.items.unwrap_or_default(), page.scanned_count, page.last_evaluated_key))
    }
}
