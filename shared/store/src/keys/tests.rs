//! Keys outlive every release: these golden keys never change.

use std::collections::BTreeSet;

use super::*;
use domain::board::{Board, Entrant, Metric, Season};
use domain::calendar::{Calendar, Level};
use domain::id::{PackageId, ProductId, PurchaseId, QuizId};
use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::purchase::Buyer;
use domain::revenue_totals::Ranking;
use domain::rollup::Scope;

fn engagements() -> [Engagement; 3] {
    let playlist = "p".parse().unwrap();
    [
        Engagement::Download { source: None },
        Engagement::Like { on: true, source: None },
        Engagement::Save { on: false, playlist },
    ]
}

#[test]
fn golden_keys_of_tracks() {
    let track = Entity::Track("t.1".parse().unwrap());
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let event: EventId = "e:1".parse().unwrap();
    let actor = Actor::User("u-1".parse().unwrap());
    let device = Actor::Device("d".parse().unwrap());
    let [plain, liked, saved] = engagements();
    let minute = Bucket { entity: track.clone(), minute: at.minute() };
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    let sk = |actor, what| fact(&track, at, &event, actor, what);
    assert_eq!(sk(&device, &plain), key("TRACK#t.1#2026-01-31T09", "07:05.040#download#e:1#a:d"));
    assert_eq!(sk(&actor, &liked), key("TRACK#t.1#2026-01-31T09", "07:05.040#like#e:1#u:u-1"));
    assert_eq!(sk(&actor, &saved), key("TRACK#t.1#2026-01-31T09", "07:05.040#save#e:1#u:u-1#p"));
    let taken = taken_over(&sk(&actor, &liked), &device);
    assert_eq!(taken, key("TRACK#t.1#2026-01-31T09", "07:05.040#like#e:1#u:u-1#a:d"));
    assert_eq!(facts_of_minute(&minute), "07:");
    assert_eq!(bucket(&minute), key("TRACK#t.1", "B#2026-01-31T09:07"));
    assert_eq!(document(&track), key("TRACK#t.1", "DOC"));
    assert_eq!(like(&actor, &track), key("ACTOR#u:u-1", "LIKE#TRACK#t.1"));
    let calendar = Calendar::default();
    let (id, artist): (TrackId, UserId) = ("t.1".parse().unwrap(), "ann".parse().unwrap());
    let hour = calendar.period(Level::Hour, at);
    let expected = ["H#2026-01-31T09:00", "D#2026-01-31", "W#2026-W05", "M#2026-01", "Y#2026"];
    for (level, sk) in Level::ALL.into_iter().zip(expected) {
        let period = calendar.period(level, at);
        assert_eq!(rollup(&Scope::Track(id.clone()), &period), key("TRACK#t.1", sk));
        assert_eq!(rollup(&Scope::Artist(artist.clone()), &period), key("ARTIST#ann", sk));
        assert_eq!(rollup(&Scope::Platform, &period), key("PLATFORM", sk));
        assert_eq!(active(&period), format!("ACTIVE#{sk}"));
    }
    assert_eq!(total(&id), key("TRACK#t.1", "T"));
    assert_eq!(changed(&id, &hour), key("TRACK#t.1", "C#2026-01-31T09:00"));
    assert_eq!(late(at, &hour, "x"), key("LATE", "2026-01-31T09:07:05.040Z#2026-01-31T09:00#x"));
    assert_eq!(frontier(), key("ROLLUPS", "FRONTIER"));
    assert_eq!(track_of(&artist, &id), key("USER#ann", "TRACK#t.1"));
    assert_eq!(moved(&id, "x"), key("MOVED", "t.1#x"));
    assert_eq!(moving(&artist, &id, "x"), key("USER#ann", "TRACKMOVING#t.1#x"));
    assert!(TRACKS_OF < MOVING && !MOVING.starts_with(TRACKS_OF));
    let actor = Actor::Session("s".parse().unwrap());
    assert_eq!(save(&actor, &track, &"p".parse().unwrap()), key("ACTOR#s:s", "SAVE#TRACK#t.1#p"));
    let (list, song, user) = ("p".parse().unwrap(), "t.1".parse().unwrap(), "u-1".parse().unwrap());
    assert_eq!(playlist(&list), key("PLAYLIST#p", "DOC"));
    assert_eq!(submission(&list, &song), key("PLAYLIST#p", "SUBMISSION#t.1"));
    assert_eq!(playlist_of(&user, &list), key("USER#u-1", "PLAYLIST#p"));
    assert_eq!(submission_of(&user, &list, &song), key("USER#u-1", "SUBMISSION#p#t.1"));
    assert_eq!((PLAYLISTS, SUBMISSIONS), ("PLAYLIST#", "SUBMISSION#"));
}

#[test]
fn golden_keys_of_quizzes_and_packages() {
    let (quiz, pack): (QuizId, PackageId) = ("q.1".parse().unwrap(), "p-1".parse().unwrap());
    let (user, of): (UserId, _) = ("u-1".parse().unwrap(), Entity::Quiz(quiz.clone()));
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    assert_eq!(interaction(&quiz, at, "rate", "x"), key("QUIZ#q.1#2026-01-31T09", "07:05.040#rate#x"));
    assert_eq!(document(&of), key("QUIZ#q.1", "DOC"));
    assert_eq!(like(&Actor::User(user.clone()), &of), key("ACTOR#u:u-1", "LIKE#QUIZ#q.1"));
    assert_eq!(rating(&user, &quiz), key("ACTOR#u:u-1", "RATING#QUIZ#q.1"));
    assert_eq!(attempt(&user, &quiz, &"a".parse().unwrap()), key("ACTOR#u:u-1", "ATTEMPT#QUIZ#q.1#a"));
    assert_eq!(quiz_total(&quiz), key("QUIZ#q.1", "T"));
    assert_eq!(package_with(&quiz, &pack), key("QUIZ#q.1", "IN#p-1"));
    assert_eq!(package(&pack), key("PACKAGE#p-1", "DOC"));
    assert_eq!(package_total(&pack), key("PACKAGE#p-1", "T"));
    assert_eq!(quiz_in_package(&pack, &quiz), key("PACKAGE#p-1", "C#QUIZ#q.1"));
    assert_eq!(sales_in_package(&pack), key("PACKAGE#p-1", "C#SALES"));
    assert_eq!(sales_of_package(&pack), key("SALES#PACKAGE#p-1", "T"));
    assert_eq!(package_of(&user, &pack), key("USER#u-1", "PACKAGE#p-1"));
    assert_eq!(listed_package(&pack), key("PACKAGES#14", "p-1"));
    let id = "r".parse().unwrap();
    assert_eq!(refresh(&id), key("REFRESH#r", "T"));
    assert_eq!(refreshed(&id, &pack), key("REFRESH#r", "C#PACKAGE#p-1"));
    assert_eq!(refreshed_lane(&id, 7), key("REFRESH#r", "C#LANE#07"));
    assert_eq!(parse_package("PACKAGE#p-1", "DOC"), Some(pack));
    for (pk, sk) in [("PACKAGE#p-1", "T"), ("PACKAGE#", "DOC"), ("PACKAGES#01", "DOC"), ("QUIZ#q", "DOC")] {
        assert_eq!(parse_package(pk, sk), None, "{pk} {sk}");
    }
}

#[test]
fn golden_keys_of_purchases() {
    let item = Item { kind: ItemType::Course, id: "c.1".parse().unwrap() };
    let (id, user): (PurchaseId, UserId) = ("p".parse().unwrap(), "ann".parse().unwrap());
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let (known, guest): (Buyer, Buyer) = ("u:ann".parse().unwrap(), "g:x:1".parse().unwrap());
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    assert_eq!(purchase(&id), key("PURCHASE#p", "DOC"));
    assert_eq!(purchase_of(&known, at, &id), key("BUYER#u:ann", "2026-01-31T09:07:05.040Z#p"));
    assert_eq!(ownership(&guest, &item), key("OWNER#g:x:1", "COURSE#c.1"));
    assert_eq!(sale(&item, at, "refund", "r"), key("SALES#COURSE#c.1#2026-01-31T09", "07:05.040#refund#r"));
    assert_eq!(sales_total(&item), key("SALES#COURSE#c.1", "T"));
    assert_eq!(answer(&user, "create-purchase", &"k".parse().unwrap()), key("ANSWERS#ann", "create-purchase#k"));
    assert_eq!(discount(&"HALF".parse().unwrap()), key("DISCOUNT#HALF", "DOC"));
    assert_eq!(done("0f1e"), key("DONE#0f1e", "DOC"));
    assert_eq!(tries(&user, at.hour()), key("TRIES#ann", "DISCOUNT#2026-01-31T09"));
    assert_eq!(sales_on(&user, at), key("SALESBY#ann", "DAY#2026-01-31"));
    for kind in ItemType::ALL {
        let item = Item { kind: *kind, id: "x".parse().unwrap() };
        let key = sale(&item, at, "sale", "p");
        let of = Bucket { entity: Entity::PurchasedItem(item), minute: at.minute() };
        assert_eq!(parse_fact(&key.pk, &key.sk), Ok((of, at, "p".parse().unwrap())));
    }
    for pk in ["SALES#SONG#x#2026-01-31T09", "SALES#COURSE#2026-01-31T09", "SALES#course#x#2026-01-31T09"] {
        assert_eq!(parse_fact(pk, "07:05.040#sale#p"), Err(ForeignKey), "{pk}");
    }
}

#[test]
fn golden_keys_of_revenue() {
    let item = Item { kind: ItemType::Course, id: "c.1".parse().unwrap() };
    let buyer: Buyer = "u:ann".parse().unwrap();
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let [day, month] = [Level::Day, Level::Month].map(|level| Calendar::default().period(level, at));
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    assert_eq!(sales_in(&item, &day), key("SALES#COURSE#c.1", "D#2026-01-31"));
    assert_eq!(revenue(&month, ItemType::Test), key("REVENUE", "M#2026-01#TEST"));
    assert_eq!(buyers_in(&day), key("REVENUE", "U#D#2026-01-31"));
    assert_eq!(revenue_of(&month, &item), key("REVENUE#M#2026-01", "C#COURSE#c.1"));
    let usd = Ranking::Net("USD".parse().unwrap());
    let placed = [
        (Ranking::Purchases, 7, "N#09223372036854775800#COURSE#c.1"),
        (usd, -1, "R#USD#09223372036854775808#COURSE#c.1"),
        (usd, i64::MAX, "R#USD#00000000000000000000#COURSE#c.1"),
        (usd, i64::MIN, "R#USD#18446744073709551615#COURSE#c.1"),
    ];
    for (by, value, sk) in placed {
        assert_eq!(ranked(&day, by, value, &item), key("REVENUE#D#2026-01-31", sk));
        assert_eq!(parse_ranked(by, sk), Ok((value, item.clone())));
        assert_eq!(parse_place(sk), Ok(item.clone()));
        assert_eq!(parse_revenue_of(sk), Err(ForeignKey));
    }
    assert_eq!(parse_ranked(usd, "R#EUR#09223372036854775808#COURSE#c.1"), Err(ForeignKey));
    assert_eq!(parse_revenue(Level::Month, "M#2026-01#TEST"), Ok(("2026-01".to_owned(), ItemType::Test)));
    assert_eq!(parse_revenue(Level::Month, "D#2026-01-31#TEST"), Err(ForeignKey));
    assert_eq!(parse_revenue_of("C#COURSE#c.1"), Ok(item.clone()));
    assert_eq!(parse_owned("COURSE#c.1"), Ok(item.clone()));
    assert_eq!(parse_bucket("B#2026-01-31T09:07"), Ok(at.minute()));
    assert_eq!(parse_bucket("B#2026-01-31T09"), Err(ForeignKey));
    assert_eq!(buyer_total(&buyer), key("BUYER#u:ann", "T"));
    assert_eq!(bought_on(&buyer, &day), key("BUYER#u:ann", "C#D#2026-01-31"));
    assert_eq!(parse_bought_on("C#D#2026-01-31"), Ok(day));
    assert_eq!(cohort_of(&buyer), key("BUYER#u:ann", "COHORT"));
    assert_eq!(cohort("2026-01"), key("COHORTS", "2026-01"));
    assert_eq!(in_cohort("2026-01", &buyer), key("COHORT#2026-01", "u:ann"));
    let among = purchase_of(&buyer, at, &"p".parse().unwrap());
    assert_eq!(parse_purchase_of(&among.pk, &among.sk), Ok((buyer, at)));
    assert_eq!(parse_purchase_of("BUYER#ann", &among.sk), Err(ForeignKey));
    let audited_by = "a".parse().unwrap();
    assert_eq!(audit(&audited_by), key("AUDIT#a", "T"));
    assert_eq!(audited(&audited_by, "COHORT#2026-01"), key("AUDIT#a", "C#COHORT#2026-01"));
    assert_eq!(finding(&audited_by, "total", "REVENUE/x"), key("AUDIT#a", "F#total#REVENUE/x"));
    assert_eq!(audit_of(at, &audited_by), key("AUDITS", "2026-01-31T09:07:05.040Z#a"));
}

#[test]
fn golden_keys_of_courses() {
    use domain::payment::PaymentStatus::{Approved, Received};
    let (course_id, student): (_, UserId) = ("c.1".parse().unwrap(), "sam".parse().unwrap());
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    assert_eq!(course(&course_id), key("COURSE#c.1", "DOC"));
    assert_eq!(enrollment(&course_id, &student), key("COURSE#c.1", "ENROLLED#sam"));
    assert_eq!(enrollment_of(&student, &course_id), key("USER#sam", "ENROLLED#c.1"));
    let (id, at) = ("s-1".parse().unwrap(), "2026-01-31T09:07:05.040Z".parse().unwrap());
    assert_eq!(score(&id), key("SCORE#s-1", "DOC"));
    assert_eq!(score_in(&course_id, at, &id), key("COURSE#c.1", "SCORE#2026-01-31T09:07:05.040Z#s-1"));
    assert_eq!(score_of(&student, at, &id), key("USER#sam", "SCORE#2026-01-31T09:07:05.040Z#s-1"));
    let date = "2026-01-31".parse().unwrap();
    assert_eq!(attendance(&course_id, &date, &student), key("COURSE#c.1", "ATTENDED#2026-01-31#sam"));
    assert_eq!(attendance_of(&student, &date, &course_id), key("USER#sam", "ATTENDED#2026-01-31#c.1"));
    assert_eq!((attended_on(None), SCORES), ("ATTENDED#".to_owned(), "SCORE#"));
    let id = "p".parse().unwrap();
    let buyer = Buyer::User(student);
    assert_eq!(payment(&id), key("PAYMENT#p", "DOC"));
    assert_eq!(
        listed_payment(Some(&buyer), Received, at, &id),
        key("PAYMENTS#u:sam#RECEIVED", "2026-01-31T09:07:05.040Z#p")
    );
    assert_eq!(listed_payment(None, Approved, at, &id), key("PAYMENTS#APPROVED", "2026-01-31T09:07:05.040Z#p"));
}

#[test]
fn golden_keys_of_products() {
    let (id, seller): (ProductId, UserId) = ("p.1".parse().unwrap(), "sally".parse().unwrap());
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let month = Calendar::default().period(Level::Month, at);
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    assert_eq!(document(&Entity::Product(id.clone())), key("PRODUCT#p.1", "DOC"));
    let sale = product_sale(&id, at, "undo", &"s".parse().unwrap());
    assert_eq!(sale, key("PRODUCT#p.1#2026-01-31T09", "07:05.040#undo#s"));
    let listed = listing(&id, at, "v");
    assert_eq!(listed, key("PRODUCT#p.1#2026-01-31T09", "07:05.040#listing#v"));
    let looked = view(&id, at, "v");
    assert_eq!(looked, key("VIEWS#p.1#2026-01-31T09", "07:05.040#view#v"));
    let product = Entity::Product(id.clone());
    for (key, entity) in [(sale, product.clone()), (listed, product), (looked, Entity::ProductViews(id.clone()))] {
        let bucket = Bucket { entity, minute: at.minute() };
        assert_eq!(parse_fact(&key.pk, &key.sk).unwrap().0, bucket);
    }
    let session = Actor::Session("x".parse().unwrap());
    assert_eq!(viewed(&session, &id, &month), key("ACTOR#s:x", "VIEW#PRODUCT#p.1#2026-01"));
    assert_eq!(product_total(&id), key("PRODUCT#p.1", "T"));
    assert_eq!(product_in(&id, &month), key("PRODUCT#p.1", "M#2026-01"));
    assert_eq!(seller_total(&seller), key("SELLER#sally", "T"));
    assert_eq!(seller_in(&seller, &month), key("SELLER#sally", "M#2026-01"));
    let season = Season::Month(month);
    let (sellers, products) = (Entrant::Seller(seller.clone()), Entrant::Product(id.clone(), seller.clone()));
    assert_eq!(on_boards(&sellers, &season), key("SELLER#sally", "C#BOARD#2026-01"));
    assert_eq!(on_boards(&products, &Season::All), key("PRODUCT#p.1", "C#BOARD#all"));
    assert_eq!(followed(&sellers, &season), seller_in(&seller, &month));
    assert_eq!(followed(&sellers, &Season::All), seller_total(&seller));
    assert_eq!(followed(&products, &season), product_in(&id, &month));
    assert_eq!(followed(&products, &Season::All), product_total(&id));
    assert_eq!(on_offer(&seller), key("SELLER#sally", "ACTIVE"));
    let usd = Metric::Revenue("USD".parse().unwrap());
    assert_eq!(board(&Board::Sellers(usd, Season::All), 1), "BOARD#REVENUE.USD#all#1");
    assert_eq!(board(&Board::Products(season), 1), "BOARD#PRODUCT.VIEWS#2026-01#1");
    assert_eq!(counted(&Board::Sellers(Metric::Sales, season), 0, "02.07"), key("RANKS#SALES#2026-01#0", "02.07"));
    assert_eq!(board_changed(&Board::Sellers(Metric::Views, season)), key("CHANGED#VIEWS#2026-01", "LAST"));
    let place = place(7, at, seller.as_str());
    assert_eq!(place, "18446744073709551608#2026-01-31T09:07:05.040Z#sally");
    assert_eq!(parse_board_place(&place), Ok((7, seller)));
    assert_eq!(parse_board_place::<UserId>("7#sally"), Err(ForeignKey));
}

#[test]
fn fact_key_identifies_its_bucket() {
    let track = Entity::Track("t.1".parse().unwrap());
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let event: EventId = "e:1".parse().unwrap();
    let expected = Ok((Bucket { entity: track.clone(), minute: at.minute() }, at, event.clone()));
    for what in engagements() {
        let key = fact(&track, at, &event, &Actor::Session("s".parse().unwrap()), &what);
        assert_eq!(parse_fact(&key.pk, &key.sk), expected);
        let taken = taken_over(&key, &Actor::Device("d".parse().unwrap()));
        assert_eq!(parse_fact(&taken.pk, &taken.sk), expected);
    }
    let quiz: QuizId = "q.1".parse().unwrap();
    let key = interaction(&quiz, at, "like", "e:1");
    let of = Bucket { entity: Entity::Quiz(quiz), minute: at.minute() };
    assert_eq!(parse_fact(&key.pk, &key.sk), Ok((of, at, event)));
    for (pk, sk) in [
        ("TRACK#t", "07:05.040#play#e#s:s"),
        ("ALBUM#t#2026-01-31T09", "07:05.040#play#e#s:s"),
        ("TRACK#t#2026-01-31T09#1", "07:05.040#play#e#s:s"),
        ("TRACK#t#2026-01-31T09", "07:05.040"),
        ("TRACK#t#2026-01-31T09", "07:05.040#play#e"),
        ("TRACK#t#2026-01-31T09", "07:05.040#play#e#ann"),
        ("TRACK#t#2026-01-31T09", "7:05.040#play#e#s:s"),
        ("TRACK#t#2026-01-31T09", "67:05.040#play#e#s:s"),
        ("TRACK#t#2026-01-31T9", "07:05.040#play#e#s:s"),
        ("TRACK##2026-01-31T09", "07:05.040#play#e#s:s"),
    ] {
        assert_eq!(parse_fact(pk, sk), Err(ForeignKey), "{pk} {sk}");
    }
}

#[test]
fn golden_keys_of_live_updates() {
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let (user, id): (UserId, _) = ("ann".parse().unwrap(), "n".parse().unwrap());
    let channel = Channel::User(user.clone());
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    let (name, body) = (LiveEventName::NewNotification, serde_json::json!({}));
    let event = LiveEvent { channel: channel.clone(), name, id: "e".to_owned(), time: at, body };
    let pending = live_event(&event);
    let sk = format!("2026-01-31T09:07:05.040Z#{name}#e");
    assert_eq!(pending, key(&format!("CHANNEL#{channel}"), &sk));
    assert_eq!(parse_outbox(&pending.pk), Ok(channel.clone()));
    assert_eq!(set_aside(&pending), key(&format!("ASIDE#CHANNEL#{channel}"), &sk));
    assert_eq!(published_second(&channel), key(&format!("TOLD#{channel}"), "LAST"));
    assert_eq!(notification(&id), key("NOTIFICATION#n", "TO"));
    assert_eq!(received(&user, at, &id), key("INBOX#ann", "AT#2026-01-31T09:07:05.040Z#n"));
    assert_eq!(unread(&user), key("INBOX#ann", "UNREAD"));
}

#[test]
fn golden_keys_of_operation() {
    use domain::course_stats::CourseStatsScope;
    let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
    let day = Calendar::default().period(Level::Day, at);
    let user: UserId = "ann".parse().unwrap();
    let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
    let bucket = Bucket { entity: Entity::Track("t".parse().unwrap()), minute: at.minute() };
    assert_eq!(deferred("counter-updater", &bucket), key("DEFERRED#counter-updater#TRACK#t", "B#2026-01-31T09:07"));
    let written = key("PURCHASE#p", "DOC");
    let listed = change(&day, 3, &written);
    assert_eq!(listed, key("CHANGES#2026-01-31#03", "PURCHASE#p/DOC"));
    assert_eq!(parse_change(&listed.sk), Some(written));
    let window = Window::day(at);
    assert_eq!(quota("USER#ann", "EVENTS", window), key("QUOTA#USER#ann", &format!("EVENTS#D#{}", window.start())));
    let attempts = counted_attempts(&user, &"q".parse().unwrap(), window);
    assert_eq!(attempts, key("ACTOR#u:ann", &format!("ATTEMPTS#QUIZ#q#{}", window.start())));
    let id = "r".parse().unwrap();
    assert_eq!(refold(&id), key("REFOLD#r", "T"));
    assert_eq!(refold_chunk(&id, "c"), key("REFOLD#r", "C#CHUNK#c"));
    assert_eq!(refold_part(&id, 7), key("REFOLD#r", "C#PART#0007"));
    assert_eq!(course_stats(&CourseStatsScope::Student(user.clone()), 0), key("STUDENT#ann", "T"));
    assert_eq!(course_stats(&CourseStatsScope::Teacher(user.clone()), 0), key("TEACHER#ann", "T"));
    assert_eq!(course_stats(&CourseStatsScope::All, 7), key("CLASSROOMS#07", "T"));
    assert_eq!(taught(&user, &"c".parse().unwrap()), key("USER#ann", "TEACHES#c"));
}

/// The words in capitals before a `#` in a text.
fn prefixes(text: &str) -> BTreeSet<String> {
    let words = text.split('#').rev().skip(1);
    let words = words.filter_map(|before| before.rsplit(|c: char| !c.is_ascii_uppercase()).next());
    words.filter(|word| !word.is_empty()).map(|word| format!("{word}#")).collect()
}

#[test]
fn every_prefix_has_a_golden_key() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keys");
    let golden = prefixes(&std::fs::read_to_string(folder.join("tests.rs")).unwrap());
    for module in std::fs::read_dir(&folder).unwrap() {
        let module = module.unwrap().path();
        let source = std::fs::read_to_string(&module).unwrap();
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named = prefixes(&code.collect::<Vec<_>>().join("\n"));
        assert_eq!(named.difference(&golden).collect::<Vec<_>>(), Vec::<&String>::new(), "{}", module.display());
    }
    assert!(golden.len() > 50, "{golden:?}");
}
