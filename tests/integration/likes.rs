//! The likes of a quiz are exact while users change their minds. This is the example of `docs/hostile-tests.md`.

use std::sync::Arc;

use chrono::TimeDelta;
use local::wire::Faults;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::deliveries::{Consumer, Deliveries, consume_in};
use crate::support::driver::{Clients, Plan, Scenario, Turns, drive, ensure_none, plans};
use crate::support::mutation::assert_detected;
use crate::support::stage::{Stage, config, http, invoke, paused, person, start};

const UPDATER: Consumer = Consumer {
    table: "Interactions",
    records: |stage| stage.records("Interactions"),
    concurrency: 3,
    batch: 4,
    redelivered: 30,
    is_partial: false,
};

/// What the updater does wrong.
#[derive(Debug, Clone, Copy)]
enum Mutant {
    /// It acknowledges batches without processing them.
    ProcessesNothing,
}

struct Likes {
    stage: Stage,
    updater: Deliveries,
    mutant: Option<Mutant>,
    /// The last answered state of each user.
    states: [bool; Likes::CLIENTS],
}

impl Scenario for Likes {
    /// Whether the user likes the quiz from now on.
    type Action = bool;
    type Answer = ();

    fn next(&mut self, _: usize, turns: &mut Turns, _: &Clients<bool, ()>) -> bool {
        turns.random.bool()
    }

    fn act(
        &self,
        client: usize,
        name: String,
        faults: Arc<dyn Faults>,
        is_liked: bool,
    ) -> impl Future<Output = Option<()>> + Send + 'static {
        let context = self.stage.boot(&name, Some(faults), "UTC");
        let method = if is_liked { "POST" } else { "DELETE" };
        let user = person(&format!("u{client}"), "student");
        let request =
            http(&format!("{method} /api/quizzes/q/like"), &user, &json!({"quizId": "q"}), None, &Value::Null);
        async move {
            let answer = invoke(&*start(&context, like_quiz::FUNCTION), &request).await.unwrap();
            (answer["statusCode"] == 200).then_some(())
        }
    }

    fn step(&mut self, turns: &mut Turns, is_busy: bool) {
        match turns.random.u8(0..100) {
            0..30 => self.deliver(turns),
            30..32 => self.stage.advance(TimeDelta::seconds(turns.random.i64(0..40))),
            _ if !is_busy => self.deliver(turns),
            _ => {}
        }
    }

    async fn settle(&mut self, done: Vec<(usize, bool, ())>, crashed: &[String]) -> Result<(), String> {
        for (client, is_liked, ()) in done {
            self.states[client] = is_liked;
        }
        self.updater.settle(crashed).await;
        Ok(())
    }

    fn is_over(&self, was_busy: bool, _: bool) -> bool {
        !was_busy && self.updater.are_done(&self.stage)
    }
}

impl Likes {
    fn deliver(&mut self, turns: &mut Turns) {
        let (stage, faults, mutant) = (self.stage.clone(), turns.faults(), self.mutant);
        self.updater.deliver(&self.stage, turns, "updater", |name, payload| async move {
            match mutant {
                None => consume_in(stage, name, faults, package_stats_updater::FUNCTION, payload).await,
                Some(Mutant::ProcessesNothing) => Some(Vec::new()),
            }
        });
    }

    /// Compares the answer of the API with the states that users were told.
    async fn check(&self) -> Result<(), String> {
        let function = start(&self.stage.boot("reader", None, "UTC"), get_quiz_stats::FUNCTION);
        let request =
            http("GET /api/quizzes/q/stats", &person("root", "admin"), &json!({"quizId": "q"}), None, &Value::Null);
        let answer = invoke(&*function, &request).await?;
        let stats: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let expected = self.states.iter().filter(|is_liked| **is_liked).count();
        let errors = (stats["totalLikes"] != expected).then(|| format!("{expected} users like the quiz: {stats}"));
        ensure_none(errors.into_iter().collect())
    }
}

fn run(plan: &Plan, mutant: Option<Mutant>) -> Result<(), String> {
    paused(async {
        let stage = Stage::new("2026-01-31T11:59:30Z".parse().unwrap());
        stage.call("PutItem", &json!({"TableName": "State", "Item": {
            "pk": {"S": "QUIZ#q"}, "sk": {"S": "DOC"}, "version": {"S": "v"}, "title": {"S": "Q"}, "creator": {"S": "tim"},
        }}));
        let likes = Likes { stage, updater: Deliveries::new(UPDATER), mutant, states: [false; Likes::CLIENTS] };
        drive(likes, Turns::of(plan), plan.actions).await?.check().await
    })
}

proptest! {
    #![proptest_config(config(50))]

    #[test]
    fn likes_are_exact_under_concurrency(plan in plans(1..6)) {
        if let Err(errors) = run(&plan, None) {
            prop_assert!(false, "{}", errors);
        }
    }
}

#[test]
fn detects_mutant_that_processes_nothing() {
    assert_detected(50, &plans(1..6), |plan| run(&plan, Some(Mutant::ProcessesNothing)));
}
