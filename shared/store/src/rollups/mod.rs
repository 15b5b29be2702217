//! Rollups: how minutes become hours, days, weeks, months and years.
//!
//! An hour is the sum of its minutes, and every period above it the sum of the periods below. Facts are folded once, into
//! their minute, sketches included; everything else is merged, so nothing here reads facts again, and what a number costs
//! does not grow with its events.
//!
//! **What is to be done** stands on pages. Whoever folds a minute lists its track under the hour, *after* the fold. The
//! dispatcher hands the pages of an hour that is over to workers; a worker closes the hour for the tracks of a page, lists
//! them under the day, and marks the page as done. When all pages of an hour are done, the *frontier* moves behind it. Days
//! are closed from the pages of days when the frontier of hours has passed them, and so on.
//!
//! **Late folds.** A fold that lands when its hour may have been closed already is followed by a mark on the track and a
//! late page. The worker closes that hour and all periods above it that are over in one transaction, and then takes the mark
//! away if no other fold has renewed it.
//!
//! **Artists and the platform.** Whatever changes in a track's rollup changes in its artist's and in the platform's in the
//! same transaction. So theirs are at any time the sums of their tracks' closed periods.
//!
//! **Reading** takes what lies before the frontier from rollups, the rest from live minutes, and puts right what is marked.
//! So the answer does not depend on whether the rollups have run. Nor does it depend on a worker that closes what is being read:
//! rollups count their changes, and hours keep the numbers of theirs (see `holding`).
//!
//! **Minutes expire** a few weeks after they were folded. A fact of an older hour has the others of its minutes folded again
//! first (see `restoring`).
//!
//! The clocks of functions may differ by [`GRACE`] divided by two, no more. Rollups may lag behind, but not by more than 25
//! days: what hours are made of does not live much longer.

mod activity;
mod dispatch;
mod holding;
mod plan;
mod reading;
mod recent_activity;
mod recompute;
mod restore;
mod stored;
mod total;
mod worker;
mod worklist;

pub use activity::{Activity, GRACE};
pub use dispatch::{Dispatcher, RecomputePlan, Work};
pub use reading::{OpenMinute, Read, ReadFrom, Reading};
pub use recent_activity::{Happened, Recent, RecentActivity};
pub use restore::Restored;
pub use worker::Closing;
pub use worklist::Watermark;
