//! Teachers, students and admins act at the same time.

use std::sync::Arc;

use local::wire::Faults;
use serde_json::json;

use super::actions::{Action, Answer, COURSES, PRESENCES, STATUSES, STUDENTS, act};
use super::check::wrong;
use crate::support::driver::{Clients, Plan, Scenario, Turns, drive, ensure_none};
use crate::support::stage::{Stage, paused};

struct School {
    stage: Stage,
    scores: Vec<(String, &'static str)>,
    purchases: Vec<(usize, String)>,
    payments: Vec<String>,
}

/// Runs a plan to its end, corrupts the result, and checks the dashboards.
pub(super) fn run(plan: &Plan, corrupt: impl Fn(&Stage)) -> Result<(), String> {
    paused(async {
        let stage = Stage::new("2026-01-31T12:00:00Z".parse().unwrap());
        let turns = Turns::of(plan);
        for (at, (id, _)) in COURSES.iter().enumerate() {
            act(stage.clone(), None, "begin".to_owned(), Action::Describe(at, format!("About {id}"))).await.unwrap();
        }
        let school = School { stage, scores: Vec::new(), purchases: Vec::new(), payments: Vec::new() };
        let school = drive(school, turns, plan.actions).await?;
        corrupt(&school.stage);
        ensure_none(wrong(&school.stage).await)
    })
}

impl Scenario for School {
    type Action = Action;
    type Answer = Answer;

    fn next(&mut self, _: usize, turns: &mut Turns, _: &Clients<Action, Answer>) -> Action {
        let random = &mut turns.random;
        // Mostly one student in one course, where clients contend.
        let mut mostly_first = |of: usize| if random.u8(0..100) < 60 { 0 } else { random.usize(0..of) };
        let (student, course) = (mostly_first(STUDENTS.len()), mostly_first(COURSES.len()));
        let (eighths, key) = (random.u8(0..=8), format!("k{}", turns.count));
        match random.u8(0..100) {
            0..3 => Action::Describe(course, format!("About {key}")),
            3..15 => Action::Ask(student, course),
            15..18 => Action::Invite(student, course),
            18..20 => Action::Leave(student, course),
            20..40 => Action::Status(student, course, STATUSES[random.usize(0..4)]),
            40..52 => Action::Give { key, student, course, eighths },
            52..62 if !self.scores.is_empty() => {
                let (score, teacher) = self.scores[random.usize(0..self.scores.len())].clone();
                Action::PutRight { score, teacher, eighths }
            }
            62..80 => {
                let presence = PRESENCES[random.usize(0..4)];
                Action::Mark { student, course, day: random.u8(0..2), presence }
            }
            80..90 if !self.purchases.is_empty() => {
                let (student, purchase) = self.purchases[random.usize(0..self.purchases.len())].clone();
                Action::Pay { key, student, purchase }
            }
            90..94 if !self.payments.is_empty() => {
                Action::Approve(self.payments[random.usize(0..self.payments.len())].clone())
            }
            94..97 if !self.purchases.is_empty() => {
                let (_, purchase) = self.purchases[random.usize(0..self.purchases.len())].clone();
                if random.bool() { Action::Complete(purchase) } else { Action::End(purchase) }
            }
            _ => Action::Order { key, student, currency: ["USD", "JPY"][random.usize(0..2)] },
        }
    }

    fn act(
        &self,
        _: usize,
        name: String,
        faults: Arc<dyn Faults>,
        action: Action,
    ) -> impl Future<Output = Option<Answer>> + Send + 'static {
        act(self.stage.clone(), Some(faults), name, action)
    }

    fn pause_ms(random: &mut fastrand::Rng) -> u64 {
        1 << random.u32(0..9)
    }

    async fn settle(&mut self, done: Vec<(usize, Action, Answer)>, _: &[String]) -> Result<(), String> {
        for (_, action, (_, body)) in done {
            let named = |field: &str| body[field].as_str().map(str::to_owned);
            match action {
                Action::Give { course, .. } => {
                    self.scores.extend(named("scoreId").map(|score| (score, COURSES[course].1)));
                }
                Action::Order { student, .. } => {
                    self.purchases.extend(named("purchaseId").map(|purchase| (student, purchase)));
                }
                Action::Pay { .. } => self.payments.extend(named("paymentId")),
                _ => {}
            }
        }
        Ok(())
    }

    fn is_over(&self, _: bool, is_busy: bool) -> bool {
        !is_busy
    }
}

/// Each figure is made wrong by one.
#[test]
fn check_detects_every_wrong_figure() {
    let plan = Plan { seed: 7, actions: 19, faults: 4, switches: 10, stalls: 30 };
    run(&plan, |_| ()).unwrap();
    for (pk, name) in [
        ("COURSE#algebra", "enrollments#active"),
        ("COURSE#cooking", "scores"),
        ("STUDENT#sam", "scores"),
        ("STUDENT#sid", "attendance#late"),
        ("TEACHER#tim", "scoreSum"),
        ("TEACHER#tom", "courses"),
        ("CLASSROOMS#03", "enrollments#dropped"),
        ("CLASSROOMS#00", "payments#received#USD"),
        ("CLASSROOMS#15", "payments#approved#-"),
    ] {
        let off = run(&plan, |stage| {
            let update = json!({
                "TableName": "Stats", "Key": {"pk": {"S": pk}, "sk": {"S": "T"}},
                "UpdateExpression": "ADD #name :one",
                "ExpressionAttributeNames": {"#name": name}, "ExpressionAttributeValues": {":one": {"N": "1"}},
            });
            stage.call("UpdateItem", &update);
        });
        assert!(off.is_err(), "{pk} {name}");
    }
}
