//! Schedules under a clock that runs with the test's own time.

use std::sync::Mutex;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use chrono::TimeDelta;

use super::*;
use crate::lambda::{Event, InvokeFailure};
use crate::testing_time::TestClock;

#[derive(Default)]
struct Function {
    failures: Mutex<usize>,
    invocations: Mutex<Vec<(String, Value, DateTime<Utc>)>>,
    clock: TestClock,
}

impl Invoker for Function {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        let event = serde_json::from_str(&event.payload).unwrap();
        self.invocations.lock().unwrap().push((function.to_owned(), event, self.clock.now()));
        let mut failures = self.failures.lock().unwrap();
        let result = if *failures > 0 {
            *failures -= 1;
            Err(InvokeFailure::TimedOut)
        } else {
            Ok("null".to_owned())
        };
        futures::future::ready(result).boxed()
    }
}

fn firing(function: &Arc<Function>) -> Firing {
    Firing {
        invoker: Arc::clone(function) as Arc<dyn Invoker>,
        clock: Arc::new(function.clock),
        ids: system::ids::random(),
    }
}

fn schedule(name: &str, expression: &str) -> Schedule {
    Schedule {
        name: name.to_owned(),
        function: format!("{name}-function"),
        expression: expression.to_owned(),
        by: By::Rule,
        input: None,
        enabled: true,
    }
}

/// Lets so much of the test's own time pass.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn schedules_fire_on_time_with_the_event_of_eventbridge() {
    let function = Arc::new(Function::default());
    let start = function.clock.now();
    let disabled = Schedule { enabled: false, ..schedule("never", "rate(1 minute)") };
    let own = Schedule { input: Some(r#"{"mine":1}"#.to_owned()), ..schedule("own", "rate(2 minutes)") };
    let all = vec![schedule("often", "rate(1 minute)"), own, disabled];
    let schedules = Schedules::start(firing(&function), all).unwrap();
    pass(59).await;
    assert!(function.invocations.lock().unwrap().is_empty());
    pass(130).await;
    schedules.stop().await;
    let invocations = function.invocations.lock().unwrap().clone();
    let of = |name: &str| invocations.iter().filter(|(function, ..)| function == name).cloned().collect::<Vec<_>>();
    let often = of("often-function");
    assert_eq!(often.len(), 3, "{invocations:?}");
    for (index, (_, event, at)) in often.iter().enumerate() {
        let due = start + TimeDelta::minutes(index as i64 + 1);
        assert!(*at - due < TimeDelta::seconds(1));
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["source"], "aws.events");
        assert_eq!(event["time"], due.to_rfc3339_opts(SecondsFormat::Secs, true));
        assert_eq!(event["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/often");
    }
    assert_eq!(of("own-function").iter().map(|(_, event, _)| event["mine"].clone()).collect::<Vec<_>>(), [1]);
    assert!(of("never-function").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_invocation_is_retried_twice_with_the_same_event() {
    let function = Arc::new(Function { failures: Mutex::new(5), ..Function::default() });
    let schedules = Schedules::start(firing(&function), vec![schedule("daily", "rate(1 day)")]).unwrap();
    pass(86_400 + 600).await;
    let invocations = function.invocations.lock().unwrap().clone();
    assert_eq!(invocations.len(), 3);
    assert!(invocations.iter().all(|(_, event, _)| *event == invocations[0].1));
    let gaps: Vec<i64> = invocations.windows(2).map(|pair| (pair[1].2 - pair[0].2).num_seconds()).collect();
    assert_eq!(gaps, [60, 120]);

    assert!(!schedules.fire("unknown").await);
    *function.failures.lock().unwrap() = 0;
    assert!(schedules.fire("daily").await);
    assert_eq!(function.invocations.lock().unwrap().len(), 4);
    schedules.stop().await;
}

#[tokio::test(start_paused = true)]
async fn scheduler_events_resolve_context_attributes_in_inputs() {
    let function = Arc::new(Function::default());
    let plain = Schedule { by: By::Scheduler, ..schedule("plain", "rate(1 day)") };
    let input = r#"{"at": "<aws.scheduler.scheduled-time>", "arn": "<aws.scheduler.schedule-arn>"}"#.to_owned();
    let filled = Schedule { input: Some(input), by: By::Scheduler, ..schedule("filled", "rate(1 day)") };
    let schedules = Schedules::start(firing(&function), vec![plain, filled]).unwrap();
    let now = function.clock.now().to_rfc3339_opts(SecondsFormat::Secs, true);
    assert!(schedules.fire("plain").await && schedules.fire("filled").await);
    schedules.stop().await;
    let invocations = function.invocations.lock().unwrap().clone();
    let [(_, plain, _), (_, filled, _)] = &invocations[..] else { panic!("{invocations:?}") };
    let arn = |name: &str| format!("arn:aws:scheduler:us-east-1:000000000000:schedule/default/{name}");
    assert_eq!((&plain["source"], &plain["detail"]), (&json!("aws.scheduler"), &json!("{}")));
    assert_eq!(plain["resources"], json!([arn("plain")]));
    assert_eq!(filled, &json!({"at": now, "arn": arn("filled")}));
}

#[tokio::test]
async fn rejects_unknown_expressions_with_the_name_of_the_schedule() {
    let function = Arc::new(Function::default());
    let error = Schedules::start(firing(&function), vec![schedule("odd", "cron(0 12 L * ? *)")]).unwrap_err();
    assert!(error.to_string().contains("odd") && error.to_string().contains('L'), "{error}");
}
