//! Every key there is.
//!
//! | access pattern | table | pk | sk |
//! |---|---|---|---|
//! | record a fact of a track | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#<kind>#<event>#<actor>`, of a save `…#<playlist>` |
//! | fact that a change took back another actor's like or save | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | `<sort key of the change>#<other actor>` |
//! | read the facts of a minute | Events | `TRACK#<track>#<yyyy-mm-ddThh>` | begins with `<mm>:` |
//! | a live bucket | Stats | `TRACK#<track>` | `B#<yyyy-mm-ddThh:mm>` |
//! | that a bucket waits in an updater's queue to be folded | Stats | `DEFERRED#<function>#TRACK#<track>` | `B#<yyyy-mm-ddThh:mm>` |
//! | what a subject has sent in a minute or a day | Stats | `QUOTA#KEY#<hash>`, `QUOTA#USER#<user>`, `QUOTA#NETWORK#<network>`, `QUOTA#SESSION#<session>` | `<EVENTS, BULK, LIKES or VIEWS>#M#<minute>`, `<…>#D#<day>` |
//! | all live buckets of an entity | Stats | `TRACK#<track>` | begins with `B#` |
//! | an entity's rollup of an hour, day, week, month, year | Stats | `TRACK#<track>`, `ARTIST#<artist>`, `PLATFORM` | `H#<yyyy-mm-ddThh:mm>`, `D#<date>`, `W#<iso week>`, `M#<month>`, `Y#<year>` |
//! | a track's counters of all closed days | Stats | `TRACK#<track>` | `T` |
//! | that a track's hour changed after it may have been closed | Stats | `TRACK#<track>` | `C#<yyyy-mm-ddThh:mm>` |
//! | live buckets since a minute, and changed hours | Stats | `TRACK#<track>` | from `B#<minute>` to the last `C#` |
//! | which tracks were active in a period | Stats | `ACTIVE#H#<hour>`, `ACTIVE#D#<date>` … | `<page>` |
//! | which tracks' hours are to be closed again | Stats | `LATE` | `<since>#<hour>#<page>` |
//! | the watermark of rollups | Stats | `ROLLUPS` | `FRONTIER` |
//! | the tracks of an artist | State | `USER#<artist>` | `TRACK#<track>` |
//! | which tracks have come to an artist | State | `MOVED` | `<track>#<page>` |
//! | which tracks of an artist come or go | State | `USER#<artist>` | `TRACKMOVING#<track>#<page>` |
//! | a track's document | State | `TRACK#<track>` | `DOC` |
//! | whether an actor likes a track | State | `ACTOR#<actor>` | `LIKE#TRACK#<track>` |
//! | whether an actor saved a track to a playlist | State | `ACTOR#<actor>` | `SAVE#TRACK#<track>#<playlist>` |
//! | a user's like of a quiz | State | `ACTOR#<actor>` | `LIKE#QUIZ#<quiz>` |
//! | a user's rating of a quiz | State | `ACTOR#<actor>` | `RATING#QUIZ#<quiz>` |
//! | a user's attempt at a quiz | State | `ACTOR#<actor>` | `ATTEMPT#QUIZ#<quiz>#<attempt>` |
//! | the number of a user's attempts at a quiz that count on a day | State | `ACTOR#<actor>` | `ATTEMPTS#QUIZ#<quiz>#<day>` |
//! | record a fact of a quiz | Interactions | `QUIZ#<quiz>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#<kind>#<id>` |
//! | a live bucket of a quiz | Stats | `QUIZ#<quiz>` | `B#<yyyy-mm-ddThh:mm>` |
//! | a quiz's totals | Stats | `QUIZ#<quiz>` | `T` |
//! | the packages that contain a quiz | Stats | `QUIZ#<quiz>` | `IN#<package>` |
//! | a package's totals | Stats | `PACKAGE#<package>` | `T` |
//! | what a quiz contributes to a package | Stats | `PACKAGE#<package>` | `C#QUIZ#<quiz>` |
//! | what purchases contribute to a package | Stats | `PACKAGE#<package>` | `C#SALES` |
//! | a quiz's document | State | `QUIZ#<quiz>` | `DOC` |
//! | a package's document | State | `PACKAGE#<package>` | `DOC` |
//! | the packages of a creator | State | `USER#<creator>` | `PACKAGE#<package>` |
//! | all packages, in 16 lanes | State | `PACKAGES#<lane>` | `<package>` |
//! | how a refresh of all packages goes | Stats | `REFRESH#<refresh>` | `T` |
//! | what a package, or the end of a lane, contributes to that | Stats | `REFRESH#<refresh>` | `C#PACKAGE#<package>`, `C#LANE#<lane>` |
//! | a purchase | Purchases | `PURCHASE#<purchase>` | `DOC` |
//! | the purchases of a buyer, by time | Purchases | `BUYER#<buyer>` | `<time>#<purchase>` |
//! | record a sale or a refund | Purchases | `SALES#<TYPE>#<item>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#<kind>#<id>` |
//! | a live bucket of sales | Stats | `SALES#<TYPE>#<item>` | `B#<yyyy-mm-ddThh:mm>` |
//! | what purchases of an item brought in | Stats | `SALES#<TYPE>#<item>` | `T` |
//! | what purchases of an item brought in, in a day or month | Stats | `SALES#<TYPE>#<item>` | `D#<date>`, `M#<month>` |
//! | what all items of a type brought in, in a day or month | Stats | `REVENUE` | `D#<date>#<TYPE>`, `M#<month>#<TYPE>` |
//! | who bought anything in a day or month | Stats | `REVENUE` | `U#D#<date>`, `U#M#<month>` |
//! | what an item contributes to that | Stats | `REVENUE#D#<date>`, `REVENUE#M#<month>` | `C#<TYPE>#<item>` |
//! | which items were bought most often | Stats | `REVENUE#D#<date>`, `REVENUE#M#<month>` | `N#<most first>#<TYPE>#<item>` |
//! | which items brought in most | Stats | `REVENUE#D#<date>`, `REVENUE#M#<month>` | `R#<currency>#<most first>#<TYPE>#<item>` |
//! | what a buyer bought, all in all | Stats | `BUYER#<buyer>` | `T` |
//! | what a buyer's purchases of a day contribute to that | Stats | `BUYER#<buyer>` | `C#D#<date>` |
//! | in which months a buyer bought, as it is counted | Stats | `BUYER#<buyer>` | `COHORT` |
//! | those who first bought in a month, and when again | Stats | `COHORT#<month>` | `<buyer>` |
//! | how many of those bought in which months | Stats | `COHORTS` | `<month>` |
//! | record a sale of a product, or that it was undone | Interactions | `PRODUCT#<product>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#sale#<sale>`, `<mm:ss.mmm>#undo#<sale>` |
//! | record that a product can be bought, or no longer | Interactions | `PRODUCT#<product>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#listing#<version>` |
//! | fact of a product's view | Interactions | `VIEWS#<product>#<yyyy-mm-ddThh>` | `<mm:ss.mmm>#view#<id>` |
//! | a product's document | State | `PRODUCT#<product>` | `DOC` |
//! | whether an actor viewed a product in a month | State | `ACTOR#<actor>` | `VIEW#PRODUCT#<product>#<month>` |
//! | live buckets of a product's sales and views | Stats | `PRODUCT#<product>`, `VIEWS#<product>` | `B#<yyyy-mm-ddThh:mm>` |
//! | a product's totals, of all time and of a month | Stats | `PRODUCT#<product>` | `T`, `M#<month>` |
//! | a seller's totals, of all time and of a month | Stats | `SELLER#<seller>` | `T`, `M#<month>` |
//! | the figures of a seller's products that are for sale | Stats | `SELLER#<seller>` | `ACTIVE` |
//! | what a seller or a product has on the boards of a season | Stats | `SELLER#<seller>`, `PRODUCT#<product>` | `C#BOARD#<month or all>` |
//! | the sellers of a board, in shards | Stats | `BOARD#<metric>#<month or all>#<shard>` | `<most first>#<reached>#<seller>` |
//! | the products that were looked at most, in shards | Stats | `BOARD#PRODUCT.VIEWS#<month or all>#<shard>` | `<most first>#<reached>#<product>` |
//! | when a board last changed | Stats | `CHANGED#<metric>#<month or all>` | `LAST` |
//! | how many sellers of a board have how much, digit by digit | Stats | `RANKS#<metric>#<month or all>#<shard>` | `#`, `<digits>.<digit>…` |
//! | an event that waits to be sent | Outbox | `CHANNEL#<channel>` | `<time>#<event>#<id>` |
//! | an event that will never be sent | Outbox | `ASIDE#CHANNEL#<channel>` | `<time>#<event>#<id>` |
//! | the second of the stats that were last published | Outbox | `TOLD#<channel>` | `LAST` |
//! | a notification | State | `INBOX#<user>` | `AT#<time>#<notification>` |
//! | the recipient of a notification | State | `NOTIFICATION#<notification>` | `TO` |
//! | the number of unread notifications of a user | State | `INBOX#<user>` | `UNREAD` |
//! | a course | State | `COURSE#<course>` | `DOC` |
//! | an enrollment | State | `COURSE#<course>`, `USER#<student>` | `ENROLLED#<student>`, `ENROLLED#<course>` |
//! | a teacher's courses | State | `USER#<teacher>` | `TEACHES#<course>` |
//! | the totals of a course, a student, a teacher | Stats | `COURSE#<course>`, `STUDENT#<student>`, `TEACHER#<teacher>` | `T` |
//! | the totals of all courses, in 16 lanes | Stats | `CLASSROOMS#<lane>` | `T` |
//! | a score | State | `SCORE#<score>` | `DOC` |
//! | the scores of a course, and of a student | State | `COURSE#<course>`, `USER#<student>` | `SCORE#<time>#<score>` |
//! | whether a student was there on a day | State | `COURSE#<course>`, `USER#<student>` | `ATTENDED#<date>#<student>`, `ATTENDED#<date>#<course>` |
//! | a payment | State | `PAYMENT#<payment>` | `DOC` |
//! | payments of a status: all, and a buyer's | State | `PAYMENTS#<STATUS>`, `PAYMENTS#<buyer>#<STATUS>` | `<time>#<payment>` |
//! | how a refold goes | Stats | `REFOLD#<refold>` | `T` |
//! | what a chunk of it, or the end of a part, contributes to that | Stats | `REFOLD#<refold>` | `C#CHUNK#<chunk>`, `C#PART#<part>` |
//! | how an audit goes | Stats | `AUDIT#<audit>` | `T` |
//! | what a leg of it contributes to that | Stats | `AUDIT#<audit>` | `C#<leg>` |
//! | what it found | Stats | `AUDIT#<audit>` | `F#<kind>#<subject>` |
//! | all audits | Stats | `AUDITS` | `<time>#<audit>` |
//! | which items of the ledger were written on a day, in 8 lanes | State | `CHANGES#<date>#<lane>` | `<pk>/<sk>` |
//! | whether a buyer has an item | State | `OWNER#<buyer>` | `<TYPE>#<item>` |
//! | what a request was answered | State | `ANSWERS#<user>` | `<operation>#<idempotency key>` |
//! | the completion mark of a request, kept for good | State | `DONE#<id of the request>` | `DOC` |
//! | a discount | State | `DISCOUNT#<code>` | `DOC` |
//! | the number of wrong codes that a user tried in an hour | State | `TRIES#<user>` | `DISCOUNT#<hour>` |
//! | how many sales of a seller began on a day | State | `SALESBY#<seller>` | `DAY#<date>` |
//! | a playlist's document | State | `PLAYLIST#<playlist>` | `DOC` |
//! | a track submitted to a playlist | State | `PLAYLIST#<playlist>` | `SUBMISSION#<track>` |
//! | all playlists of an owner | State | `USER#<owner>` | begins with `PLAYLIST#` |
//! | the mirror of a playlist | State | `USER#<owner>` | `PLAYLIST#<playlist>` |
//! | all submissions of an artist | State | `USER#<artist>` | begins with `SUBMISSION#` |
//! | the mirror of a submission | State | `USER#<artist>` | `SUBMISSION#<playlist>#<track>` |
//!
//! An actor is `u:<user>`, `a:<anonymous id>` or `s:<session>`, a buyer `u:<user>` or `g:<guest>`. No id contains a
//! `#`. The partition of facts takes 1,000 writes a second ([partition
//! limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html)); its key has
//! room for a lane (`#<k>`) behind the hour, should one entity ever need more. The key of a track's fact contains the
//! kind and the actor, so that no event can overwrite a fact of another kind or of another actor, whatever id it has;
//! the key of a save also contains the playlist, since each playlist has a toggle. The keys of facts of quizzes,
//! products and purchases come from the server or from the state that guards them, never from a client alone.

mod audits;
mod boards;
mod courses;
mod live;
mod packages;
mod payments;
mod playlists;
mod products;
mod purchases;
mod quizzes;
mod refolds;
mod revenue;
mod rollups;

use std::fmt;

use domain::caller::Actor;
use domain::entity::{Bucket, Entity};
use domain::event::Engagement;
use domain::id::{EventId, TrackId, UserId};
use domain::purchase::{Item, ItemType};
use domain::quota::Window;
use domain::time::{Hour, Minute, Time};

pub use audits::*;
pub use boards::*;
pub use courses::*;
pub use live::*;
pub use packages::*;
pub use payments::*;
pub use playlists::*;
pub use products::*;
pub use purchases::*;
pub use quizzes::*;
pub use refolds::*;
pub use revenue::*;
pub use rollups::*;

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
            Entity::Quiz(id) => write!(f, "QUIZ#{id}"),
            Entity::PurchasedItem(item) => write!(f, "SALES#{}", ItemKey(item)),
            Entity::Product(id) => write!(f, "PRODUCT#{id}"),
            Entity::ProductViews(id) => write!(f, "VIEWS#{id}"),
        }
    }
}

struct ItemKey<'a>(&'a Item);

impl fmt::Display for ItemKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Item { kind, id } = self.0;
        write!(f, "{}#{id}", kind.to_string().to_ascii_uppercase())
    }
}

/// An item as its key has it.
fn parse_item(text: &str) -> Result<Item, ForeignKey> {
    let (word, id) = text.split_once('#').ok_or(ForeignKey)?;
    item(word, id)
}

fn item(word: &str, id: &str) -> Result<Item, ForeignKey> {
    let kind = ItemType::ALL.iter().copied().find(|kind| kind.to_string().to_ascii_uppercase() == word);
    Ok(Item { kind: kind.ok_or(ForeignKey)?, id: id.parse().map_err(|_| ForeignKey)? })
}

/// The partition of an entity's document and totals.
#[must_use]
pub fn entity(entity: &Entity) -> String {
    EntityKey(entity).to_string()
}

/// The partition of an entity's facts of one hour.
#[must_use]
pub fn facts_of_hour(entity: &Entity, hour: Hour) -> String {
    format!("{}#{hour}", EntityKey(entity))
}

/// The prefix of the sort keys of a bucket's facts.
#[must_use]
pub fn facts_of_minute(bucket: &Bucket) -> String {
    format!("{:02}:", bucket.minute.in_hour())
}

/// The fact of an actor's engagement with a track: the same however often it is sent, and distinct for each actor.
#[must_use]
pub fn fact(of: &Entity, at: Time, id: &EventId, actor: &Actor, what: &Engagement) -> Key {
    let (offset, kind) = (at.offset_in_hour(), what.kind());
    let sk = match what {
        Engagement::Save { playlist, .. } => format!("{offset}#{kind}#{id}#{actor}#{playlist}"),
        _ => format!("{offset}#{kind}#{id}#{actor}"),
    };
    Key { pk: facts_of_hour(of, at.hour()), sk }
}

/// The fact that a change took back what the same listener did before signing in.
#[must_use]
pub fn taken_over(by: &Key, taken: &Actor) -> Key {
    Key { pk: by.pk.clone(), sk: format!("{}#{taken}", by.sk) }
}

/// The bucket, the time and the event of a fact, by its key.
///
/// # Errors
/// If the key is not a fact's.
pub fn parse_fact(pk: &str, sk: &str) -> Result<(Bucket, Time, EventId), ForeignKey> {
    let mut parts = pk.split('#');
    let mut part = || parts.next().ok_or(ForeignKey);
    let entity = match part()? {
        "TRACK" => Entity::Track(part()?.parse().map_err(|_| ForeignKey)?),
        "QUIZ" => Entity::Quiz(part()?.parse().map_err(|_| ForeignKey)?),
        "SALES" => Entity::PurchasedItem(item(part()?, part()?)?),
        "PRODUCT" => Entity::Product(part()?.parse().map_err(|_| ForeignKey)?),
        "VIEWS" => Entity::ProductViews(part()?.parse().map_err(|_| ForeignKey)?),
        _ => return Err(ForeignKey),
    };
    let hour = part()?;
    if parts.next().is_some() {
        return Err(ForeignKey);
    }
    let mut parts = sk.split('#');
    let (Some(offset), Some(_kind), Some(event)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(ForeignKey);
    };
    if matches!(entity, Entity::Track(_)) {
        // A fact of a track without an actor is one that an older version wrote.
        parts.next().ok_or(ForeignKey)?.parse::<Actor>().map_err(|_| ForeignKey)?;
    }
    let at: Time = format!("{hour}:{offset}Z").parse().map_err(|_| ForeignKey)?;
    if at.hour().to_string() != hour || at.offset_in_hour() != offset {
        return Err(ForeignKey);
    }
    let event = event.parse().map_err(|_| ForeignKey)?;
    Ok((Bucket { entity, minute: at.minute() }, at, event))
}

/// A live bucket.
#[must_use]
pub fn bucket(bucket: &Bucket) -> Key {
    Key { pk: entity(&bucket.entity), sk: format!("{LIVE_BUCKETS}{}", bucket.minute) }
}

/// The name of a live bucket.
#[must_use]
pub fn bucket_name(of: &Bucket) -> String {
    let Key { pk, sk } = bucket(of);
    format!("{pk}/{sk}")
}

/// That a live bucket waits in the queue of a function to be folded.
#[must_use]
pub fn deferred(function: &str, of: &Bucket) -> Key {
    let Key { pk, sk } = bucket(of);
    Key { pk: format!("DEFERRED#{function}#{pk}"), sk }
}

/// The counter of a subject in a window.
#[must_use]
pub fn quota(subject: impl fmt::Display, purpose: impl fmt::Display, window: Window) -> Key {
    let window = match window {
        Window::Minute(start) => format!("M#{start}"),
        Window::Day(start) => format!("D#{start}"),
    };
    Key { pk: format!("QUOTA#{subject}"), sk: format!("{purpose}#{window}") }
}

/// The minute of a live bucket, by its sort key.
///
/// # Errors
/// If the key is no such key.
pub fn parse_bucket(sk: &str) -> Result<Minute, ForeignKey> {
    let minute = sk.strip_prefix(LIVE_BUCKETS).ok_or(ForeignKey)?;
    format!("{minute}:00.000Z").parse::<Time>().map(Time::minute).map_err(|_| ForeignKey)
}

/// That a track is an artist's.
#[must_use]
pub fn track_of(artist: &UserId, track: &TrackId) -> Key {
    Key { pk: user(artist), sk: format!("{TRACKS_OF}{track}") }
}

/// The prefix of the sort keys of an artist's tracks.
pub const TRACKS_OF: &str = "TRACK#";

/// The partition of a user's lists.
#[must_use]
pub fn user(id: &UserId) -> String {
    format!("USER#{id}")
}

/// The prefix of the sort keys of live buckets.
pub const LIVE_BUCKETS: &str = "B#";

/// An entity's document.
#[must_use]
pub fn document(of: &Entity) -> Key {
    Key { pk: entity(of), sk: DOCUMENT.to_owned() }
}

/// Whether an actor likes something.
#[must_use]
pub fn like(actor: &Actor, of: &Entity) -> Key {
    Key { pk: format!("ACTOR#{actor}"), sk: format!("LIKE#{}", EntityKey(of)) }
}

/// The prefix of the sort keys of a parent's contributions.
pub const CONTRIBUTIONS: &str = "C#";

const DOCUMENT: &str = "DOC";

const TOTAL: &str = "T";

/// The number of lanes that spread the writes to one value over partitions.
pub const LANES: u8 = 16;

/// The lane of an id, which depends on the id alone and never changes: the sum of its bytes.
#[must_use]
pub fn lane(id: &str) -> u8 {
    id.bytes().fold(0_u8, u8::wrapping_add) % LANES
}

#[cfg(test)]
mod tests;
