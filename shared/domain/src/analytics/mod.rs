//! What is answered about the numbers of the past: which part of it, in which steps, and which figures.
//!
//! Sums and counts are what is read; averages, rates and growth are divided here, and are `None` where there is nothing
//! to divide by.

mod figures;
mod overview;
mod range;
mod reading;

pub use figures::{Figures, Growth, Metric, Point, Uniques};
pub use overview::{Engagement, Overview, TopTrack, TrendPoint, top_tracks};
pub use range::{Interval, MAX_POINTS, Range, TimeRange};
pub use reading::{Cells, Numbers};
