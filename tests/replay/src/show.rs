//! What is printed.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Lines of one kind that are printed at most.
const SHOWN: usize = 50;

/// A progress bar on the terminal; nothing where standard error is none.
pub(crate) fn bar(what: &str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Lines, indented.
pub(crate) fn list(lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(SHOWN);
    for line in lines.take(SHOWN) {
        println!("  {line}");
    }
    if more > 0 {
        println!("  and {more} more");
    }
}

/// Differences as a table; nothing without them.
pub(crate) fn table(header: &str, rows: &[String]) {
    if rows.is_empty() {
        return;
    }
    println!("\n{header}");
    for row in rows.iter().take(SHOWN) {
        println!("{row}");
    }
    let more = rows.len().saturating_sub(SHOWN);
    if more > 0 {
        println!("\nand {more} more");
    }
}
