//! Answers about past numbers: their range, their steps and their figures.
//!
//! Only sums and counts are read. Averages, rates and growth are divided here, and are `None` if the divisor is 0.

mod figures;
mod overview;
mod range;
mod reading;

pub use figures::{Figures, Growth, Metric, Point, Uniques};
pub use overview::{Engagement, Overview, TopTrack, TrendPoint, top_tracks};
pub use range::{Interval, MAX_POINTS, Range, TimeRange};
pub use reading::{Cells, Numbers};
