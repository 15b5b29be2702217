//! Asking for the numbers of packages: by their ids or by their creator, in pages, and only if they have changed.

use serde_json::{Value, json};

use super::api::Deed::{Like, Rate};
use super::api::{Api, Deeds, EVE, SAM, SUE, TIM, named, names, numbers};

fn ids(body: &Value) -> Vec<&str> {
    let packages = body["packages"].as_array().unwrap().iter();
    packages.map(|package| package["packageId"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_several_packages_at_once() {
    let (api, mut deeds) = (Api::start().await, Deeds::default());
    api.quizzes(&["q", "r"]).await;
    for (id, quizzes) in [("a", &["q"] as &[&str]), ("b", &["r"]), ("c", &["q", "r"])] {
        api.made(id, quizzes).await;
    }
    for (person, quiz, deed) in [(SAM, "q", Like), (SUE, "q", Rate(2)), (SAM, "r", Like), (SUE, "r", Like)] {
        api.does(&mut deeds, person, quiz, deed).await;
    }
    api.app.settled().await;
    for query in
        ["?packageId=c,a&packageId=nope&packageId=b", "?packageId=c&packageId=a,nope,b", "?packageId=c,a,nope,b"]
    {
        let answer = api.asked(SAM, query, &[]).await;
        assert_eq!((answer.status.as_u16(), ids(&answer.body)), (200, vec!["c", "a", "b"]), "{query}");
        assert_eq!(answer.body["unknown"], json!(["nope"]));
        let told: Vec<_> = answer.body["packages"].as_array().unwrap().iter().map(numbers).collect();
        assert_eq!(told, [deeds.of(&["q", "r"]), deeds.of(&["q"]), deeds.of(&["r"])]);
        let newest = answer.body["packages"].as_array().unwrap().iter().map(|one| one["asOf"].as_str().unwrap()).max();
        assert_eq!(answer.body["asOf"].as_str(), newest);
    }
    // A repeated id is answered once.
    let answer = api.asked(SAM, "?packageId=a,b&packageId=a,nope,nope", &[]).await;
    assert_eq!((ids(&answer.body), &answer.body["unknown"]), (vec!["a", "b"], &json!(["nope"])));
    // Of several that there are not, each is listed; one alone is not found.
    let answer = api.asked(SAM, "?packageId=nope,never", &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.body["unknown"]), (200, &json!(["nope", "never"])));
    assert!(ids(&answer.body).is_empty());
    for query in ["?packageId=nope", "?packageId=nope,nope"] {
        let answer = api.asked(SAM, query, &[]).await;
        assert_eq!(answer.is_problem(404)["detail"], "there is no package nope", "{query}");
    }
    // As many as there may be.
    let answer = api.asked(SAM, &format!("?packageId={},b", names("n", 0..99).join(",")), &[]).await;
    assert_eq!((ids(&answer.body), answer.body["unknown"].as_array().unwrap().len()), (vec!["b"], 99));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::start().await;
    api.made::<&str>("p", &[]).await;
    let many = names("n", 0..101).join(",");
    for (query, field) in [
        ("", "packageId"),
        ("?limit=5", "packageId"),
        ("?packageId=", "packageId"),
        ("?packageId=p,", "packageId"),
        ("?packageId=a%20b", "packageId"),
        ("?packageId=p&creatorId=tim", "creatorId"),
        ("?packageId=p&limit=5", "limit"),
        ("?packageId=p&cursor=0123456789abcdef70", "cursor"),
        ("?creatorId=", "creatorId"),
        ("?creatorId=a%20b", "creatorId"),
        ("?creatorId=tim&creatorId=eve", "creatorId"),
        ("?creatorId=tim&limit=0", "limit"),
        ("?creatorId=tim&limit=101", "limit"),
        ("?creatorId=tim&limit=x", "limit"),
        ("?creatorId=tim&limit=", "limit"),
        ("?creatorId=tim&limit=-1", "limit"),
        ("?creatorId=tim&limit=2.5", "limit"),
        ("?creatorId=tim&limit=5,5", "limit"),
        ("?creatorId=tim&cursor=", "cursor"),
        ("?creatorId=tim&cursor=p", "cursor"),
        ("?creatorId=tim&cursor=0123456789abcdef70", "cursor"),
        (&format!("?packageId={many}"), "packageId"),
    ] {
        let answer = api.asked(TIM, query, &[]).await;
        assert_eq!(answer.is_problem(400)["errors"][0]["field"], field, "{query}");
    }
    for limit in ["1", "100"] {
        let answer = api.asked(TIM, &format!("?creatorId=tim&limit={limit}"), &[]).await;
        assert_eq!((answer.status.as_u16(), ids(&answer.body)), (200, vec!["p"]), "{limit}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_creator_are_paged() {
    let api = Api::start().await;
    // "e01" and "e01-" differ by what sorts first; the order in which they are made is another.
    let mut all = names("e", 0..21);
    all.extend(["e001-".to_owned(), "e001.".to_owned(), "E".to_owned()]);
    for id in all.iter().rev() {
        assert_eq!(api.post(EVE, &named::<&str>(id, &[])).await.status, 201);
    }
    for id in ["d", "e0011", "f"] {
        api.made::<&str>(id, &[]).await;
    }
    all.sort();
    for (limit, sizes) in [
        ("&limit=1", vec![1; 24].into_iter().chain([0]).collect()),
        ("&limit=5", vec![5, 5, 5, 5, 4]),
        ("", vec![20, 4]),
        ("&limit=12", vec![12, 12, 0]),
        ("&limit=24", vec![24, 0]),
        ("&limit=25", vec![24]),
    ] {
        let pages = api.of_creator("eve", limit).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{limit}");
        assert_eq!(pages.concat(), all, "{limit}");
    }
    assert_eq!(api.of_creator("nobody", "").await, [Vec::<String>::new()]);

    // A cursor continues its own list, for the caller who received it, and only unchanged.
    let first = api.asked(SAM, "?creatorId=eve&limit=5", &[]).await;
    let cursor = first.body["cursor"].as_str().unwrap();
    let next = api.asked(SAM, &format!("?creatorId=eve&cursor={cursor}&limit=100"), &[]).await;
    assert_eq!(ids(&next.body), all[5..], "a page may be larger than the one before");
    api.asked(TIM, &format!("?creatorId=eve&cursor={cursor}"), &[]).await.is_problem(400);
    let last = if cursor.ends_with('1') { '2' } else { '1' };
    let changed = format!("{}{last}", &cursor[..cursor.len() - 1]);
    let other = api.asked(SAM, "?creatorId=tim&limit=2", &[]).await.body["cursor"].as_str().unwrap().to_owned();
    for (creator, cursor) in [
        ("tim", cursor),
        ("eve", other.as_str()),
        ("eve", changed.as_str()),
        ("eve", &cursor[2..]),
        ("eve", &cursor[..16]),
        ("eve", "x"),
    ] {
        let answer = api.asked(SAM, &format!("?creatorId={creator}&cursor={cursor}"), &[]).await;
        assert_eq!(answer.is_problem(400)["errors"][0]["field"], "cursor", "{creator} {cursor}");
    }

    // If the last entry of a page is deleted, the next page continues after it.
    let ended = first.body["packages"][4]["packageId"].as_str().unwrap();
    assert_eq!(api.delete(EVE, ended, &[]).await.status, 204);
    let next = api.asked(SAM, &format!("?creatorId=eve&limit=100&cursor={cursor}"), &[]).await;
    assert_eq!(ids(&next.body), all[5..]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_stats_are_not_modified() {
    let api = Api::start().await;
    api.quizzes(&["q"]).await;
    api.made("p", &["q"]).await;
    api.made::<&str>("other", &[]).await;
    for query in ["?packageId=p,other", "?creatorId=tim"] {
        let mut tag = String::new();
        for (count, person) in [TIM, SAM].into_iter().enumerate() {
            api.app.settled().await;
            let read = api.asked(person, query, &[]).await;
            assert_eq!((read.status.as_u16(), read.header("cache-control")), (200, "private, no-cache"));
            assert_ne!(read.header("etag"), tag, "what others are told is something else");
            tag = read.header("etag").to_owned();
            let unchanged = api.asked(person, query, &[("if-none-match", &tag)]).await;
            assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag.as_str()));
            assert_eq!(api.asked(person, query, &[("if-none-match", "\"other\"")]).await.status, 200);
            let (deed, likes) = [(Like, 1), (super::api::Deed::Unlike, 0)][count];
            api.tries(SUE, "q", deed).await;
            api.app.settled().await;
            let changed = api.asked(person, query, &[("if-none-match", &tag)]).await;
            let package = changed.body["packages"].as_array().unwrap().iter().find(|one| one["packageId"] == "p");
            assert_eq!((changed.status.as_u16(), &package.unwrap()["totalLikes"]), (200, &json!(likes)));
        }
    }
    // Of a package too.
    let read = api.get("p").await;
    let tag = read.header("etag");
    let again = api.call((http::Method::GET, super::api::PACKAGE), "p", SAM, &[("if-none-match", tag)], "").await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag));
    let changed = api.holds::<&str>("p", &[]).await;
    let again = api.call((http::Method::GET, super::api::PACKAGE), "p", SAM, &[("if-none-match", tag)], "").await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (200, changed.header("etag")));
    api.app.finish().await;
}
