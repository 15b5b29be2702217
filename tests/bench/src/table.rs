//! Tables in Markdown, and the numbers in them.

use std::fmt;
use std::time::Duration;

/// A table that prints as Markdown; all columns but the first are numbers.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of no rows.
    pub fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { columns: columns.map(str::to_owned).into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let mut widths = vec![2; self.columns.len()];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (number, line) in lines().enumerate() {
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "| {cell:width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    write!(f, "|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" })?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// The duration that so many percent of the sorted ones do not exceed; zero if there are none.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Milliseconds with one decimal.
#[must_use]
pub fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

/// Bytes as kilobytes of 1,024, in whole ones.
#[must_use]
pub fn kb(bytes: u64) -> String {
    format!("{}", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let of = |count: u64, percent| percentile(&(1..=count).map(Duration::from_millis).collect::<Vec<_>>(), percent);
        assert_eq!(of(100, 50), Duration::from_millis(50));
        assert_eq!(of(100, 99), Duration::from_millis(99));
        assert_eq!(of(10, 99), Duration::from_millis(10));
        assert_eq!(of(1, 50), Duration::from_millis(1));
        assert_eq!(of(0, 50), Duration::ZERO);
    }

    #[test]
    fn prints_as_markdown() {
        let mut table = Table::new(["what", "n"]);
        table.row(["a longer name".to_owned(), "1,000".to_owned()]);
        assert_eq!(
            table.to_string(),
            "| what          |     n |\n|---------------|------:|\n| a longer name | 1,000 |\n"
        );
    }
}
