//! Output.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Lines of one kind that are printed at most.
const SHOWN: usize = 50;

/// The interval of progress lines if standard error is not a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Progress: a bar on a terminal, otherwise lines at intervals on standard error.
pub(crate) enum Progress {
    Bar(ProgressBar, &'static str),
    Lines(RefCell<Lines<std::io::Stderr>>),
}

impl Progress {
    pub(crate) fn of(what: &'static str, length: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(RefCell::new(Lines::new(std::io::stderr(), what, length, Instant::now())));
        }
        let bar = ProgressBar::new(length).with_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left") {
            Ok(style) => Self::Bar(bar.with_style(style), what),
            Err(_) => Self::Bar(bar, what),
        }
    }

    /// So many more are done.
    pub(crate) fn add(&self, count: u64) {
        match self {
            Self::Bar(bar, _) => bar.inc(count),
            Self::Lines(lines) => {
                let mut lines = lines.borrow_mut();
                let done = lines.done + count;
                lines.reach(done, "", Instant::now());
            }
        }
    }

    /// Sets the number of completed items, with a note.
    pub(crate) fn reach(&self, done: u64, more: &str) {
        match self {
            Self::Bar(bar, what) => {
                bar.set_position(done);
                bar.set_message(format!("{what}, {more}"));
            }
            Self::Lines(lines) => lines.borrow_mut().reach(done, more, Instant::now()),
        }
    }

    /// It is over.
    pub(crate) fn end(self) {
        match self {
            Self::Bar(bar, _) => bar.finish_and_clear(),
            Self::Lines(lines) => lines.into_inner().end(),
        }
    }
}

/// Lines that tell how far something is, never sooner than [`EVERY`] after the last one.
pub(crate) struct Lines<W: Write> {
    out: W,
    what: &'static str,
    length: u64,
    done: u64,
    told: u64,
    next: Instant,
}

impl<W: Write> Lines<W> {
    fn new(out: W, what: &'static str, length: u64, now: Instant) -> Self {
        Self { out, what, length, done: 0, told: 0, next: now + EVERY }
    }

    fn reach(&mut self, done: u64, more: &str, now: Instant) {
        self.done = done;
        if now >= self.next {
            self.next = now + EVERY;
            self.tell(more);
        }
    }

    fn tell(&mut self, more: &str) {
        self.told = self.done;
        let Self { what, length, done, .. } = self;
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        // Without standard error there is no place to report to.
        drop(writeln!(self.out, "{done} of {length} {what}{more}"));
    }

    /// Prints the final state, if any progress was printed.
    fn end(mut self) {
        if self.told > 0 && self.told < self.done {
            self.tell("");
        }
    }
}

/// Prints why the wait ended, if it did not succeed.
pub(crate) fn gave_up(did: bool, patience: Duration) {
    if did {
        println!("\ngave up: nothing more was counted for {} s; --patience waits longer", patience.as_secs());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_plain_lines_now_and_then() {
        let (mut out, began) = (Vec::new(), Instant::now());
        let mut lines = Lines::new(&mut out, "plays counted", 900, began);
        for second in 0..12 {
            lines.reach(second * 10, &format!("{second} of 30 tracks right"), began + Duration::from_secs(second));
        }
        lines.end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "50 of 900 plays counted, 5 of 30 tracks right\n100 of 900 plays counted, 10 of 30 tracks right\n\
             110 of 900 plays counted\n"
        );
    }

    #[test]
    fn what_is_soon_done_prints_no_lines() {
        let (mut out, began) = (Vec::new(), Instant::now());
        let mut lines = Lines::new(&mut out, "events", 9, began);
        lines.reach(9, "", began);
        lines.end();
        assert!(out.is_empty());
    }
}
