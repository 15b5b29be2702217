//! Every key there is.
//!
//! | access pattern | table | pk | sk |
//! |---|---|---|---|
//! | record a fact | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#<kind>#<event>` |
//! | record a turned toggle | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#<kind>#<event>#<actor>` |
//! | read the facts of a minute | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | begins with `<mm>:` |
//! | a live bucket | Stats | `TRACK#<track>` | `B#<yyyy-mm-ddThh:mm>` |
//! | all live buckets of an entity | Stats | `TRACK#<track>` | begins with `B#` |
//! | an entity's rollup of an hour, day, week, month, year | Stats | `TRACK#<track>`, `ARTIST#<artist>`, `PLATFORM` | `H#<yyyy-mm-ddThh:mm>`, `D#<date>`, `W#<iso week>`, `M#<month>`, `Y#<year>` |
//! | a track's numbers of all its closed days | Stats | `TRACK#<track>` | `T` |
//! | that a track's hour changed after it may have been closed | Stats | `TRACK#<track>` | `C#<yyyy-mm-ddThh:mm>` |
//! | live buckets since a minute, and changed hours | Stats | `TRACK#<track>` | from `B#<minute>` to the last `C#` |
//! | which tracks were active in a period | Stats | `ACTIVE#H#<hour>`, `ACTIVE#D#<date>` … | `<page>` |
//! | which tracks' hours are to be closed again | Stats | `LATE` | `<hour>#<page>` |
//! | what is closed | Stats | `ROLLUPS` | `FRONTIER` |
//! | the tracks of an artist | State | `USER#<artist>` | `TRACK#<track>` |
//! | which tracks have come to an artist | State | `MOVED` | `<track>#<page>` |
//! | a track's document | State | `TRACK#<track>` | `DOC` |
//! | whether an actor likes a track | State | `ACTOR#<actor>` | `LIKE#TRACK#<track>` |
//! | whether an actor saved a track to a playlist | State | `ACTOR#<actor>` | `SAVE#TRACK#<track>#<playlist>` |
//! | a playlist's document | State | `PLAYLIST#<playlist>` | `DOC` |
//! | a track submitted to a playlist | State | `PLAYLIST#<playlist>` | `SUBMISSION#<track>` |
//! | all playlists of an owner | State | `USER#<owner>` | begins with `PLAYLIST#` |
//! | the mirror of a playlist | State | `USER#<owner>` | `PLAYLIST#<playlist>` |
//! | all submissions of an artist | State | `USER#<artist>` | begins with `SUBMISSION#` |
//! | the mirror of a submission | State | `USER#<artist>` | `SUBMISSION#<playlist>#<track>` |
//!
//! An actor is `u:<user>` or `s:<session>`. No id contains a `#`. A fact's partition takes 1,000 writes a
//! second ([partition limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html));
//! its key has room for a lane (`#<k>`) behind the hour, should one entity ever need more.
//! The kind is part of a fact's key, so that a play can never be written over a like that a toggle guards;
//! the actor is part of a toggle's, so that nobody's event id can touch another's like.

use std::fmt;

use crate::domain::calendar::{Level, Period};
use crate::domain::caller::Actor;
use crate::domain::entity::{Bucket, Entity};
use crate::domain::event::Kind;
use crate::domain::id::{EventId, PlaylistId, TrackId, UserId};
use crate::domain::rollup::Scope;
use crate::domain::time::{Hour, Time};

/// The name of the partition key in every table.
pub const PK: &str = "pk";
/// The name of the sort key in every table.
pub const SK: &str = "sk";

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

/// A key that this module did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a fact")]
pub struct ForeignKey;

struct EntityKey<'a>(&'a Entity);

impl fmt::Display for EntityKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Entity::Track(id) => write!(f, "TRACK#{id}"),
        }
    }
}

/// The partition of an entity's numbers and of its document.
#[must_use]
pub fn entity(entity: &Entity) -> String {
    EntityKey(entity).to_string()
}

/// The partition of an entity's facts of one hour.
#[must_use]
pub fn facts_of_hour(entity: &Entity, hour: Hour) -> String {
    format!("{}#{hour}", EntityKey(entity))
}

/// What the sort keys of the facts of a bucket begin with.
#[must_use]
pub fn facts_of_minute(bucket: &Bucket) -> String {
    format!("{:02}:", bucket.minute.in_hour())
}

/// A fact that is the same however often it is sent.
#[must_use]
pub fn fact(of: &Entity, at: Time, kind: Kind, id: &EventId) -> Key {
    Key { pk: facts_of_hour(of, at.hour()), sk: format!("{}#{kind}#{id}", at.offset_in_hour()) }
}

/// A fact that a toggle guards.
#[must_use]
pub fn turned(of: &Entity, at: Time, kind: Kind, id: &EventId, actor: &Actor) -> Key {
    Key { pk: facts_of_hour(of, at.hour()), sk: format!("{}#{kind}#{id}#{actor}", at.offset_in_hour()) }
}

/// What a fact's key says of it: the bucket it falls into, when it happened, and its event.
///
/// # Errors
/// If the key is not a fact's.
pub fn parse_fact(pk: &str, sk: &str) -> Result<(Bucket, Time, EventId), ForeignKey> {
    let mut parts = pk.split('#');
    let (Some("TRACK"), Some(id), Some(hour), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(ForeignKey);
    };
    let track: TrackId = id.parse().map_err(|_| ForeignKey)?;
    let mut parts = sk.split('#');
    let (Some(offset), Some(_kind), Some(event)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(ForeignKey);
    };
    let at: Time = format!("{hour}:{offset}Z").parse().map_err(|_| ForeignKey)?;
    if at.hour().to_string() != hour || at.offset_in_hour() != offset {
        return Err(ForeignKey);
    }
    let event = event.parse().map_err(|_| ForeignKey)?;
    Ok((Bucket { entity: Entity::Track(track), minute: at.minute() }, at, event))
}

/// A live bucket.
#[must_use]
pub fn bucket(bucket: &Bucket) -> Key {
    Key { pk: entity(&bucket.entity), sk: format!("{LIVE_BUCKETS}{}", bucket.minute) }
}

/// An entity's rollup.
#[must_use]
pub fn rollup(of: &Scope, period: &Period) -> Key {
    Key { pk: rollups(of), sk: format!("{}{period}", rollups_of(period.level())) }
}

/// The partition of an entity's rollups.
#[must_use]
pub fn rollups(of: &Scope) -> String {
    match of {
        Scope::Track(track) => format!("TRACK#{track}"),
        Scope::Artist(artist) => format!("ARTIST#{artist}"),
        Scope::Platform => "PLATFORM".to_owned(),
    }
}

/// What the sort keys of the rollups of a level begin with.
#[must_use]
pub fn rollups_of(level: Level) -> &'static str {
    match level {
        Level::Hour => "H#",
        Level::Day => "D#",
        Level::Week => "W#",
        Level::Month => "M#",
        Level::Year => "Y#",
    }
}

/// A track's numbers of all its closed days.
#[must_use]
pub fn total(of: &TrackId) -> Key {
    Key { pk: format!("TRACK#{of}"), sk: "T".to_owned() }
}

/// That a track's hour changed after it may have been closed.
#[must_use]
pub fn changed(of: &TrackId, hour: &Period) -> Key {
    Key { pk: format!("TRACK#{of}"), sk: format!("{CHANGED}{hour}") }
}

/// What the sort keys of changed hours begin with; behind those of live buckets, so that one query finds both.
pub const CHANGED: &str = "C#";

/// The partition of the pages that say which tracks were active in a period.
#[must_use]
pub fn active(period: &Period) -> String {
    format!("ACTIVE#{}{period}", rollups_of(period.level()))
}

/// The partition of the pages that say which tracks' hours are to be closed again.
pub const LATE: &str = "LATE";

/// A page that says that tracks' hours are to be closed again.
#[must_use]
pub fn late(hour: &Period, page: &str) -> Key {
    Key { pk: LATE.to_owned(), sk: format!("{hour}#{page}") }
}

/// What is closed.
#[must_use]
pub fn frontier() -> Key {
    Key { pk: "ROLLUPS".to_owned(), sk: "FRONTIER".to_owned() }
}

/// That a track is an artist's.
#[must_use]
pub fn track_of(artist: &UserId, track: &TrackId) -> Key {
    Key { pk: user(artist), sk: format!("{TRACKS_OF}{track}") }
}

/// What the sort keys of an artist's tracks begin with.
pub const TRACKS_OF: &str = "TRACK#";

/// The partition of what belongs to a person.
#[must_use]
pub fn user(id: &UserId) -> String {
    format!("USER#{id}")
}

/// The partition of the notes that tracks have come to an artist.
pub const MOVED: &str = "MOVED";

/// A note that a track has come to an artist.
#[must_use]
pub fn moved(track: &TrackId, page: &str) -> Key {
    Key { pk: MOVED.to_owned(), sk: format!("{track}#{page}") }
}

/// What the sort keys of live buckets begin with.
pub const LIVE_BUCKETS: &str = "B#";

/// An entity's document.
#[must_use]
pub fn document(of: &Entity) -> Key {
    Key { pk: entity(of), sk: "DOC".to_owned() }
}

/// Whether an actor likes something.
#[must_use]
pub fn like(actor: &Actor, of: &Entity) -> Key {
    Key { pk: format!("ACTOR#{actor}"), sk: format!("LIKE#{}", EntityKey(of)) }
}

/// Whether an actor saved something to a playlist.
#[must_use]
pub fn save(actor: &Actor, of: &Entity, playlist: &PlaylistId) -> Key {
    Key { pk: format!("ACTOR#{actor}"), sk: format!("SAVE#{}#{playlist}", EntityKey(of)) }
}

/// A playlist's document.
#[must_use]
pub fn playlist(id: &PlaylistId) -> Key {
    Key { pk: format!("PLAYLIST#{id}"), sk: "DOC".to_owned() }
}

/// A track submitted to a playlist.
#[must_use]
pub fn submission(playlist: &PlaylistId, track: &TrackId) -> Key {
    Key { pk: format!("PLAYLIST#{playlist}"), sk: format!("{SUBMISSIONS}{track}") }
}

/// The mirror of a playlist among those of its owner.
#[must_use]
pub fn playlist_of(owner: &UserId, id: &PlaylistId) -> Key {
    Key { pk: user(owner), sk: format!("{PLAYLISTS}{id}") }
}

/// What the sort keys of an owner's playlists begin with.
pub const PLAYLISTS: &str = "PLAYLIST#";

/// The mirror of a submission among those of its artist.
#[must_use]
pub fn submission_of(artist: &UserId, playlist: &PlaylistId, track: &TrackId) -> Key {
    Key { pk: user(artist), sk: format!("{SUBMISSIONS}{playlist}#{track}") }
}

/// What the sort keys of an artist's submissions begin with.
pub const SUBMISSIONS: &str = "SUBMISSION#";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Calendar;

    /// Keys outlive every release: these texts never change.
    #[test]
    fn golden() {
        let track = Entity::Track("t.1".parse().unwrap());
        let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
        let event: EventId = "e:1".parse().unwrap();
        let actor = Actor::User("u-1".parse().unwrap());
        let minute = Bucket { entity: track.clone(), minute: at.minute() };
        let key = |pk: &str, sk: &str| Key { pk: pk.to_owned(), sk: sk.to_owned() };
        assert_eq!(fact(&track, at, Kind::Play, &event), key("TRACK#t.1#2026-01-31T09", "07:05.040#play#e:1"));
        assert_eq!(
            turned(&track, at, Kind::Like, &event, &actor),
            key("TRACK#t.1#2026-01-31T09", "07:05.040#like#e:1#u:u-1")
        );
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
        assert_eq!(late(&hour, "x"), key("LATE", "2026-01-31T09:00#x"));
        assert_eq!(frontier(), key("ROLLUPS", "FRONTIER"));
        assert_eq!(track_of(&artist, &id), key("USER#ann", "TRACK#t.1"));
        assert_eq!(moved(&id, "x"), key("MOVED", "t.1#x"));
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
    fn a_fact_s_key_tells_its_bucket() {
        let track = Entity::Track("t.1".parse().unwrap());
        let at: Time = "2026-01-31T09:07:05.040Z".parse().unwrap();
        let event: EventId = "e:1".parse().unwrap();
        let expected = Ok((Bucket { entity: track.clone(), minute: at.minute() }, at, event.clone()));
        for key in [
            fact(&track, at, Kind::Play, &event),
            turned(&track, at, Kind::Save, &event, &Actor::Session("s".parse().unwrap())),
        ] {
            assert_eq!(parse_fact(&key.pk, &key.sk), expected);
        }
        for (pk, sk) in [
            ("TRACK#t", "07:05.040#play#e"),
            ("ALBUM#t#2026-01-31T09", "07:05.040#play#e"),
            ("TRACK#t#2026-01-31T09#1", "07:05.040#play#e"),
            ("TRACK#t#2026-01-31T09", "07:05.040"),
            ("TRACK#t#2026-01-31T09", "7:05.040#play#e"),
            ("TRACK#t#2026-01-31T09", "67:05.040#play#e"),
            ("TRACK#t#2026-01-31T9", "07:05.040#play#e"),
            ("TRACK##2026-01-31T09", "07:05.040#play#e"),
        ] {
            assert_eq!(parse_fact(pk, sk), Err(ForeignKey), "{pk} {sk}");
        }
    }
}
