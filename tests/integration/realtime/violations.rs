//! The check itself is checked: what happened is broken by hand, one thing at a time, and the check finds it.

use chrono::TimeDelta;
use domain::time::Time;
use serde_json::{Value, json};

use super::actions::{Action, Answer, CHANNELS, OUTBOX, act, boot, event, stage};
use super::check::{Story, wrong};
use super::driver::records;
use super::faulty_server::{Channels, Failures, UNFIT, publisher};
use crate::support::stage::invoke;

/// Of each kind of event some, written by one and delivered with nothing in the way.
async fn whole() -> Story {
    let stage = stage();
    let (channels, failures) = (Channels::new(7, 0), Failures::default());
    let mut known = Vec::new();
    for step in 0..3 {
        let (second, time) = (Time::from(stage.now()).seconds(), Time::from(stage.now()).plus(TimeDelta::seconds(1)));
        let message = if step == 1 { UNFIT } else { "hello" };
        let numbers = event(CHANNELS[3], format!("n{second}-{step}"), time, json!({}));
        for action in [
            Action::Put(event(CHANNELS[2], format!("e{step}"), time, json!({"message": message}))),
            Action::Put(event(CHANNELS[2], format!("f{step}"), time.plus(TimeDelta::seconds(1)), json!({}))),
            Action::Numbers(numbers.clone(), second.try_into().unwrap()),
            Action::Notify { key: format!("k{step}"), message: "hello".to_owned() },
            Action::Announce { key: format!("k{step}"), message: "hello".to_owned() },
        ] {
            match act(stage.clone(), None, "writer".to_owned(), action).await {
                Some(Answer::Written(event)) => known.push(event),
                answer => panic!("{answer:?}"),
            }
        }
        let again = Action::Numbers(numbers, second.try_into().unwrap());
        assert!(matches!(act(stage.clone(), None, "other".to_owned(), again).await, Some(Answer::Told)));
        stage.advance(TimeDelta::seconds(5));
    }
    let started = publisher(&boot(&stage, "publisher", None), &channels, &failures);
    let answer = invoke(&*started, &stage.payload(OUTBOX, &records(&stage))).await;
    assert_eq!(answer.unwrap()["batchItemFailures"], json!([]));
    Story::of(&stage, channels.taken(), vec![known], failures.all())
}

#[tokio::test(start_paused = true)]
async fn check_detects_every_violation() {
    let whole = whole().await;
    assert_eq!(wrong(&whole), Vec::<String>::new());
    assert_eq!((whole.written.len(), whole.taken.len(), whole.aside.len(), whole.failures.len()), (15, 14, 1, 1));
    let at = |id: &str| whole.taken.iter().position(|taken| taken.data.contains(&format!("\"{id}\""))).unwrap();
    let of = |channel: usize| whole.taken.iter().position(|taken| taken.channel == CHANNELS[channel]).unwrap();
    let numbers = |story: &mut Story, from: &str, to: &str| {
        let id = story.written.iter_mut().find(|(channel, sk)| channel == CHANNELS[3] && sk.ends_with(from)).unwrap();
        id.1 = id.1.replace(&id.1[id.1.rfind("#n").unwrap() + 1..], to);
    };
    let is_found = |what: &str, change: &dyn Fn(&mut Story)| {
        let mut broken = whole.clone();
        change(&mut broken);
        assert!(!wrong(&broken).is_empty(), "{what} is not found");
    };

    let mut repeated = whole.clone();
    repeated.taken.extend(whole.taken.iter().rev().cloned());
    assert_eq!(wrong(&repeated), Vec::<String>::new(), "what is told again may come in any order");

    for lost in 0..whole.taken.len() {
        is_found("an event that is lost", &|story| drop(story.taken.remove(lost)));
    }
    for known in 0..whole.written.len() {
        is_found("what one knows and nobody wrote", &|story| {
            story.known[0][known].data["id"] = json!("other");
        });
        is_found("what nobody wrote", &|story| drop(story.written.remove(known)));
    }
    is_found("an event that waits", &|story| story.left.push(story.written[3].clone()));
    is_found("another channel", &|story| story.taken[of(0)].channel = CHANNELS[2].to_owned());
    is_found("another name", &|story| story.taken[of(1)].name = "new-score".to_owned());
    is_found("another repeat", &|story| {
        let mut again = story.taken[of(2)].clone();
        let mut data: Value = serde_json::from_str(&again.data).unwrap();
        data["message"] = json!("goodbye");
        again.data = data.to_string();
        story.taken.push(again);
    });
    for (one, other) in [("e0", "f0"), ("f0", "f1"), ("e0", "e2")] {
        is_found("another order", &|story| story.taken.swap(at(one), at(other)));
    }
    is_found("another order, that only its writer knows", &|story| {
        story.written.reverse();
        story.written.retain(|(channel, _)| channel != CHANNELS[3]);
        story.taken.retain(|taken| taken.channel != CHANNELS[3]);
        story.known[0].retain(|known| known.channel != CHANNELS[3]);
        assert_eq!(wrong(story), Vec::<String>::new());
        story.taken.swap(at("e0"), at("f1"));
    });
    is_found("what is unfit and gone", &|story| story.aside.clear());
    is_found("another reason", &|story| story.aside[0].reason = "500".to_owned());
    is_found("what was put aside, and fits", &|story| story.aside[0].data = story.taken[of(2)].data.clone());
    is_found("what was put aside, and taken", &|story| {
        let mut aside = story.aside[0].clone();
        aside.key.0 = CHANNELS[1].to_owned();
        story.aside.push(aside);
    });
    is_found("numbers told twice", &|story| {
        let second = story.written.iter().find(|(_, sk)| sk.ends_with("-0")).unwrap().1.clone();
        numbers(story, "-1", &second[second.rfind("#n").unwrap() + 1..].replace("-0", "-9"));
    });
    is_found("numbers told late", &|story| numbers(story, "-2", "n7-2"));
    is_found("a notification told twice", &|story| {
        let mut again = story.written.iter().find(|(channel, _)| channel == CHANNELS[0]).unwrap().clone();
        again.1 = again.1.replacen("2026", "2027", 1);
        story.written.push(again);
    });
    is_found("a failure of nothing", &|story| story.failures[0] = story.failures[0].replace(CHANNELS[2], "x"));
}
