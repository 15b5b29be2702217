//! Throttling of routes: a token bucket each, as API Gateway has it
//! ([throttling of HTTP APIs](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html)).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// How many requests a route takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// At once.
    pub burst: f64,
    /// A second, on and on.
    pub rate: f64,
}

/// How many requests each route takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleConfig {
    /// Routes that are not named; none takes any number.
    pub default: Option<Throttle>,
    /// Routes by their keys.
    pub routes: BTreeMap<String, Throttle>,
}

impl ThrottleConfig {
    fn of(&self, route: &str) -> Option<Throttle> {
        self.routes.get(route).copied().or(self.default)
    }
}

/// What is left in the bucket of a route.
struct Left {
    tokens: f64,
    at: Instant,
}

/// The buckets of all routes.
#[derive(Default)]
pub(super) struct Throttles(Mutex<HashMap<String, Left>>);

impl Throttles {
    /// Whether a route takes one more request now.
    pub(super) fn admit(&self, config: &ThrottleConfig, route: &str) -> bool {
        let Some(Throttle { burst, rate }) = config.of(route) else { return true };
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = buckets.entry(route.to_owned()).or_insert(Left { tokens: burst, at: now });
        left.tokens = (left.tokens + rate * now.duration_since(left.at).as_secs_f64()).min(burst);
        left.at = now;
        let is_admitted = left.tokens >= 1.0;
        if is_admitted {
            left.tokens -= 1.0;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_route_accepts_a_burst_and_then_its_rate() {
        let config = ThrottleConfig {
            default: Some(Throttle { burst: 3.0, rate: 2.0 }),
            routes: [("GET /b".to_owned(), Throttle { burst: 1.0, rate: 1.0 })].into(),
        };
        let throttles = Throttles::default();
        let taken = |route: &str| (0..10).filter(|_| throttles.admit(&config, route)).count();
        assert_eq!((taken("GET /a"), taken("GET /b"), taken("GET /c")), (3, 1, 3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((taken("GET /a"), taken("GET /b")), (2, 1));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((taken("GET /a"), taken("GET /b")), (3, 1));
        assert!((0..1000).all(|_| throttles.admit(&ThrottleConfig::default(), "GET /a")));
    }
}
