//! The store: how documents, facts and numbers lie in DynamoDB.
//!
//! Architecture invariant: no other module names a key or an attribute.

mod again;
mod attendances;
mod audits;
mod boards;
mod buyers;
mod claims;
mod class;
mod classroom;
mod contributions;
mod deferrals;
mod documents;
mod engagements;
mod error;
mod facts;
mod folds;
mod foresight;
mod held;
mod inbox;
mod items;
pub mod keys;
mod listed;
mod looks;
mod outbox;
mod packages;
mod payments;
mod playlists;
mod products;
mod purchases;
mod quizzes;
mod quotas;
mod refolds;
mod retention;
mod revenue;
mod rollups;
mod scores;
mod short;
mod table;
mod toggles;
mod totals;
mod transaction;

#[cfg(test)]
mod bounds;

pub use attendances::Attendances;
pub use audits::{AuditLeg, AuditReport, Audits, BegunAudit, ListedAudit, Outcome as AuditOutcome, Walk, YOUNG};
pub use boards::{
    Around, BoardPage, BoardUpdates, Boards, OnBoards, ProductReading, Ranked, Shards, Shown, Trending, Viewed,
};
pub use buyers::BuyerUpdates;
pub use claims::Claims;
pub use class::ClassNumbers;
pub use classroom::Classroom;
pub use deferrals::{Deferral, Deferrals};
pub use documents::{Documents, Listed, PutCondition, Version, Versioned};
pub use engagements::{Arrived, Engagements, Outcome, Sender};
pub use error::StoreError;
pub use facts::{Facts, NewFact};
pub use folds::{Budget, Folds, Refolded};
pub use foresight::Foresight;
pub use held::Held;
pub use inbox::{Inbox, InboxPage, Received};
pub use listed::Listing;
pub use outbox::{Outbox, Telling, Waiting};
pub use packages::{Leg, PackageNumbers, PackageStats, PackageUpdates, Packages, Progress, Refreshes, Turned, turned};
pub use payments::Payments;
pub use playlists::Playlists;
pub use products::{Products, Shelf};
pub use purchases::{
    Answer, Answers, Change, Discounts, Filter, HeldDiscount, History, Mark, Ownership, Page, Purchases, Settled,
    Standing, Tries,
};
pub use quizzes::{Attempted, Interactions, QuizNumbers, Quizzes, Rated, Scored};
pub use quotas::{Admission, Plan, QuotaCounters, Requester, Subject, SubjectKind};
pub use refolds::{FactScan, RefoldChunk, RefoldProgress, Refolds, ScanPart, StreamRange, StreamedRecords, ToRefold};
pub use retention::Retention;
pub use revenue::{Cohort, Pattern, RevenueReading, RevenueUpdates, Rows, Top};
pub use rollups::{
    Activity, Again, Closing, Dispatch, Frontier, GRACE, Happened, OpenMinute, Read, ReadFrom, Reading, Recent,
    RecentActivity, Restored, Work,
};
pub use scores::Scores;
pub use short::lengthened;
pub use toggles::{ToggleOf, Toggles, Word};
