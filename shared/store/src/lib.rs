//! The store: documents, facts and stats in DynamoDB.
//!
//! Architecture invariant: no other module names a key or an attribute.

mod attendances;
mod audits;
mod boards;
mod buyers;
mod claims;
mod compact;
mod contributions;
mod course_stats;
mod courses;
mod deferrals;
mod documents;
mod double_check;
mod engagements;
mod error;
mod facts;
mod folds;
mod idempotency;
mod inbox;
mod items;
mod jobs;
pub mod keys;
mod listing;
mod outbox;
mod packages;
mod payments;
mod playlists;
mod preview;
mod products;
mod purchases;
mod quizzes;
mod quotas;
mod refolds;
mod refresh;
mod retention;
mod retry;
mod revenue;
mod rollups;
mod scores;
mod setup;
mod slot;
mod sums;
mod table;
mod toggles;
mod totals;
mod transaction;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod stored_items;

pub use attendances::Attendances;
pub use audits::{
    AuditReport, AuditStep, AuditTask, Audits, ListedAudit, Outcome as AuditOutcome, StartedAudit, YOUNG,
};
pub use boards::{
    BoardNeighbors, BoardPage, BoardProjector, Boards, ProductReader, ProductWithViews, Ranked, SellerRanks, Shards,
    Trending, ViewedProduct,
};
pub use buyers::BuyerProjector;
pub use claims::Claims;
pub use compact::expand;
pub use course_stats::CourseStats;
pub use courses::Courses;
pub use deferrals::{Deferral, Deferrals};
pub use documents::{Documents, Listed, PutCondition, Version, Versioned};
pub use engagements::{Engagements, EventBatch, Outcome, Sender};
pub use error::StoreError;
pub use facts::{Facts, NewFact};
pub use folds::{Budget, FoldOutcome, Folds};
pub use idempotency::{CompletionMark, IdempotencyState, IdempotencyStore, StoredResponse};
pub use inbox::{Inbox, InboxNotification, InboxPage};
pub use listing::Listing;
pub use outbox::{Outbox, OutboxEvents, PendingEvent};
pub use packages::{
    MembershipChange, PackageNumbers, PackageProjector, PackageRebuilds, PackageStats, Packages, RebuildProgress,
    RebuildTask, membership_change,
};
pub use payments::Payments;
pub use playlists::Playlists;
pub use preview::Preview;
pub use products::{Catalog, Products};
pub use purchases::{
    DiscountAttempts, Discounts, Ownership, PurchaseChange, PurchaseFilter, PurchaseHistory, PurchasePage, Purchases,
    SettledPayment, StoredDiscount,
};
pub use quizzes::{AttemptOutcome, Interactions, QuizNumbers, Quizzes, RatingChange, RecordedAttempt};
pub use quotas::{Admission, Plan, QuotaCounters, Requester, Subject, SubjectKind};
pub use refolds::{FactScan, RefoldChunk, RefoldProgress, Refolds, ScanPart, StreamRange, StreamedRecords, ToRefold};
pub use retention::Retention;
pub use retry::{update, update_idempotent};
pub use revenue::{BuyerSummary, Cohort, RevenueByPeriod, RevenueProjector, RevenueReader, TopItems};
pub use rollups::{
    Dispatcher, GRACE, LiveMinute, Occurrence, PeriodCloser, RecentActivity, RecentActivityReader, RecomputePlan,
    RestoredHours, RollupReader, RollupTask, RollupValues, ValueSource, Watermark, Worklist,
};
pub use scores::Scores;
pub use setup::Setup;
pub use slot::Slot;
pub use toggles::{ToggleChange, ToggleKey, Toggles};
