//! Starts audits of everything that follows from purchases: every day of what has changed, every month and by
//! `POST /api/admin/audits` of everything. `GET` lists audits, and reports the progress and the findings of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::audit::{Checked, FindingKind, Scope};
use domain::id::AuditId;
use http::{Method, StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, InvocationError, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::job::{JobError, enqueue};
use runtime::messaging::Queue;
use runtime::task::{self, TaskHandler};
use serde_json::{Value, json};
use store::{AuditReport, Audits, StartedAudit};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "start-audit", start };

fn start(context: &FunctionContext) -> StartResult {
    task::start_with_http(context, FUNCTION, Access::SignedIn, |setup| StartAudit {
        audits: Audits::open(setup),
        queue: setup.queue("AUDIT_QUEUE_URL"),
    })
}

#[derive(Clone)]
struct StartAudit {
    audits: Audits,
    queue: Arc<dyn Queue>,
}

impl StartAudit {
    async fn start(&self, scope: Scope, deadline: Instant) -> Result<(AuditId, Scope), JobError> {
        let StartedAudit { audit, scope, tasks } = self.audits.start(scope).await?;
        enqueue(self.queue.as_ref(), &tasks, deadline).await?;
        tracing::info!(auditId = audit.as_str(), %scope, tasks = tasks.len(), "audit started");
        Ok((audit, scope))
    }

    async fn report(&self, request: &Request) -> Result<Response, Problem> {
        let audit: Option<AuditId> = request.has_path("auditId").then(|| request.path("auditId")).transpose()?;
        let Some(audit) = audit else {
            return Ok(Response::json(StatusCode::OK, &json!({"audits": self.audits.latest().await?})));
        };
        let report = self.audits.report(&audit).await?;
        let report = report.ok_or_else(|| Problem::NotFound(format!("there is no audit {audit}")))?;
        Ok(Response::json(StatusCode::OK, &body(&audit, &report)))
    }
}

impl TaskHandler for StartAudit {
    fn run<'a>(&'a self, input: Value, invocation: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>> {
        Box::pin(async move {
            let failed = |message: String| InvocationError { message };
            let scope = requested_scope(&input).map_err(|error| failed(format!("scope {error}")))?;
            let started = self.start(scope, invocation.deadline).await;
            let (audit, scope) = started.map_err(|error| failed(error.to_string()))?;
            Ok(json!({"auditId": audit, "scope": scope}))
        })
    }
}

impl HttpHandler for StartAudit {
    fn parameters_of(&self, method: &Method) -> &'static [&'static str] {
        if *method == Method::POST { &["scope"] } else { &[] }
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may start and read audits".to_owned()));
            }
            if request.method() != Method::POST {
                return self.report(&request).await;
            }
            let scope = request.query("scope")?.unwrap_or(Scope::Full);
            match self.start(scope, request.deadline).await {
                Ok((audit, scope)) => {
                    let response = Response::json(StatusCode::ACCEPTED, &json!({"auditId": audit, "scope": scope}));
                    Ok(response.with_header(header::LOCATION, &format!("/api/admin/audits/{audit}")))
                }
                Err(JobError::Store(error)) => Err(error.into()),
                Err(error @ JobError::Queue(_)) => {
                    tracing::warn!(error = %error, "audit not started: {error}");
                    Err(Problem::Unavailable)
                }
            }
        })
    }
}

/// The scope in the input of a scheduled task; by default, changes.
fn requested_scope(input: &Value) -> Result<Scope, String> {
    match input.get("scope") {
        None => Ok(Scope::Changes),
        Some(scope) => scope.as_str().unwrap_or_default().parse(),
    }
}

fn body(audit: &AuditId, report: &AuditReport) -> Value {
    let checked: BTreeMap<String, i64> = Checked::ALL
        .iter()
        .map(|kind| (kind.to_string(), report.checked.get(kind).copied().unwrap_or_default()))
        .collect();
    let found: BTreeMap<String, i64> = FindingKind::ALL
        .iter()
        .map(|kind| (kind.to_string(), report.found.get(kind).copied().unwrap_or_default()))
        .collect();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|found| json!({"type": found.kind, "subject": found.subject, "repaired": found.kind.is_repaired()}))
        .collect();
    json!({
        "auditId": audit,
        "scope": report.scope,
        "from": report.since,
        "status": if report.is_done { "done" } else { "running" },
        "startedAt": report.started_at,
        "asOf": report.as_of,
        "checked": checked,
        "found": found,
        "findings": findings,
    })
}
