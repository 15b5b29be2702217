//! The monthly bill: what was used, at list prices.
//!
//! Nothing is measured here. [`Month`] holds quantities, [`PRICES`] states the price of each and which resources of the template
//! it comes from, and [`lines`](Month::lines) multiplies. Free tiers are left out, so an account's first month is cheaper.

use serde_json::Value;

/// Bytes of what AWS bills as a gigabyte.
const GIGABYTE: f64 = (1_u64 << 30) as f64;

/// A million of anything.
const MILLION: f64 = 1_000_000.0;

/// Hours of a month, as AWS counts them.
pub const HOURS: f64 = 730.0;

/// The usage of a month.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Month {
    /// Requests that the HTTP API answers.
    pub api_requests: f64,
    /// Bytes that go out to clients.
    pub out_bytes: f64,
    /// Invocations of functions, those of the authorizer too.
    pub invocations: f64,
    /// Gigabytes of memory times seconds.
    pub gigabyte_seconds: f64,
    /// Write request units.
    pub write_units: f64,
    /// Read request units.
    pub read_units: f64,
    /// Bytes in tables.
    pub table_bytes: f64,
    /// Bytes in tables that can be restored to a point in time.
    pub backup_bytes: f64,
    /// Deliveries of streams.
    pub deliveries: f64,
    /// Bytes that logs take in.
    pub log_bytes: f64,
    /// Bytes of logs that are kept.
    pub kept_log_bytes: f64,
    /// Metrics of Tally's own.
    pub metrics: f64,
    /// Metrics that alarms watch.
    pub alarms: f64,
    /// Dashboards.
    pub dashboards: f64,
    /// Requests to queues, those of Lambda's pollers too.
    pub queue_requests: f64,
    /// Times that a schedule fires.
    pub schedules: f64,
    /// Secrets.
    pub secrets: f64,
    /// Times that a secret is read.
    pub secret_reads: f64,
    /// Requests to keys that are not AWS's own.
    pub key_requests: f64,
}

/// A price in us-east-1.
#[derive(Debug)]
pub struct Price {
    /// The line of the bill.
    pub name: &'static str,
    /// The unit, as the price list names it.
    pub unit: &'static str,
    /// The number of basic units per unit.
    size: f64,
    /// Dollars a unit.
    pub dollars: f64,
    /// The usage of a month, in basic units.
    used: fn(&Month) -> f64,
    /// The page with the price.
    pub source: &'static str,
    /// The types of the template's resources, and of the events of functions, that it comes from.
    pub resources: &'static [&'static str],
}

/// The template's resources that cost nothing.
pub const FREE: [&str; 1] = ["AWS::IAM::Role"];

const API: &str = "https://aws.amazon.com/api-gateway/pricing/";
const LAMBDA: &str = "https://aws.amazon.com/lambda/pricing/";
const DYNAMODB: &str = "https://aws.amazon.com/dynamodb/pricing/on-demand/";
const CLOUDWATCH: &str = "https://aws.amazon.com/cloudwatch/pricing/";
const SECRETS: &str = "https://aws.amazon.com/secrets-manager/pricing/";
const TABLE: &[&str] = &["AWS::DynamoDB::Table"];
const FUNCTION: &[&str] = &["AWS::Serverless::Function"];

/// List prices of us-east-1, for functions on arm64 and tables on demand. They are those of November 2025.
pub const PRICES: [Price; 20] = [
    Price {
        name: "API requests",
        unit: "million requests",
        size: MILLION,
        dollars: 1.00,
        used: |month| month.api_requests,
        source: API,
        resources: &["AWS::Serverless::HttpApi", "HttpApi"],
    },
    Price {
        name: "answers to clients",
        unit: "GB out",
        size: GIGABYTE,
        dollars: 0.09,
        used: |month| month.out_bytes,
        source: "https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer",
        resources: &["AWS::Serverless::HttpApi"],
    },
    Price {
        name: "functions, requests",
        unit: "million invocations",
        size: MILLION,
        dollars: 0.20,
        used: |month| month.invocations,
        source: LAMBDA,
        resources: FUNCTION,
    },
    Price {
        name: "functions, duration",
        unit: "million GB-s",
        size: MILLION,
        dollars: 13.3334,
        used: |month| month.gigabyte_seconds,
        source: LAMBDA,
        resources: FUNCTION,
    },
    Price {
        name: "writes",
        unit: "million units",
        size: MILLION,
        dollars: 0.625,
        used: |month| month.write_units,
        source: DYNAMODB,
        resources: TABLE,
    },
    Price {
        name: "reads",
        unit: "million units",
        size: MILLION,
        dollars: 0.125,
        used: |month| month.read_units,
        source: DYNAMODB,
        resources: TABLE,
    },
    Price {
        name: "storage",
        unit: "GB",
        size: GIGABYTE,
        dollars: 0.25,
        used: |month| month.table_bytes,
        source: DYNAMODB,
        resources: TABLE,
    },
    Price {
        name: "backups (point in time)",
        unit: "GB",
        size: GIGABYTE,
        dollars: 0.20,
        used: |month| month.backup_bytes,
        source: DYNAMODB,
        resources: TABLE,
    },
    Price {
        name: "streams",
        unit: "million deliveries",
        size: MILLION,
        // Lambda's reads of streams are free.
        dollars: 0.0,
        used: |month| month.deliveries,
        source: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CostOptimization_StreamsUsage.html",
        resources: &["AWS::DynamoDB::Table", "DynamoDB"],
    },
    Price {
        name: "encryption keys",
        unit: "million requests",
        size: MILLION,
        dollars: 3.00,
        used: |month| month.key_requests,
        source: "https://aws.amazon.com/kms/pricing/",
        resources: TABLE,
    },
    Price {
        name: "logs, taken in",
        unit: "GB",
        size: GIGABYTE,
        dollars: 0.50,
        used: |month| month.log_bytes,
        source: CLOUDWATCH,
        resources: &["AWS::Logs::LogGroup"],
    },
    Price {
        name: "logs, kept",
        unit: "GB",
        size: GIGABYTE,
        dollars: 0.03,
        used: |month| month.kept_log_bytes,
        source: CLOUDWATCH,
        resources: &["AWS::Logs::LogGroup"],
    },
    Price {
        name: "metrics",
        unit: "metrics",
        size: 1.0,
        dollars: 0.30,
        used: |month| month.metrics,
        source: CLOUDWATCH,
        resources: FUNCTION,
    },
    Price {
        name: "alarms",
        unit: "alarm metrics",
        size: 1.0,
        dollars: 0.10,
        used: |month| month.alarms,
        source: CLOUDWATCH,
        resources: &["AWS::CloudWatch::Alarm"],
    },
    Price {
        name: "dashboards",
        unit: "dashboards",
        size: 1.0,
        dollars: 3.00,
        used: |month| month.dashboards,
        source: CLOUDWATCH,
        resources: &["AWS::CloudWatch::Dashboard"],
    },
    Price {
        name: "queues",
        unit: "million requests",
        size: MILLION,
        dollars: 0.40,
        used: |month| month.queue_requests,
        source: "https://aws.amazon.com/sqs/pricing/",
        resources: &["AWS::SQS::Queue", "SQS"],
    },
    Price {
        name: "schedules",
        unit: "million events",
        size: MILLION,
        // Rules of the default bus are free; the invoked functions are not.
        dollars: 0.0,
        used: |month| month.schedules,
        source: "https://aws.amazon.com/eventbridge/pricing/",
        resources: &["Schedule"],
    },
    Price {
        name: "scheduler",
        unit: "million invocations",
        size: MILLION,
        dollars: 1.00,
        // The template has rules, and no schedules of EventBridge Scheduler.
        used: |_| 0.0,
        source: "https://aws.amazon.com/eventbridge/pricing/",
        resources: &["ScheduleV2"],
    },
    Price {
        name: "secrets",
        unit: "secrets",
        size: 1.0,
        dollars: 0.40,
        used: |month| month.secrets,
        source: SECRETS,
        resources: &["AWS::SecretsManager::Secret"],
    },
    Price {
        name: "secrets, reads",
        unit: "million reads",
        size: MILLION,
        dollars: 5.00,
        used: |month| month.secret_reads,
        source: SECRETS,
        resources: &["AWS::SecretsManager::Secret"],
    },
];

/// A line of the bill.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The purpose.
    pub price: &'static Price,
    /// The number of units.
    pub units: f64,
    /// Their cost, in US dollars.
    pub dollars: f64,
}

impl Month {
    /// Every line, those of nothing too.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let line = |price: &'static Price| {
            let units = (price.used)(self) / price.size;
            Line { price, units, dollars: units * price.dollars }
        };
        PRICES.iter().map(line).collect()
    }

    /// The total cost, in US dollars.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.lines().iter().map(|line| line.dollars).sum()
    }
}

/// The bytes that DynamoDB adds to each stored item.
pub const STORED_WITH: u64 = 100;

/// The bytes that it adds to items of tables with transactional writes.
pub const STORED_WITH_TRANSACTIONS: u64 = 48;

/// The size of an item in the JSON of DynamoDB, as DynamoDB counts it
/// ([item sizes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)).
#[must_use]
pub fn item_size(item: &serde_json::Map<String, Value>) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + value_size(value)).sum()
}

fn value_size(value: &Value) -> u64 {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    let text = |value: &Value| value.as_str().unwrap_or_default().len() as u64;
    let binary = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        (text.trim_end_matches('=').len() * 3 / 4) as u64
    };
    let all = |size: &dyn Fn(&Value) -> u64| value.as_array().into_iter().flatten().map(size).sum::<u64>();
    match kind.as_str() {
        "S" => text(value),
        "N" => number_size(value),
        "B" => binary(value),
        "SS" => all(&text),
        "NS" => all(&number_size),
        "BS" => all(&binary),
        "L" => 3 + all(&|value| 1 + value_size(value)),
        "M" => {
            let parts = value.as_object().into_iter().flatten();
            3 + parts.map(|(name, value)| 1 + name.len() as u64 + value_size(value)).sum::<u64>()
        }
        // BOOL and NULL.
        _ => 1,
    }
}

/// A byte for two digits and one more; zeros at either end do not count.
fn number_size(number: &Value) -> u64 {
    let digits: String = number.as_str().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    (digits.trim_matches('0').len().div_ceil(2) + 1) as u64
}

/// How many of so many tracks are played at least once by so many plays, if the n-th most popular one is played 1/n as often
/// as the first.
#[must_use]
pub fn expected_distinct(tracks: usize, plays: f64) -> f64 {
    let harmonic: f64 = (1..=tracks).map(|rank| 1.0 / rank as f64).sum();
    (1..=tracks).map(|rank| 1.0 - (-plays / harmonic / rank as f64).exp()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_bill_is_the_one_computed_by_hand() {
        let month = Month {
            api_requests: 1_000_000.0,
            out_bytes: 2.0 * GIGABYTE,
            invocations: 5_000_000.0,
            gigabyte_seconds: 30_000.0,
            write_units: 20_000_000.0,
            read_units: 40_000_000.0,
            table_bytes: 10.0 * GIGABYTE,
            backup_bytes: 8.0 * GIGABYTE,
            deliveries: 3_000_000.0,
            log_bytes: 4.0 * GIGABYTE,
            kept_log_bytes: 12.0 * GIGABYTE,
            metrics: 10.0,
            alarms: 15.0,
            dashboards: 1.0,
            queue_requests: 5_000_000.0,
            schedules: 9_000.0,
            secrets: 1.0,
            secret_reads: 20_000.0,
            key_requests: 100_000.0,
        };
        let by_hand = [
            ("API requests", 1.00),
            ("answers to clients", 0.18),
            ("functions, requests", 1.00),
            ("functions, duration", 0.400_002),
            ("writes", 12.50),
            ("reads", 5.00),
            ("storage", 2.50),
            ("backups (point in time)", 1.60),
            ("streams", 0.0),
            ("encryption keys", 0.30),
            ("logs, taken in", 2.00),
            ("logs, kept", 0.36),
            ("metrics", 3.00),
            ("alarms", 1.50),
            ("dashboards", 3.00),
            ("queues", 2.00),
            ("schedules", 0.0),
            ("scheduler", 0.0),
            ("secrets", 0.40),
            ("secrets, reads", 0.10),
        ];
        for (line, (name, dollars)) in month.lines().iter().zip(by_hand) {
            assert_eq!(line.price.name, name);
            assert!(close(line.dollars, dollars), "{name}: {} is not {dollars}", line.dollars);
        }
        assert!(close(month.total(), 36.840_002), "{}", month.total());
    }

    #[test]
    fn an_item_is_as_large_as_dynamodb_says() {
        let item = json!({
            "pk": {"S": "TRACK#é"}, "n": {"N": "-120.50"}, "zero": {"N": "0"}, "on": {"BOOL": true},
            "b": {"B": "AQIDBA=="}, "set": {"SS": ["a", "bc"]},
            "map": {"M": {"a": {"N": "7"}, "list": {"L": [{"S": "x"}, {"NULL": true}]}}},
        });
        let [pk, n, zero, on, b, set] = [2 + 8, 1 + 3, 4 + 1, 2 + 1, 1 + 4, 3 + 3];
        let list = 4 + 3 + (1 + 1) + (1 + 1);
        let map = 3 + 3 + (1 + 1 + 2) + (1 + list);
        assert_eq!(item_size(item.as_object().unwrap()), pk + n + zero + on + b + set + map);
    }

    #[test]
    fn few_plays_meet_as_many_tracks_and_many_plays_meet_all() {
        assert!((expected_distinct(1_000, 0.001) - 0.001).abs() < 1e-6);
        assert!((expected_distinct(100, 1e9) - 100.0).abs() < 1e-6);
    }

    #[test]
    fn every_resource_of_the_template_that_costs_money_has_a_line() {
        let known: BTreeSet<&str> = PRICES.iter().flat_map(|price| price.resources).copied().chain(FREE).collect();
        let types = local::functions::TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("Type: "));
        // Types of parameters have no domain, and no events are called so.
        let parameters = ["String", "Number", "CommaDelimitedList"];
        let unknown: BTreeSet<&str> =
            types.filter(|kind| !parameters.contains(kind) && !known.contains(kind)).collect();
        assert!(unknown.is_empty(), "no line of the bill is for {unknown:?}");
    }
}
