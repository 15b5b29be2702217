//! What clients send, and how hostile the way is.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A plan: what each client does, one step after the other, and the seed of the schedule.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The steps of each client.
    pub(crate) clients: Vec<Vec<Step>>,
    /// The seed of the schedule, the faults and the deliveries.
    pub(crate) seed: u64,
    /// How many calls in a hundred meet a fault.
    pub(crate) faults: u8,
    /// How many times in a hundred priorities change; few switches at random places find more races than many.
    pub(crate) switches: u8,
    /// The percentage of writes that are stalled.
    pub(crate) stalls: u8,
}

/// What a client does, and does again until it is done.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends events.
    Send(Vec<Sent>),
    /// Sends events that it sent some steps before.
    SendAgain(usize),
    /// Sends events, signs in, and sends the same again, or the other way round.
    SignIn { events: Vec<Sent>, first: bool },
    /// Sends one event, has its fact erased, and perhaps sends it again.
    Erase { sent: Sent, again: bool },
}

/// An event, with the client's part of its name open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its name is this and its client's and step's number.
    pub(crate) name: u8,
    pub(crate) track: u8,
    /// Which of the two minutes, and how many seconds into it.
    pub(crate) at: (u8, u8),
    pub(crate) session: u8,
    /// Whether others have events of the same id; then the session is its client's and step's alone.
    pub(crate) collides: bool,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Play { play_id: Option<u8>, duration: Option<u16>, completion: Option<u8>, skipped: bool, replayed: bool },
    Like(bool),
    Save(u8, bool),
    Share(u8),
    Download,
}

/// Sources and platforms to choose from.
pub(crate) const SOURCES: [&str; 3] = ["landing", "search", "player"];
pub(crate) const PLATFORMS: [&str; 2] = ["twitter", "embed"];

/// The minutes that events fall into.
pub(crate) const MINUTES: [&str; 2] = ["2026-01-31T11:58", "2026-01-31T11:59"];

/// The length of a described track in seconds: track 0 is described, track 1 is not.
pub(crate) const LENGTH_S: u64 = 100;

impl Sent {
    pub(crate) fn time(&self) -> String {
        format!("{}:{:02}.000Z", MINUTES[usize::from(self.at.0)], self.at.1)
    }

    pub(crate) fn id(&self, scope: &str) -> String {
        if self.collides { format!("x.{}", self.name) } else { format!("{scope}.{}", self.name) }
    }

    pub(crate) fn session(&self, scope: &str) -> String {
        if self.collides { format!("s{}.{scope}", self.session) } else { format!("s{}", self.session) }
    }

    /// The event as it is sent.
    pub(crate) fn json(&self, scope: &str) -> Value {
        let mut event = json!({
            "id": self.id(scope),
            "trackId": format!("t{}", self.track),
            "sessionId": self.session(scope),
            "timestamp": self.time(),
        });
        let patch = match &self.what {
            What::Play { play_id, duration, completion, skipped, replayed } => json!({
                "type": "play",
                "source": SOURCES[usize::from(self.session) % SOURCES.len()],
                "playId": play_id.map(|id| format!("p{id}")),
                "duration": duration,
                "completionRate": completion,
                "skipped": skipped,
                "replayed": replayed,
            }),
            What::Like(on) => json!({"type": "like", "action": if *on { "like" } else { "unlike" }}),
            What::Save(playlist, on) => json!({
                "type": "save", "playlistId": format!("l{playlist}"), "action": if *on { "save" } else { "unsave" },
            }),
            What::Share(platform) => json!({"type": "share", "platform": PLATFORMS[usize::from(*platform)]}),
            What::Download => json!({"type": "download"}),
        };
        for (field, value) in patch.as_object().unwrap() {
            event[field] = value.clone();
        }
        event
    }
}

fn plays() -> impl Strategy<Value = What> {
    let durations = prop_oneof![Just(None), (0..40_u16).prop_map(Some)];
    let completions = prop_oneof![4 => Just(None), 1 => prop::sample::select(vec![Some(50), Some(100)])];
    (prop::option::of(0..2_u8), durations, completions, any::<bool>(), any::<bool>()).prop_map(
        |(play_id, duration, completion, skipped, replayed)| What::Play {
            play_id,
            duration,
            completion,
            skipped,
            replayed,
        },
    )
}

fn plain() -> impl Strategy<Value = What> {
    prop_oneof![3 => plays(), 1 => (0..2_u8).prop_map(What::Share), 1 => Just(What::Download)]
}

fn anything() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => plain(),
        4 => any::<bool>().prop_map(What::Like),
        1 => (0..2_u8, any::<bool>()).prop_map(|(playlist, on)| What::Save(playlist, on)),
    ]
}

fn sent(what: impl Strategy<Value = What>) -> impl Strategy<Value = Sent> {
    // Mostly one track and one minute: that is where updaters meet.
    let track = prop_oneof![4 => Just(0_u8), 1 => Just(1_u8)];
    let minute = prop_oneof![4 => Just(0_u8), 1 => Just(1_u8)];
    let collides = prop::bool::weighted(0.3);
    (0..4_u8, track, (minute, 0..4_u8), 0..2_u8, collides, what)
        .prop_map(|(name, track, at, session, collides, what)| Sent { name, track, at, session, collides, what })
}

/// Of events that come under one name, those that are of the same thing are the same: sent twice in one batch. What else has
/// that name, such as a save to another playlist, is another event.
fn consistent(mut events: Vec<Sent>) -> Vec<Sent> {
    let thing = |sent: &Sent| match sent.what {
        What::Like(_) => (4, sent.session, None),
        What::Save(playlist, _) => (3, sent.session, Some(playlist)),
        What::Share(_) => (2, sent.session, None),
        What::Download => (1, sent.session, None),
        What::Play { .. } => (0, sent.session, None),
    };
    for at in 1..events.len() {
        let (before, rest) = events.split_at_mut(at);
        let is_same = |sent: &&mut Sent| {
            let name = |sent: &Sent| (sent.name, sent.collides, sent.track, sent.at, thing(sent));
            name(sent) == name(&rest[0])
        };
        if let Some(first) = before.iter_mut().find(is_same) {
            rest[0] = first.clone();
        }
    }
    events
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => vec(sent(anything()), 1..4).prop_map(|events| Step::Send(consistent(events))),
        2 => (1..4_usize).prop_map(Step::SendAgain),
        3 => (sent(plain()), any::<bool>()).prop_map(|(sent, again)| Step::Erase { sent, again }),
        3 => (vec(sent(anything()), 1..4), any::<bool>())
            .prop_map(|(events, first)| Step::SignIn { events: consistent(events), first }),
    ]
}

/// Steps that all meet in one bucket, whose value and whose facts come and go and come back.
fn meeting() -> impl Strategy<Value = Step> {
    let download = || Sent { name: 0, track: 0, at: (0, 0), session: 0, collides: false, what: What::Download };
    let like = (0..4_u8, any::<bool>()).prop_map(|(second, on)| Sent {
        name: 0,
        track: 0,
        at: (0, second),
        session: 0,
        collides: false,
        what: What::Like(on),
    });
    prop_oneof![
        3 => any::<bool>().prop_map(move |again| Step::Erase { sent: download(), again }),
        1 => Just(Step::Send(vec![download()])),
        2 => like.prop_map(|sent| Step::Send(vec![sent])),
    ]
}

/// Any plan: half of them of anything, half of them crowds.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let faults = prop_oneof![Just(0_u8), Just(5), Just(20)];
    let anything = (vec(vec(steps(), 1..5), 1..4), faults, any::<u64>(), 2..25_u8, prop_oneof![Just(0_u8), Just(20)]);
    prop_oneof![anything.prop_map(plan), crowds()]
}

/// Plans of a few steps in one bucket without faults: every error is an error of the fold.
pub(crate) fn crowds() -> impl Strategy<Value = Plan> {
    (vec(vec(meeting(), 1..4), 1..3), Just(0_u8), any::<u64>(), 2..25_u8, Just(30_u8)).prop_map(plan)
}

fn plan((clients, faults, seed, switches, stalls): (Vec<Vec<Step>>, u8, u64, u8, u8)) -> Plan {
    Plan { clients, seed, faults, switches, stalls }
}
