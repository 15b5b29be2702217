//! `GET /api/purchases/analytics`: what purchases brought in, what sells, and who comes back.

mod query;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::analytics::Uniques;
use domain::calendar::Period;
use domain::date_range::DateRange;
use domain::distinct::Buyers;
use domain::purchase::{Buyer, ItemType};
use domain::revenue::{AmountsTrend, CohortFigures, Figures, Trend, percent, ratio};
use domain::revenue_totals::{Ranking, TotalsByKey};
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::{Value, json};
use store::{BuyerSummary, RevenueByPeriod, RevenueReader, StoreError, TopItems};
use system::clock::Clock;
use tokio::time::Instant;

use query::AnalyticsQuery;

/// The function.
pub const FUNCTION: Function = Function { name: "get-purchase-analytics", start };

/// The number of top items that are listed.
const TOP: usize = 10;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetPurchaseAnalytics {
        reading: RevenueReader::open(setup),
        clock: setup.clock(),
    })
}

struct GetPurchaseAnalytics {
    reading: RevenueReader,
    clock: Arc<dyn Clock>,
}

/// What was read of some days.
struct Sold {
    rows: RevenueByPeriod,
    types: BTreeMap<ItemType, TotalsByKey>,
    all: TotalsByKey,
    buyers: Buyers,
}

impl GetPurchaseAnalytics {
    /// What was sold on these days; `known` are those of them on which anything can have been.
    async fn sold(
        &self,
        days: &DateRange,
        known: Option<DateRange>,
        query: &AnalyticsQuery,
        until: Instant,
    ) -> Result<Sold, StoreError> {
        let (parts, fewest) = known.map(|known| (query.parts(&known), known.parts())).unwrap_or_default();
        let (rows, buyers) = futures::try_join!(self.reading.rows_of(&parts), self.reading.buyers(&fewest, until))?;
        let types = rows.within(days);
        let mut all = TotalsByKey::default();
        types.values().for_each(|by_key| all.merge(by_key));
        Ok(Sold { rows, types, all, buyers })
    }

    async fn top(&self, days: Option<DateRange>, by: Ranking, until: Instant) -> Result<TopItems, StoreError> {
        let parts = days.map(|days| days.parts()).unwrap_or_default();
        self.reading.top(&parts, by, TOP, until).await
    }

    async fn cohorts(&self, days: Option<DateRange>, now: Time) -> Result<Vec<Value>, StoreError> {
        let months = days.map(|days| days.months()).unwrap_or_default();
        let (Some(first), Some(last)) = (months.first(), months.last()) else { return Ok(Vec::new()) };
        let cohorts = self.reading.cohorts(*first, *last).await?;
        // A cohort is empty where all of it turned out to have bought before.
        let cohorts =
            cohorts.iter().filter(|cohort| cohort.bought.get(&cohort.month).is_some_and(|buyers| *buyers > 0));
        let told = cohorts.map(|cohort| json!(CohortFigures::of(&cohort.month, &cohort.bought, &months, now)));
        Ok(told.collect())
    }

    async fn buyer(&self, buyer: Option<&Buyer>) -> Result<Value, StoreError> {
        let Some(buyer) = buyer else { return Ok(Value::Null) };
        Ok(pattern(buyer, self.reading.pattern(buyer).await?.as_ref()))
    }

    async fn answer(&self, request: &Request, query: &AnalyticsQuery, now: Time) -> Result<(Value, Time), Problem> {
        let until = request.deadline;
        let first_month = self.reading.first_month().await?;
        let days = query.days(first_month.as_ref(), now)?;
        let points = query.points(&days)?;
        // Nothing was sold before the first sale, and nothing will have been after the present month.
        let known =
            |days: &DateRange| first_month.and_then(|first| days.between_times(first.start(), query::month(now).end()));
        let before = days.before();
        let (known_now, known_before) = (known(&days), before.as_ref().and_then(known));
        AnalyticsQuery::check(known_now.as_ref())?;
        let (sold, sold_before, cohorts, buyer) = futures::try_join!(
            self.sold(&days, known_now, query, until),
            async {
                match &before {
                    Some(before) => self.sold(before, known_before, query, until).await.map(Some),
                    None => Ok(None),
                }
            },
            self.cohorts(known_now, now),
            self.buyer(query.buyer.as_ref()),
        )?;
        let figures = Figures::of(&sold.all);
        let currency = query.currency.or(figures.main_currency());
        let (by_purchases, by_revenue) = futures::try_join!(self.top(known_now, Ranking::Purchases, until), async {
            match currency {
                Some(currency) => self.top(known_now, Ranking::Net(currency), until).await.map(Some),
                None => Ok(None),
            }
        })?;
        let mut months: Vec<Value> =
            days.months().iter().map(|month| of_month(month, &days.within(month), &sold.rows)).collect();
        months.reverse();
        let points: Vec<Value> = points.iter().map(|point| of_point(point, &sold.rows)).collect();
        let as_of = sold.rows.as_of.unwrap_or(now);
        let mut body = json!({
            "range": {"from": days.first().to_string(), "to": days.last().to_string()},
            "buyers": distinct(&sold),
            "itemTypes": item_types(&sold, figures.purchases),
            "courseToTest": course_to_test(&sold),
            "paymentMethods": payment_methods(&sold.all, figures.purchases),
            "top": {
                "byPurchases": top(&by_purchases),
                "byRevenue": by_revenue.map(|of| with(top(&of), json!({"currency": currency}))),
            },
            "months": months,
            "series": {"interval": query.interval(), "points": points},
            "trend": before.zip(sold_before).map(|(days, before)| trend(&days, &before, &sold)),
            "cohorts": cohorts,
            "buyer": buyer,
        });
        body = with(body, json!(figures));
        Ok((body, as_of))
    }
}

impl HttpHandler for GetPurchaseAnalytics {
    fn parameters(&self) -> &'static [&'static str] {
        &["from", "to", "interval", "currency", "userId", "guestId"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may read purchase analytics".to_owned()));
            }
            let query = AnalyticsQuery::of(&request)?;
            let (body, as_of) = self.answer(&request, &query, Time::from(self.clock.now())).await?;
            Ok(Response::read(&request, body, as_of))
        })
    }
}

/// An object with the fields of another.
fn with(mut body: Value, fields: Value) -> Value {
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn all_types(types: &BTreeMap<ItemType, TotalsByKey>) -> TotalsByKey {
    let mut all = TotalsByKey::default();
    types.values().for_each(|by_key| all.merge(by_key));
    all
}

fn of_month(month: &Period, days: &DateRange, rows: &RevenueByPeriod) -> Value {
    with(json!({"month": month.to_string()}), json!(Figures::of(&all_types(&rows.within(days)))))
}

fn of_point(days: &DateRange, rows: &RevenueByPeriod) -> Value {
    let span = json!({"from": days.first().start(), "to": days.last().end()});
    with(span, json!(Figures::of(&all_types(&rows.within(days)))))
}

/// Each of the buyers has bought at least once, which an estimate does not know.
fn buyers(sold: &Sold) -> i64 {
    let purchases = u64::try_from(sold.all.counts().purchases).unwrap_or_default();
    i64::try_from(sold.buyers.count_among(purchases)).unwrap_or(i64::MAX)
}

fn distinct(sold: &Sold) -> Value {
    with(json!({"count": buyers(sold)}), json!(Uniques::of(&sold.buyers)))
}

fn purchases_of(sold: &Sold, kind: ItemType) -> i64 {
    sold.types.get(&kind).map_or(0, |by_key| by_key.counts().purchases)
}

fn item_types(sold: &Sold, purchases: i64) -> Vec<Value> {
    let of_type = |(kind, by_key): (&ItemType, &TotalsByKey)| {
        let figures = Figures::of(by_key);
        let head = json!({"itemType": kind, "share": percent(figures.purchases, purchases)});
        with(head, json!(figures))
    };
    sold.types.iter().map(of_type).collect()
}

/// How many courses were bought for each test.
fn course_to_test(sold: &Sold) -> Option<f64> {
    ratio(purchases_of(sold, ItemType::Course), purchases_of(sold, ItemType::Test))
}

fn payment_methods(all: &TotalsByKey, purchases: i64) -> Vec<Value> {
    let of_method = |(method, by_key): (&_, &TotalsByKey)| {
        let figures = Figures::of(by_key);
        let head = json!({"paymentMethod": method, "share": percent(figures.purchases, purchases)});
        with(head, json!(figures))
    };
    all.by_method().iter().map(of_method).collect()
}

fn top(top: &TopItems) -> Value {
    let items: Vec<Value> =
        top.items.iter().map(|(item, by_key)| with(json!(item), json!(Figures::of(by_key)))).collect();
    json!({"exact": top.is_exact, "items": items})
}

fn trend(days: &DateRange, before: &Sold, now: &Sold) -> Value {
    json!({
        "range": {"from": days.first().to_string(), "to": days.last().to_string()},
        "purchases": Trend::of(before.all.counts().purchases, now.all.counts().purchases),
        "buyers": Trend::of(buyers(before), buyers(now)),
        "currencies": AmountsTrend::of(&before.all, &now.all),
    })
}

fn pattern(buyer: &Buyer, pattern: Option<&BuyerSummary>) -> Value {
    let figures = pattern.map_or_else(|| Figures::of(&TotalsByKey::default()), |pattern| Figures::of(&pattern.by_key));
    let mut told = json!({
        "userId": buyer.user(),
        "guestId": buyer.guest(),
        "firstPurchasedAt": pattern.map(|pattern| pattern.first),
        "lastPurchasedAt": pattern.map(|pattern| pattern.last),
    });
    told = with(told, json!(figures));
    // How often something was given back to somebody is not counted, only how much.
    let currencies = told.get_mut("currencies").and_then(Value::as_array_mut);
    for amounts in currencies.into_iter().flatten().filter_map(Value::as_object_mut) {
        amounts.remove("totalRefunds");
    }
    told
}
