//! What the run tells about itself.

use std::path::Path;

use anyhow::Context as _;

use migrate::Problem;
use migrate::export::Export;
use migrate::plan::Plan;
use migrate::send::Sent;

/// Lines of one kind that are printed at most.
const SHOWN: usize = 50;

/// What the export holds.
pub(crate) fn of_export(path: &Path, export: &Export, plan: &Plan) -> String {
    let mut text = format!(
        "{}: {} lines; {} users with {} entries in their lists, {} purchases in documents\n",
        path.display(),
        export.lines,
        export.users,
        export.entries.len(),
        export.documents.len(),
    );
    text += &listed("unreadable, and not sent", &export.problems);
    text += &listed("repeated, and not sent", &plan.repeated);
    text += &listed("withheld, and not sent", &plan.withheld);
    text
}

/// Every line that is not brought in, whatever their number, by what keeps it out.
pub(crate) fn all(export: &Export, plan: &Plan, sent: Option<&Sent>) -> String {
    let (refused, unanswered) = sent.map(|sent| (&*sent.refused, &*sent.unanswered)).unwrap_or_default();
    let sections: [(&str, &[Problem]); 5] = [
        ("unreadable", &export.problems),
        ("repeated", &plan.repeated),
        ("withheld", &plan.withheld),
        ("refused", refused),
        ("unanswered", unanswered),
    ];
    let mut text = String::new();
    for (what, problems) in sections {
        for problem in problems {
            text += &format!("{what}: {problem}\n");
        }
    }
    text
}

/// Writes that to a file; where there is nothing to tell, a file of an earlier run goes.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write_all(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = || path.display().to_string();
    if !text.is_empty() {
        std::fs::write(path, text).with_context(name)?;
        println!("\nEvery line that was not brought in is listed in {}.", path.display());
        return Ok(());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(name),
        _ => Ok(()),
    }
}

/// What would be sent.
pub(crate) fn of_plan(export: &Export, plan: &Plan, done: usize) -> String {
    table(&[
        ("unreadable", export.problems.len()),
        ("repeated", plan.repeated.len()),
        ("withheld", plan.withheld.len()),
        ("to be brought in", plan.purchases.len()),
        ("at a price that nobody knows", plan.unpriced()),
        ("at a time that nobody knows", plan.undated()),
        ("done before", done),
        ("to be sent", plan.purchases.len().saturating_sub(done)),
    ])
}

/// What became of it.
pub(crate) fn of_sent(export: &Export, plan: &Plan, done: usize, sent: &Sent) -> String {
    let mut text = listed("refused", &sent.refused);
    text += &listed("without an answer, to be found out by another run", &sent.unanswered);
    text += &table(&[
        ("unreadable", export.problems.len()),
        ("repeated", plan.repeated.len()),
        ("withheld", plan.withheld.len()),
        ("to be brought in", plan.purchases.len()),
        ("done before", done),
        ("imported", sent.imported),
        ("had already", sent.had),
        ("refused", sent.refused.len()),
        ("without an answer", sent.unanswered.len()),
        ("not sent", plan.purchases.len().saturating_sub(done + sent.sent())),
    ]);
    if let Some(reason) = &sent.stopped {
        text += &format!("\nIt ended early: {reason}\nRun again, it goes on where it was.\n");
    }
    text
}

fn listed(what: &str, problems: &[Problem]) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let mut text = format!("{} {what}:\n", problems.len());
    for problem in problems.iter().take(SHOWN) {
        text += &format!("  {problem}\n");
    }
    if problems.len() > SHOWN {
        text += &format!("  and {} more\n", problems.len() - SHOWN);
    }
    text
}

fn table(rows: &[(&str, usize)]) -> String {
    let mut text = "\n| purchases | |\n|---|--:|\n".to_owned();
    for (name, count) in rows {
        text += &format!("| {name} | {count} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Export, Plan) {
        let export = migrate::export::read(text.as_bytes(), "USD".parse().unwrap()).unwrap();
        let plan = Plan::of(&export);
        (export, plan)
    }

    #[test]
    fn what_is_wrong_is_listed_and_the_numbers_come_to_all() {
        let (export, plan) = read(
            r#"{"_id": "u", "purchasedCourses": ["a", "b", "c", "d"]}
               {"user": "u", "course": "a", "amount": 1}
               {"user": "u", "course": "a", "amount": 2}
               x"#,
        );
        let text = of_export(Path::new("e.jsonl"), &export, &plan);
        assert_eq!(
            text,
            "e.jsonl: 4 lines; 1 users with 4 entries in their lists, 2 purchases in documents\n\
             1 unreadable, and not sent:\n  line 4: is no JSON object\n\
             1 repeated, and not sent:\n  \
             line 3: another purchase of the course a of user u; the one of line 2 counts\n"
        );
        let refused = vec![Problem { line: 1, what: "no".to_owned() }];
        let sent = Sent { imported: 1, refused, stopped: Some("enough".to_owned()), ..Sent::default() };
        let text = of_sent(&export, &plan, 1, &sent);
        for part in ["1 refused:\n  line 1: no\n", "| unreadable | 1 |", "| not sent | 1 |", "ended early: enough"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(of_plan(&export, &plan, 1).ends_with("| done before | 1 |\n| to be sent | 3 |\n"));
    }

    #[test]
    fn all_that_is_not_brought_in_is_written_down() {
        let documents: String =
            (0..60).map(|at| format!("{{\"user\": \"u\", \"course\": \"c{at}\", \"amount\": -1}}\n")).collect();
        let (export, plan) = read(&format!("{{\"_id\": \"u\", \"purchasedCourses\": [\"c7\"]}}\n{documents}"));
        let refused = vec![Problem { line: 1, what: "no".to_owned() }];
        let sent = Sent { refused, ..Sent::default() };
        let text = all(&export, &plan, Some(&sent));
        assert_eq!(text.lines().count(), 62);
        for line in [
            "unreadable: line 61: purchase: amount is negative",
            "withheld: line 1: the course c7 of user u waits for the document of line 9",
            "refused: line 1: no",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("problems");
        write_all(&path, &text).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        for _ in 0..2 {
            write_all(&path, "").unwrap();
            assert!(!path.exists());
        }
    }

    #[test]
    fn long_lists_end() {
        let problems: Vec<_> = (1..=60).map(|line| Problem { line, what: "no".to_owned() }).collect();
        let text = listed("wrong", &problems);
        assert!(text.starts_with("60 wrong:\n  line 1: no\n") && text.ends_with("  line 50: no\n  and 10 more\n"));
    }
}
