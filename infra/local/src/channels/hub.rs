//! Connections and their subscriptions. One lock orders everything: a client gets the confirmation of its subscription
//! before events of the channel, and all clients get events in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::protocol::{Member, ProtocolError, message};

/// Maximum queued messages per connection. A slower reader is disconnected.
pub(super) const MAX_WAITING: usize = 1_000;

/// Maximum members of a presence channel, as at Pusher.
pub(super) const MAX_MEMBERS: usize = 100;

/// An event that a request publishes on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) channel: String,
    pub(super) name: String,
    pub(super) data: String,
    /// The connection that does not receive it.
    pub(super) except: Option<String>,
}

/// All connections and channels.
#[derive(Default)]
pub(super) struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    /// By their socket ids.
    connections: BTreeMap<String, Connection>,
    /// Channels with subscribers, by name.
    channels: BTreeMap<String, Channel>,
    /// The number of connections so far.
    connected: u64,
}

struct Connection {
    waiting: mpsc::Sender<Utf8Bytes>,
    channels: BTreeSet<String>,
}

#[derive(Default)]
struct Channel {
    /// Subscribed connections with their members.
    sockets: BTreeMap<String, Option<String>>,
    members: BTreeMap<String, Presence>,
}

/// A member of a presence channel.
struct Presence {
    info: Value,
    /// The connections of the member. The member leaves with the last one.
    connections: usize,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. Messages for its client arrive at the receiver, which ends when the hub drops the connection.
    pub(super) fn connect(&self) -> (String, mpsc::Receiver<Utf8Bytes>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let mut state = self.state();
        state.connected += 1;
        let socket = format!("{}.{}", fastrand::u32(..), state.connected);
        state.connections.insert(socket.clone(), Connection { waiting: sender, channels: BTreeSet::new() });
        (socket, receiver)
    }

    /// Removes a connection from all its channels.
    pub(super) fn disconnect(&self, socket: &str) {
        self.change(|state, given_up| state.disconnect(socket, given_up));
    }

    /// Subscribes a connection to a channel and confirms it. The caller has verified the signature.
    pub(super) fn subscribe(&self, socket: &str, channel: &str, member: Option<Member>) -> Result<(), ProtocolError> {
        self.change(|state, given_up| state.subscribe(socket, channel, member, given_up))
    }

    /// Removes a connection from a channel.
    pub(super) fn unsubscribe(&self, socket: &str, channel: &str) {
        self.change(|state, given_up| state.leave(socket, channel, given_up));
    }

    /// Publishes events, one after the other.
    pub(super) fn publish(&self, events: &[Event]) {
        self.change(|state, given_up| {
            for Event { channel, name, data, except } in events {
                state.tell(channel, &message(name, Some(channel), data), except.as_deref(), given_up);
            }
        });
    }

    /// Makes a change, then disconnects the clients whose queues are full.
    fn change<T>(&self, change: impl FnOnce(&mut State, &mut BTreeSet<String>) -> T) -> T {
        let mut state = self.state();
        let mut given_up = BTreeSet::new();
        let result = change(&mut state, &mut given_up);
        while let Some(socket) = given_up.pop_first() {
            state.disconnect(&socket, &mut given_up);
        }
        result
    }
}

impl State {
    /// Queues a message for one connection.
    fn send(&self, socket: &str, message: &Utf8Bytes, given_up: &mut BTreeSet<String>) {
        if let Some(connection) = self.connections.get(socket)
            && connection.waiting.try_send(message.clone()).is_err()
        {
            given_up.insert(socket.to_owned());
        }
    }

    /// Queues a message for all subscribers of a channel, except one.
    fn tell(&self, channel: &str, message: &Utf8Bytes, except: Option<&str>, given_up: &mut BTreeSet<String>) {
        let sockets = self.channels.get(channel).into_iter().flat_map(|channel| channel.sockets.keys());
        for socket in sockets.filter(|socket| except != Some(socket.as_str())) {
            self.send(socket, message, given_up);
        }
    }

    fn subscribe(
        &mut self,
        socket: &str,
        name: &str,
        member: Option<Member>,
        given_up: &mut BTreeSet<String>,
    ) -> Result<(), ProtocolError> {
        let Some(connection) = self.connections.get_mut(socket) else { return Ok(()) };
        if connection.channels.contains(name) {
            return Err(ProtocolError::Malformed(format!("already subscribed to {name}")));
        }
        let channel = self.channels.entry(name.to_owned()).or_default();
        let is_new = member.as_ref().is_some_and(|member| !channel.members.contains_key(&member.id));
        if is_new && channel.members.len() >= MAX_MEMBERS {
            return Err(ProtocolError::ChannelFull(MAX_MEMBERS));
        }
        connection.channels.insert(name.to_owned());
        channel.sockets.insert(socket.to_owned(), member.as_ref().map(|member| member.id.clone()));
        if let Some(member) = &member {
            let info = member.info.clone();
            let presence = channel.members.entry(member.id.clone()).or_insert(Presence { info, connections: 0 });
            presence.connections += 1;
        }
        let data = match &member {
            Some(_) => channel.presence().to_string(),
            None => "{}".to_owned(),
        };
        self.send(socket, &message("pusher_internal:subscription_succeeded", Some(name), &data), given_up);
        if let Some(member) = member.filter(|_| is_new) {
            let data = json!({"user_id": member.id, "user_info": member.info}).to_string();
            let added = message("pusher_internal:member_added", Some(name), &data);
            self.tell(name, &added, Some(socket), given_up);
        }
        Ok(())
    }

    fn leave(&mut self, socket: &str, name: &str, given_up: &mut BTreeSet<String>) {
        if let Some(connection) = self.connections.get_mut(socket) {
            connection.channels.remove(name);
        }
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(member) = channel.sockets.remove(socket) else { return };
        let gone = member.filter(|member| channel.part(member));
        if channel.sockets.is_empty() {
            self.channels.remove(name);
        } else if let Some(member) = gone {
            let data = json!({"user_id": member}).to_string();
            self.tell(name, &message("pusher_internal:member_removed", Some(name), &data), None, given_up);
        }
    }

    fn disconnect(&mut self, socket: &str, given_up: &mut BTreeSet<String>) {
        // Its sender goes with it, and that ends the receiver.
        let Some(connection) = self.connections.remove(socket) else { return };
        for channel in connection.channels {
            self.leave(socket, &channel, given_up);
        }
    }
}

impl Channel {
    /// The list of members for a new member.
    fn presence(&self) -> Value {
        let hash: Map<String, Value> =
            self.members.iter().map(|(id, member)| (id.clone(), member.info.clone())).collect();
        let ids: Vec<&String> = self.members.keys().collect();
        json!({"presence": {"count": ids.len(), "ids": ids, "hash": hash}})
    }

    /// Removes a connection of a member and returns whether it was the last one.
    fn part(&mut self, member: &str) -> bool {
        let Some(presence) = self.members.get_mut(member) else { return false };
        presence.connections -= 1;
        presence.connections == 0 && self.members.remove(member).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client {
        socket: String,
        waiting: mpsc::Receiver<Utf8Bytes>,
    }

    impl Client {
        fn of(hub: &Hub) -> Self {
            let (socket, waiting) = hub.connect();
            Self { socket, waiting }
        }

        /// The messages received since the last call: the event without its prefix, and its data.
        fn told(&mut self) -> Vec<(String, Value)> {
            let mut told = Vec::new();
            while let Ok(text) = self.waiting.try_recv() {
                let message: Value = serde_json::from_str(&text).unwrap();
                let event = message["event"].as_str().unwrap();
                let event = event.strip_prefix("pusher_internal:").unwrap_or(event).to_owned();
                told.push((event, serde_json::from_str(message["data"].as_str().unwrap()).unwrap()));
            }
            told
        }
    }

    fn member(id: &str) -> Option<Member> {
        Some(Member { id: id.to_owned(), info: json!({"name": id}) })
    }

    fn event(channel: &str, data: &str) -> Event {
        Event { channel: channel.to_owned(), name: "e".to_owned(), data: data.to_owned(), except: None }
    }

    const ROOM: &str = "presence-room";

    #[test]
    fn a_member_with_two_connections_joins_once_and_leaves_with_the_last() {
        let hub = Hub::default();
        let (mut ann, mut first, mut second) = (Client::of(&hub), Client::of(&hub), Client::of(&hub));
        hub.subscribe(&ann.socket, ROOM, member("ann")).unwrap();
        ann.told();
        hub.subscribe(&first.socket, ROOM, member("bob")).unwrap();
        hub.subscribe(&second.socket, ROOM, member("bob")).unwrap();
        let there = json!({"presence": {
            "count": 2, "ids": ["ann", "bob"], "hash": {"ann": {"name": "ann"}, "bob": {"name": "bob"}},
        }});
        for client in [&mut first, &mut second] {
            assert_eq!(client.told(), [("subscription_succeeded".to_owned(), there.clone())]);
        }
        let added = json!({"user_id": "bob", "user_info": {"name": "bob"}});
        assert_eq!(ann.told(), [("member_added".to_owned(), added)]);
        hub.disconnect(&first.socket);
        assert_eq!((ann.told(), second.told()), (vec![], vec![]));
        hub.unsubscribe(&second.socket, ROOM);
        assert_eq!(ann.told(), [("member_removed".to_owned(), json!({"user_id": "bob"}))]);
        assert_eq!(second.told(), []);
    }

    #[test]
    fn events_reach_all_subscribers_except_the_sender() {
        let hub = Hub::default();
        let (mut a, mut b) = (Client::of(&hub), Client::of(&hub));
        hub.subscribe(&a.socket, "one", None).unwrap();
        hub.subscribe(&b.socket, "one", None).unwrap();
        hub.subscribe(&b.socket, "two", None).unwrap();
        for client in [&mut a, &mut b] {
            client.told();
        }
        let except = Event { except: Some(b.socket.clone()), ..event("one", "3") };
        hub.publish(&[event("one", "1"), event("two", "2"), except, event("three", "4")]);
        let told = |numbers: &[u64]| numbers.iter().map(|n| ("e".to_owned(), json!(n))).collect::<Vec<_>>();
        assert_eq!((a.told(), b.told()), (told(&[1, 3]), told(&[1, 2])));
        hub.unsubscribe(&b.socket, "one");
        hub.publish(&[event("one", "5")]);
        assert_eq!((a.told(), b.told()), (told(&[5]), told(&[])));
    }

    #[test]
    fn rejects_a_second_subscription_to_a_channel() {
        let hub = Hub::default();
        let client = Client::of(&hub);
        hub.subscribe(&client.socket, "one", None).unwrap();
        assert_eq!(hub.subscribe(&client.socket, "one", None).unwrap_err().code(), 4300);
        hub.unsubscribe(&client.socket, "one");
        hub.subscribe(&client.socket, "one", None).unwrap();
    }

    #[test]
    fn a_full_presence_channel_accepts_only_connections_of_its_members() {
        let hub = Hub::default();
        let mut clients = Vec::new();
        for number in 0..MAX_MEMBERS {
            let client = Client::of(&hub);
            hub.subscribe(&client.socket, ROOM, member(&number.to_string())).unwrap();
            clients.push(client);
        }
        let client = Client::of(&hub);
        assert_eq!(hub.subscribe(&client.socket, ROOM, member("x")).unwrap_err().code(), 4004);
        hub.subscribe(&client.socket, ROOM, member("0")).unwrap();
    }

    #[test]
    fn slow_readers_are_disconnected_without_delaying_others() {
        let hub = Hub::default();
        let (mut slow, mut other) = (Client::of(&hub), Client::of(&hub));
        for client in [&slow, &other] {
            hub.subscribe(&client.socket, ROOM, member(&client.socket)).unwrap();
        }
        other.told();
        for number in 0..MAX_WAITING {
            hub.publish(&[event(ROOM, &number.to_string())]);
            other.told();
        }
        while slow.waiting.try_recv().is_ok() {}
        assert_eq!(slow.waiting.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        hub.publish(&[event(ROOM, "1")]);
        assert_eq!(other.told(), [("e".to_owned(), json!(1))]);
    }

    #[test]
    fn disconnecting_leaves_no_state() {
        let hub = Hub::default();
        let client = Client::of(&hub);
        hub.subscribe(&client.socket, "one", None).unwrap();
        hub.subscribe(&client.socket, ROOM, member("a")).unwrap();
        hub.disconnect(&client.socket);
        let state = hub.state();
        assert!(state.connections.is_empty() && state.channels.is_empty());
    }
}
