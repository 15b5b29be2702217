//! Previews of recording events.

use std::collections::{BTreeSet, HashMap};

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::engagements::{Engagements, EventBatch};
use super::error::StoreError;
use super::items::{Item, from_item};
use super::keys::{self, Key};
use super::retry;
use super::table::Consistency;
use super::toggles::ToggleKey;
use domain::caller::Actor;
use domain::entity::Entity;
use domain::event::{Engagement, Event};
use domain::toggle::{Toggle, ToggleEffect};

/// The effect of recording an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// None: the event was recorded before, or superseded by a later change.
    Recorded,
    /// The event confirms the present state: no new fact.
    Unchanged,
    /// A new fact.
    New,
}

/// The item that shows whether an event was recorded.
enum Trace {
    Fact(Key),
    Toggle(Key, Toggle),
}

fn trace(event: &Event, actor: Actor) -> Trace {
    let entity = Entity::Track(event.track.clone());
    let toggle = |on: bool, playlist| {
        let of = ToggleKey { actor: actor.clone(), entity: entity.clone(), playlist };
        Trace::Toggle(of.key_of(&actor), Toggle { at: event.at, event: event.id.clone(), on })
    };
    match &event.what {
        Engagement::Like { on, .. } => toggle(*on, None),
        Engagement::Save { on, playlist } => toggle(*on, Some(playlist.clone())),
        what => Trace::Fact(keys::fact(&entity, event.at, &event.id, &actor, what)),
    }
}

impl Engagements {
    /// The effect of recording each of these events, in order: one read per event.
    ///
    /// # Errors
    /// If not all could be read in time.
    pub fn preview<'a>(
        &'a self,
        batch: &'a EventBatch,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<Preview>, StoreError>> {
        Box::pin(async move {
            let traces: Vec<Trace> =
                batch.events.iter().zip(batch.actors()).map(|(event, actor)| trace(event, actor)).collect();
            let (mut facts, mut toggles) = (BTreeSet::new(), BTreeSet::new());
            for trace in &traces {
                match trace {
                    Trace::Fact(key) => facts.insert(key.clone()),
                    Trace::Toggle(key, _) => toggles.insert(key.clone()),
                };
            }
            let (events, states) = (self.facts.table(), self.toggles.table());
            let (facts, toggles): (HashMap<Key, Item>, HashMap<Key, Item>) = futures::try_join!(
                retry::until(deadline, || events.get_all(facts.clone(), Consistency::Strong, deadline)),
                retry::until(deadline, || states.get_all(toggles.clone(), Consistency::Strong, deadline)),
            )?;
            traces.iter().map(|trace| preview_of(trace, &facts, &toggles)).collect()
        })
    }
}

fn preview_of(trace: &Trace, facts: &HashMap<Key, Item>, toggles: &HashMap<Key, Item>) -> Result<Preview, StoreError> {
    let (key, word) = match trace {
        Trace::Fact(key) if facts.contains_key(key) => return Ok(Preview::Recorded),
        Trace::Fact(_) => return Ok(Preview::New),
        Trace::Toggle(key, word) => (key, word),
    };
    let stored: Option<Toggle> = toggles.get(key).cloned().map(from_item).transpose()?;
    Ok(match Toggle::effect(stored.as_ref(), word) {
        ToggleEffect::Stale => Preview::Recorded,
        ToggleEffect::Unchanged => Preview::Unchanged,
        ToggleEffect::Flipped => Preview::New,
    })
}
