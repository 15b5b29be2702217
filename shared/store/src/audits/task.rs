//! The tasks of audits.

use serde::{Deserialize, Serialize};

use domain::audit::Scope;
use domain::id::AuditId;
use domain::time::Time;

/// An audit that has started.
#[derive(Debug)]
pub struct StartedAudit {
    /// The id of the audit.
    pub audit: AuditId,
    /// Whether everything is audited or only what has changed.
    pub scope: Scope,
    /// The first tasks, which are to be enqueued.
    pub tasks: Vec<AuditTask>,
}

/// A task of an audit, as a message of its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTask {
    /// The audit.
    pub audit: AuditId,
    /// The step that the task runs.
    #[serde(rename = "walk")]
    pub step: AuditStep,
}

/// What a task audits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuditStep {
    /// The next items of a segment of the ledger.
    Ledger {
        /// The segment.
        segment: i32,
        /// The key of the last item that has been audited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<(String, String)>,
    },
    /// The next items that were sold in a month.
    Items {
        /// The month, as `2026-01`.
        month: String,
        /// The last item that has been audited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The next changes of a lane of a day, and what follows from them.
    Changes {
        /// The day, as `2026-01-31`.
        day: String,
        /// The lane.
        lane: u8,
        /// The time since which changes are audited.
        since: Time,
        /// The last change that has been audited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The revenue of a day or a month.
    Period {
        /// The day or the month, as `2026-01-31` or `2026-01`.
        period: String,
    },
    /// The revenue of a month and of its days.
    Revenue {
        /// The month, as `2026-01`.
        month: String,
    },
    /// The buyers who first bought in a month.
    Cohort {
        /// The month, as `2026-01`.
        month: String,
    },
    /// The sum of a cohort, and its members where the sum is wrong.
    CohortSum {
        /// The month, as `2026-01`.
        month: String,
    },
}

impl AuditStep {
    /// A name that no other task of the audit has.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ledger { segment, after } => {
                let (pk, sk) = after.clone().unwrap_or_default();
                format!("LEDGER#{segment}#{pk}#{sk}")
            }
            Self::Items { month, after } => format!("ITEMS#{month}#{}", after.clone().unwrap_or_default()),
            Self::Changes { day, lane, after, .. } => {
                format!("CHANGES#{day}#{lane}#{}", after.clone().unwrap_or_default())
            }
            Self::Period { period } => format!("PERIOD#{period}"),
            Self::Revenue { month } => format!("REVENUE#{month}"),
            Self::Cohort { month } => format!("COHORT#{month}"),
            Self::CohortSum { month } => format!("COHORTSUM#{month}"),
        }
    }
}

/// An entry in the list of audits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAudit {
    /// The id of the audit.
    pub audit_id: String,
    /// When the audit started.
    pub started_at: String,
    /// Whether everything is audited or only what has changed.
    pub scope: Scope,
}
