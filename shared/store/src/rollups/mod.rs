//! Rollups: how minutes become hours, days, weeks, months and years.
//!
//! An hour is the sum of its minutes, and every longer period is the sum of shorter ones. Facts are folded once, into
//! their minute, sketches included. Everything else is merged, so nothing here reads facts again, and the cost of a
//! value does not grow with the number of events.
//!
//! **The worklist** consists of pages. After each fold of a minute, the updater lists the track under the hour. When an
//! hour is over, the dispatcher sends its pages to workers. A worker closes the hour for the tracks of a page, lists
//! them under the day, and marks the page as done. When all pages of an hour are done, the *watermark* advances past
//! the hour. Days are closed from their own pages once the watermark of hours has passed them, and so on.
//!
//! **Late folds.** A fold that lands when its hour may be closed already is followed by a mark on the track and a late
//! page. The worker closes that hour again, with all longer periods that are over, in one transaction. It then removes
//! the mark, unless another fold has renewed it.
//!
//! **Artists and the platform.** A change of a track's rollup changes those of its artist and of the platform in the
//! same transaction. So theirs are the sums of their tracks' closed periods at any time.
//!
//! **Reading** takes what is before the watermark from rollups and the rest from live minutes, and corrects marked
//! hours. So the values do not depend on whether rollups have run, nor on a worker that closes what is being read:
//! rollups count their changes, and hours keep the numbers of theirs (see `stamps`).
//!
//! **Minutes expire** a few weeks after they were folded. Before a late fact of such an hour is folded, the other
//! minutes of the hour are folded again (see `restore`).
//!
//! The clocks of functions may differ by half of [`GRACE`] at most. Rollups may lag behind by up to 25 days: the
//! minutes of an hour do not live much longer.

mod artist_tracks;
mod batch;
mod dispatch;
mod late_hours;
mod pages;
mod plan;
mod propagate;
mod reader;
mod recent_activity;
mod recent_facts;
mod recompute;
mod restore;
mod stamps;
mod stored;
mod total;
mod watermark;
mod worker;
mod worklist;

pub use dispatch::{Dispatcher, RecomputePlan, RollupTask};
pub use reader::{LiveMinute, RollupReader, RollupValues, ValueSource};
pub use recent_activity::RecentActivityReader;
pub use recent_facts::{Occurrence, RecentActivity};
pub use restore::RestoredHours;
pub use watermark::Watermark;
pub use worker::PeriodCloser;
pub use worklist::{GRACE, Worklist};
