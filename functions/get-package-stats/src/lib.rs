//! `GET /api/packages/stats`: the numbers of packages, by their ids or by their creator.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::creator::is_theirs;
use domain::id::{PackageId, UserId};
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, bodies};
use serde_json::json;
use store::PackageNumbers;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-package-stats", start };

/// How many packages can be asked for at once.
const MAX_IDS: usize = 100;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetPackageStats {
        numbers: PackageNumbers::open(setup),
        clock: setup.clock(),
    })
}

struct GetPackageStats {
    numbers: PackageNumbers,
    clock: Arc<dyn Clock>,
}

/// What is asked for.
enum StatsQuery {
    These(Vec<PackageId>),
    OfCreator(UserId, Limit, Option<PackageId>),
}

impl StatsQuery {
    fn parse(request: &Request) -> Result<Self, Problem> {
        let mut query = request.query_reader();
        let (packages, creator): (Vec<PackageId>, Option<UserId>) = (query.list("packageId"), query.one("creatorId"));
        let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
        query.done()?;
        let unfit = |field| Err(Problem::query(InvalidField::new(field, "must not be given with packageId")));
        match (packages.len(), creator) {
            (0, Some(creator)) => {
                let after = cursor.map(|cursor| cursor.after(&request.caller, &scope(&creator))).transpose()?;
                Ok(Self::OfCreator(creator, limit.unwrap_or_default(), after))
            }
            (1.., Some(_)) => unfit("creatorId"),
            (1.., None) if limit.is_some() => unfit("limit"),
            (1.., None) if cursor.is_some() => unfit("cursor"),
            (1..=MAX_IDS, None) => Ok(Self::These(packages)),
            (0, None) => Err(Problem::query(InvalidField::new("packageId", "or creatorId is required"))),
            (_, None) => {
                Err(Problem::query(InvalidField::new("packageId", format!("must name at most {MAX_IDS} packages"))))
            }
        }
    }
}

/// What a cursor of this route is good for.
fn scope(creator: &UserId) -> String {
    format!("packages of {creator}")
}

impl HttpHandler for GetPackageStats {
    fn parameters(&self) -> &'static [&'static str] {
        &["packageId", "creatorId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = StatsQuery::parse(&request)?;
            let now = Time::from(self.clock.now());
            let (packages, cursor) = match &asked {
                StatsQuery::These(packages) => (packages.clone(), None),
                StatsQuery::OfCreator(creator, limit, after) => {
                    let packages = self.numbers.of_creator(creator, after.as_ref(), limit.items()).await?;
                    let last = packages.last().filter(|_| packages.len() == limit.items());
                    let cursor =
                        last.map(|last| Cursor::new(&request.caller, &scope(creator), last.as_str()).to_string());
                    (packages, cursor)
                }
            };
            let stats = self.numbers.of(&packages, request.deadline).await?;
            // Each once, in the order in which they were asked for.
            let mut told = BTreeSet::new();
            let (mut bodies, mut unknown) = (Vec::new(), Vec::new());
            for package in packages.iter().filter(|package| told.insert(*package)) {
                match stats.get(package) {
                    Some(stats) => {
                        let is_theirs = is_theirs(&request.caller, &stats.creator);
                        bodies.push(bodies::package_stats(package, stats, is_theirs));
                    }
                    None => unknown.push(package),
                }
            }
            if let ([package], [], StatsQuery::These(_)) = (unknown.as_slice(), bodies.as_slice(), &asked) {
                return Err(Problem::NotFound(format!("there is no package {package}")));
            }
            let mut body = json!({"packages": bodies});
            if let (Some(body), StatsQuery::These(_)) = (body.as_object_mut(), &asked) {
                body.insert("unknown".to_owned(), json!(unknown));
            }
            if let (Some(body), StatsQuery::OfCreator(..)) = (body.as_object_mut(), &asked) {
                body.insert("cursor".to_owned(), json!(cursor));
            }
            let as_of = stats.values().map(|stats| stats.as_of).max().unwrap_or(now);
            Ok(Response::read(&request, body, as_of))
        })
    }
}
