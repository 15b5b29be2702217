//! Telling crawlers by their user agent.

use woothee::parser::Parser;

/// Whether a user agent is a crawler's: a program that fetches pages without a user.
///
/// HTTP libraries are none: behind `okhttp` or `CFNetwork` is an app of a listener.
#[must_use]
pub fn is_crawler(user_agent: &str) -> bool {
    Parser::new().parse(user_agent).is_some_and(|found| found.category == "crawler")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_crawlers_from_people_and_apps() {
        for crawler in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
            "facebookexternalhit/1.1",
        ] {
            assert!(is_crawler(crawler), "{crawler}");
        }
        for person in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Safari/604.1",
            "okhttp/4.12.0",
            "curl/8.5.0",
            "",
        ] {
            assert!(!is_crawler(person), "{person}");
        }
    }
}
