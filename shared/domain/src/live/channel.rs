//! Channels, and who may listen to them.

use std::fmt;
use std::str::FromStr;

use super::super::id::{CourseId, TrackId, UserId};

/// The longest name of a channel, in characters
/// ([Channels' limits](https://pusher.com/docs/channels/using_channels/channels/#channel-naming-conventions)).
pub const MAX_NAME: usize = 164;

/// A channel that Tally speaks on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The channel of one user.
    User(UserId),
    /// The dashboard of a student.
    StudentDashboard(UserId),
    /// The dashboard of a teacher.
    TeacherDashboard(UserId),
    /// The dashboard of an artist.
    ArtistDashboard(UserId),
    /// The dashboard of a seller.
    SellerDashboard(UserId),
    /// The dashboard of admins.
    AdminDashboard,
    /// The channel of a course.
    Course(CourseId),
    /// The enrollments of a course.
    CourseEnrollments(CourseId),
    /// The users who are viewing a course.
    CoursePresence(CourseId),
    /// The boards, for signed-in users.
    SignedInLeaderboard,
    /// The boards.
    Leaderboard,
    /// Announcements to all users.
    Announcements,
    /// The figures of a track.
    Track(TrackId),
}

/// The audience of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// Everybody, without asking.
    Everybody,
    /// Any signed-in user.
    SignedIn,
    /// This user.
    Person(&'a UserId),
    /// Admins.
    Admins,
    /// Those who are enrolled in a course, its teacher, and admins.
    Course(&'a CourseId),
    /// The teacher of a course, and admins.
    Teacher(&'a CourseId),
}

/// A text that names no channel of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChannel {
    /// The text is no channel name.
    #[error("must have 1 to 164 characters of A-Z a-z 0-9 _ - = @ , . ;")]
    NoName,
    /// The channel does not exist.
    #[error("there is no channel of this name")]
    Unknown,
}

const USER: &str = "private-user-";
const STUDENT: &str = "private-student-dashboard-";
const TEACHER: &str = "private-teacher-dashboard-";
const ARTIST: &str = "private-artist-dashboard-";
const SELLER: &str = "private-seller-dashboard-";
const ADMIN: &str = "private-admin-dashboard";
const COURSE: &str = "private-course-";
const ENROLLMENTS: &str = "private-course-enrollments-";
const PRESENCE: &str = "presence-course-";
const SIGNED_IN_LEADERBOARD: &str = "private-leaderboard";
const LEADERBOARD: &str = "public-leaderboard";
const ANNOUNCEMENTS: &str = "public-announcements";
const TRACK: &str = "public-track-";

/// Reserved prefixes of course ids: the channel of course `enrollments-x` would be the channel of the enrollments of
/// `x`.
pub const RESERVED_FOR_COURSES: &str = "enrollments-";

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id) = match self {
            Self::User(id) => (USER, id.as_str()),
            Self::StudentDashboard(id) => (STUDENT, id.as_str()),
            Self::TeacherDashboard(id) => (TEACHER, id.as_str()),
            Self::ArtistDashboard(id) => (ARTIST, id.as_str()),
            Self::SellerDashboard(id) => (SELLER, id.as_str()),
            Self::AdminDashboard => (ADMIN, ""),
            Self::Course(id) => (COURSE, id.as_str()),
            Self::CourseEnrollments(id) => (ENROLLMENTS, id.as_str()),
            Self::CoursePresence(id) => (PRESENCE, id.as_str()),
            Self::SignedInLeaderboard => (SIGNED_IN_LEADERBOARD, ""),
            Self::Leaderboard => (LEADERBOARD, ""),
            Self::Announcements => (ANNOUNCEMENTS, ""),
            Self::Track(id) => (TRACK, id.as_str()),
        };
        // Names of channels have no colons, ids no semicolons.
        write!(f, "{prefix}{}", id.replace(':', ";"))
    }
}

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(name: &str) -> Result<Self, InvalidChannel> {
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'=' | b'@' | b',' | b'.' | b';');
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(is_letter) {
            return Err(InvalidChannel::NoName);
        }
        let id = |prefix| name.strip_prefix(prefix).map(|id: &str| id.replace(';', ":"));
        let user = |prefix| id(prefix).and_then(|id| id.parse::<UserId>().ok());
        let course = |prefix| id(prefix).and_then(|id| id.parse::<CourseId>().ok());
        let found = match name {
            ADMIN => Some(Self::AdminDashboard),
            SIGNED_IN_LEADERBOARD => Some(Self::SignedInLeaderboard),
            LEADERBOARD => Some(Self::Leaderboard),
            ANNOUNCEMENTS => Some(Self::Announcements),
            _ if name.starts_with(ENROLLMENTS) => course(ENROLLMENTS).map(Self::CourseEnrollments),
            _ => user(USER)
                .map(Self::User)
                .or_else(|| user(STUDENT).map(Self::StudentDashboard))
                .or_else(|| user(TEACHER).map(Self::TeacherDashboard))
                .or_else(|| user(ARTIST).map(Self::ArtistDashboard))
                .or_else(|| user(SELLER).map(Self::SellerDashboard))
                .or_else(|| course(COURSE).map(Self::Course))
                .or_else(|| course(PRESENCE).map(Self::CoursePresence))
                .or_else(|| id(TRACK).and_then(|id| id.parse().ok()).map(Self::Track)),
        };
        found.ok_or(InvalidChannel::Unknown)
    }
}

impl Channel {
    /// The audience.
    #[must_use]
    pub const fn audience(&self) -> Audience<'_> {
        match self {
            Self::User(id)
            | Self::StudentDashboard(id)
            | Self::TeacherDashboard(id)
            | Self::ArtistDashboard(id)
            | Self::SellerDashboard(id) => Audience::Person(id),
            Self::AdminDashboard => Audience::Admins,
            Self::Course(id) | Self::CoursePresence(id) => Audience::Course(id),
            Self::CourseEnrollments(id) => Audience::Teacher(id),
            Self::SignedInLeaderboard => Audience::SignedIn,
            Self::Leaderboard | Self::Announcements | Self::Track(_) => Audience::Everybody,
        }
    }

    /// Whether subscribers see each other.
    #[must_use]
    pub const fn has_presence(&self) -> bool {
        matches!(self, Self::CoursePresence(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_name_round_trips() {
        let person = || "auth0:7".parse::<UserId>().unwrap();
        let course = || "enrollments".parse::<CourseId>().unwrap();
        for (channel, name) in [
            (Channel::User(person()), "private-user-auth0;7"),
            (Channel::StudentDashboard(person()), "private-student-dashboard-auth0;7"),
            (Channel::TeacherDashboard(person()), "private-teacher-dashboard-auth0;7"),
            (Channel::ArtistDashboard(person()), "private-artist-dashboard-auth0;7"),
            (Channel::SellerDashboard(person()), "private-seller-dashboard-auth0;7"),
            (Channel::AdminDashboard, "private-admin-dashboard"),
            (Channel::Course(course()), "private-course-enrollments"),
            (Channel::CourseEnrollments(course()), "private-course-enrollments-enrollments"),
            (Channel::CoursePresence(course()), "presence-course-enrollments"),
            (Channel::SignedInLeaderboard, "private-leaderboard"),
            (Channel::Leaderboard, "public-leaderboard"),
            (Channel::Announcements, "public-announcements"),
            (Channel::Track("t.1".parse().unwrap()), "public-track-t.1"),
        ] {
            assert_eq!(channel.to_string(), name);
            assert_eq!(name.parse(), Ok(channel));
        }
    }

    #[test]
    fn longest_id_fits_into_a_channel_name() {
        let longest: CourseId = "x".repeat(super::super::super::id::MAX_LENGTH).parse().unwrap();
        assert!(Channel::CourseEnrollments(longest).to_string().len() <= MAX_NAME);
    }

    #[test]
    fn rejects_unknown_channels() {
        for name in ["", "private-user-a b", "private-user-ä", "private-user-a:b", "private-user-a/b", &"x".repeat(165)]
        {
            assert_eq!(name.parse::<Channel>(), Err(InvalidChannel::NoName), "{name}");
        }
        for name in [
            "private-user-",
            "user-7",
            "private-users-7",
            "private-course-enrollments-",
            "private-encrypted-user-7",
            "x",
        ] {
            assert_eq!(name.parse::<Channel>(), Err(InvalidChannel::Unknown), "{name}");
        }
    }
}
