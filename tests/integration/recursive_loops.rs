//! Chains of tasks, each of which sends the next one to its own queue, in a cloud that detects recursive loops as
//! Lambda does.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use http::Method;
use local::cloud::Source;
use local::iam::Access;
use local::lambda::LONGEST_CHAIN;
use local::template::{Surroundings, Template, read_template};
use local::wire::queue_arn;
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::clock::OffsetClock;
use crate::support::items::key;

/// How many parts the chains have.
const PARTS: usize = 1_000;

/// A function that works in tasks: its queue, and how the template sets the size of a task.
struct Chain {
    function: &'static str,
    queue: &'static str,
    dead: &'static str,
    part: &'static str,
    batch: &'static str,
    route: &'static str,
    id: &'static str,
}

const AUDIT: Chain = Chain {
    function: "AuditWorkerFunction",
    queue: "AuditQueue",
    dead: "AuditFailuresQueue",
    part: "PART_ITEMS: \"500\"",
    batch: "BatchSize: 2",
    route: "/api/admin/audits",
    id: "auditId",
};

const REFRESH: Chain = Chain {
    function: "PackageRebuildWorkerFunction",
    queue: "PackageRebuildQueue",
    dead: "PackageRebuildFailuresQueue",
    part: "PART_PACKAGES: \"20\"",
    batch: "BatchSize: 4",
    route: "/api/admin/packages/refresh",
    id: "refreshId",
};

impl Chain {
    /// The template with parts of one thing, one a batch, for a batch belongs to the longest of its chains; the loop is
    /// allowed, or not.
    fn template(&self, is_allowed: bool) -> String {
        let template = local::functions::TEMPLATE;
        let (before, own) = template.split_at(template.find(&format!("\n  {}:\n", self.function)).unwrap());
        let (name, amount) = self.part.split_once(": ").unwrap();
        assert!(own.contains(self.part), "{name} is no longer {amount}");
        assert!(own.contains(self.batch), "{} takes other batches", self.function);
        let own = own.replacen(self.part, &format!("{name}: \"1\""), 1).replacen(self.batch, "BatchSize: 1", 1);
        let allowed = "RecursiveLoop: Allow";
        assert!(
            own.find(allowed)
                < own.find("\n  PackageRebuildWorkerRole:\n").or_else(|| own.find("\n  AuditWorkerRole:\n"))
        );
        format!("{before}{}", if is_allowed { own } else { own.replacen(allowed, "RecursiveLoop: Terminate", 1) })
    }

    async fn start(&self, is_allowed: bool) -> (App, Arc<OffsetClock>) {
        let clock = Arc::new(OffsetClock::default());
        let app = App::start_with(|options| {
            options.template = Source::Text(self.template(is_allowed));
            options.clock = clock.clone();
            options.schedules = false;
        });
        (app.await, clock)
    }

    async fn begin(&self, app: &App) -> String {
        let token = app.long_token("admin");
        let begun = app.send(Method::POST, self.route, &[("authorization", &token)], "").await;
        assert_eq!(begun.status, 202, "{begun:?}");
        begun.body[self.id].as_str().unwrap().to_owned()
    }

    async fn report(&self, app: &App, id: &str) -> Value {
        let token = app.long_token("admin");
        let report = app.send(Method::GET, &format!("{}/{id}", self.route), &[("authorization", &token)], "").await;
        assert_eq!(report.status, 200, "{report:?}");
        report.body
    }

    /// Waits until what Lambda refuses to bring to its function is a dead letter.
    async fn gives_up(&self, app: &App, clock: &OffsetClock) {
        let queue = app.cloud.queue(self.queue).unwrap();
        let mut ahead = TimeDelta::zero();
        app.eventually("a dead letter", || {
            let depth = app.cloud.queues().depth(queue).unwrap();
            if depth.visible == 0 && depth.delayed == 0 {
                ahead += TimeDelta::minutes(1);
                clock.set_offset(ahead);
            }
            app.queue_depth(self.dead) == 1 && depth.total() == 0
        })
        .await;
    }
}

/// So many sales of an item in one hour: they share a partition of the ledger, and so the segment that a chain goes through.
async fn sell(app: &App) {
    let token = app.long_token("admin");
    let headers = [("authorization", token.as_str()), ("content-type", "application/json"), ("idempotency-key", "k")];
    let order = json!({
        "itemType": "course", "itemId": "algebra", "amount": 999, "currency": "USD", "paymentMethod": "card",
        "userId": "sam", "purchasedAt": "2026-01-10T12:00:00Z",
    });
    let bought = app.send(Method::POST, "/api/purchases", &headers, order.to_string()).await;
    assert_eq!(bought.status, 201, "{bought:?}");
    let hour = "SALES#COURSE#algebra#2026-01-10T12";
    let sold = app.query("PurchasesTable", hour).remove(0);
    for sale in 1..PARTS {
        let mut another = sold.clone();
        another["sk"] = json!({"S": format!("{:02}:{:02}.000#sale#s{sale}", sale / 60, sale % 60)});
        app.database("PutItem", "PurchasesTable", json!({"Item": another}));
    }
    app.settled().await;
}

/// How many parts the longest chain of an audit has, of those that have been done.
fn longest_chain(app: &App, audit: &str) -> usize {
    let mut chains: BTreeMap<String, usize> = BTreeMap::new();
    for item in app.query("StatsTable", &format!("AUDIT#{audit}")) {
        if let Some(part) = item["sk"]["S"].as_str().unwrap().strip_prefix("C#LEDGER#") {
            *chains.entry(part.split('#').next().unwrap().to_owned()).or_default() += 1;
        }
    }
    chains.into_values().max().unwrap()
}

/// So many packages of one lane.
fn list_packages(app: &App) {
    for package in 0..PARTS {
        let listed = key("PACKAGES#03", &format!("p{package:04}"));
        app.database("PutItem", "StateTable", json!({"Item": listed}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_of_thousand_tasks_completes() {
    let (app, clock) = AUDIT.start(true).await;
    sell(&app).await;
    clock.set_offset(TimeDelta::minutes(16));
    let audit = AUDIT.begin(&app).await;
    app.settled().await;
    let report = AUDIT.report(&app, &audit).await;
    assert_eq!((&report["status"], &report["findings"]), (&json!("done"), &json!([])), "{report}");
    assert!(longest_chain(&app, &audit) >= PARTS, "{report}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_stops_after_sixteen_tasks_when_recursion_is_terminated() {
    let (app, clock) = AUDIT.start(false).await;
    sell(&app).await;
    let audit = AUDIT.begin(&app).await;
    AUDIT.gives_up(&app, &clock).await;
    assert_eq!(AUDIT.report(&app, &audit).await["status"], "running");
    assert_eq!(longest_chain(&app, &audit), LONGEST_CHAIN as usize);
    app.finish_with_failures(&[AUDIT.dead]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_rebuild_of_thousand_tasks_completes() {
    let (app, _) = REFRESH.start(true).await;
    list_packages(&app);
    let refresh = REFRESH.begin(&app).await;
    app.settled().await;
    let report = REFRESH.report(&app, &refresh).await;
    assert_eq!((&report["status"], &report["packages"], &report["failed"]), (&json!("done"), &json!(PARTS), &json!(0)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_rebuild_stops_after_sixteen_tasks_when_recursion_is_terminated() {
    let (app, clock) = REFRESH.start(false).await;
    list_packages(&app);
    let refresh = REFRESH.begin(&app).await;
    REFRESH.gives_up(&app, &clock).await;
    let report = REFRESH.report(&app, &refresh).await;
    assert_eq!((&report["status"], &report["packages"]), (&json!("running"), &json!(LONGEST_CHAIN)));
    app.finish_with_failures(&[REFRESH.dead]).await;
}

fn template() -> Template {
    let parameters = [("JwtSecretArn", local::cloud::JWT_SECRET_ARN), ("AllowedOrigins", "https://www.example.com")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let surroundings = Surroundings { stack: "tally".to_owned(), sqs_url: "http://127.0.0.1:1".to_owned(), parameters };
    read_template(local::functions::TEMPLATE, &surroundings).unwrap()
}

/// Which functions a function may invoke through queues.
fn reached(template: &Template, function: &str) -> Vec<String> {
    let policy = &template.functions[function].policy;
    let may_send = |queue: &str| policy.allows(&Access::new("sqs:SendMessage", queue_arn(queue)));
    let mappings = template.queue_mappings.iter().filter(|mapping| may_send(&mapping.queue));
    mappings.map(|mapping| mapping.function.clone()).collect()
}

#[test]
fn function_in_message_cycle_declares_recursive_loop() {
    let template = template();
    let mut looping = Vec::new();
    for function in template.functions.keys() {
        let (mut met, mut ahead) = (Vec::new(), reached(&template, function));
        while let Some(next) = ahead.pop() {
            if !met.contains(&next) {
                ahead.extend(reached(&template, &next));
                met.push(next);
            }
        }
        if met.contains(function) {
            looping.push(function.as_str());
        }
    }
    let source = local::functions::TEMPLATE;
    for function in &looping {
        let block = source.split(&format!("\n  {function}:\n")).nth(1).unwrap();
        let block = block.split("\n\n").next().unwrap();
        assert!(
            block.contains("\n      RecursiveLoop: "),
            "{function} sends to a queue that leads back to it: state RecursiveLoop"
        );
    }
    let allowed: Vec<&str> = looping.iter().copied().filter(|id| template.functions[*id].may_loop).collect();
    // Each of these continues at the position in its message, and ends at the end of its range.
    assert_eq!(allowed, ["AuditWorkerFunction", "PackageRebuildWorkerFunction", "RefoldWorkerFunction"]);
    let stating = template.functions.values().filter(|config| config.may_loop).count();
    assert_eq!(stating, allowed.len(), "a function that may loop, but to which nothing leads back");
    assert!(looping.len() > allowed.len(), "the updaters send to their own queues, too");
}

#[test]
fn function_that_writes_its_source_table_filters_its_stream() {
    // Lambda does not detect these loops, for a stream carries no trace.
    let template = template();
    for mapping in &template.stream_mappings {
        let policy = &template.functions[&mapping.function].policy;
        let table = local::wire::table_arn(&mapping.table);
        let writes = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"];
        let may_write = writes.iter().any(|action| policy.allows(&Access::new(action, table.clone())));
        assert!(!may_write || !mapping.filters.is_empty(), "{} reads the stream of what it writes", mapping.function);
    }
}
