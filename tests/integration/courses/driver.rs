//! Teachers, students and admins at once, call by call, in any order.

use serde_json::json;

use super::actions::{Action, Answer, COURSES, PRESENCES, STATUSES, STUDENTS, act};
use super::check::wrong;
use crate::support::crowd::{Crowd, Plan, Running, Turns, found};
use crate::support::schedule::Schedule;
use crate::support::stage::{Stage, paused};

const PEOPLE: usize = 4;

struct Driver {
    stage: Stage,
    turns: Turns,
    people: Crowd<Action, Answer>,
    scores: Vec<(String, &'static str)>,
    purchases: Vec<(usize, String)>,
    payments: Vec<String>,
}

/// Runs a plan to its end, and meddles with what is left; what dashboards say wrongly then, if they do.
pub(super) fn run(plan: &Plan, meddle: impl Fn(&Stage)) -> Result<(), String> {
    paused(async {
        let stage = Stage::new("2026-01-31T12:00:00Z".parse().unwrap());
        let turns = Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls));
        for (at, (id, _)) in COURSES.iter().enumerate() {
            act(stage.clone(), None, "begin".to_owned(), Action::Describe(at, format!("About {id}"))).await.unwrap();
        }
        let mut driver = Driver {
            stage,
            turns,
            people: Crowd::new(PEOPLE, plan.actions),
            scores: Vec::new(),
            purchases: Vec::new(),
            payments: Vec::new(),
        };
        driver.drive().await?;
        meddle(&driver.stage);
        found(wrong(&driver.stage).await)
    })
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            for at in 0..PEOPLE {
                if self.turns.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            self.turn().await;
            if !self.people.is_busy() {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    fn begin(&mut self, at: usize) {
        if !self.people.is_free(at) {
            return;
        }
        let action = self.people.undone(at).unwrap_or_else(|| self.next());
        let name = self.turns.name("somebody");
        let doing = act(self.stage.clone(), Some(self.turns.faults()), name.clone(), action.clone());
        self.people.begin(at, action, Running::new(name, doing));
    }

    fn next(&mut self) -> Action {
        let random = &mut self.turns.random;
        // Mostly one student in one course: that is where they meet.
        let mut mostly_first = |of: usize| if random.u8(0..100) < 60 { 0 } else { random.usize(0..of) };
        let (student, course) = (mostly_first(STUDENTS.len()), mostly_first(COURSES.len()));
        let (eighths, key) = (random.u8(0..=8), format!("k{}", self.turns.count));
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

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) {
        let crashed = self.turns.turn(|random| 1 << random.u32(0..9)).await;
        for (_, action, (_, body)) in self.people.done(&crashed).await {
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
    }
}

/// A number that is off by one is found out, whosever it is.
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
