//! `GET /api/admin/dashboard`: all that an admin wants to see at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::calendar::{Calendar, Level, Period};
use domain::course_stats::{CourseFigures, CourseStatsScope};
use domain::payment::PaymentStatus;
use domain::revenue::Figures;
use domain::revenue_totals::TotalsByKey;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies, courses};
use serde_json::{Map, Value, json};
use store::{CourseStats, Inbox, Payments, RevenueByPeriod, RevenueReader};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-admin-dashboard", start };

/// The number of received payments that are listed.
const WAITING: usize = 10;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetAdminDashboard {
        payments: Payments::open(setup),
        revenue: RevenueReader::open(setup),
        numbers: CourseStats::open(setup),
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct GetAdminDashboard {
    payments: Payments,
    revenue: RevenueReader,
    numbers: CourseStats,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

/// What was brought in in a period.
fn earned(period: &Period, rows: &RevenueByPeriod) -> Value {
    let mut all = TotalsByKey::default();
    rows.periods.get(period).into_iter().flat_map(BTreeMap::values).for_each(|by_key| all.merge(by_key));
    let mut body = json!(Figures::of(&all));
    courses::merge(&mut body, Map::from_iter([("period".to_owned(), json!(period.to_string()))]));
    body
}

/// The payments that stand so; amounts by currency, those that are known.
fn payments(figures: &CourseFigures, status: PaymentStatus) -> Value {
    let (mut count, mut amounts) = (0, Map::new());
    for ((_, currency), paid) in figures.payments.iter().filter(|((is, _), paid)| *is == status && paid.payments > 0) {
        count += paid.payments;
        amounts.extend(currency.map(|currency| (currency.code().to_owned(), json!(paid.amount))));
    }
    json!({"count": count, "amounts": amounts})
}

impl HttpHandler for GetAdminDashboard {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may read this dashboard".to_owned()));
            }
            let now = Time::from(self.clock.now());
            let [day, month] = [Level::Day, Level::Month].map(|level| Calendar::default().period(level, now));
            let (own, received) = (request.user()?, PaymentStatus::Received);
            let periods = [day, month];
            let (figures, rows, waiting, unread) = futures::try_join!(
                self.numbers.of(&CourseStatsScope::All, request.deadline),
                self.revenue.rows_of(&periods),
                self.payments.page(None, Some(received), None, WAITING),
                self.inbox.unread(own),
            )?;
            let mut body = json!({
                "unread": unread,
                "totalCourses": figures.courses,
                "payments": {
                    "received": payments(&figures, received),
                    "approved": payments(&figures, PaymentStatus::Approved),
                },
                "receivedPayments": waiting.items.iter().map(bodies::payment).collect::<Vec<_>>(),
                "revenue": {"day": earned(&day, &rows), "month": earned(&month, &rows)},
            });
            courses::merge(&mut body, bodies::class(&figures));
            Ok(Response::read(&request, body, now))
        })
    }
}
