//! Groups as someone makes them: ahead of their first line, with a retention and tags of their own.
//!
//! What is said of a group lies beside its segments, in one file that is swapped whole. A group without the file came
//! into being with a function's first line, and has the server's retention.

use super::group::{Group, lock};
use super::{LogScope, Logs, LogsError, place};
use lacewing_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Groups of an account in a region that may be made ahead.
const GROUPS_MAX: usize = 10_000;
/// Tags of a group. Source: CloudWatch Logs API, `TagResource`.
const TAGS_MAX: usize = 50;
/// The days that a group may keep its events. Source: CloudWatch Logs API, `PutRetentionPolicy`.
const RETENTIONS: [u32; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653, 0];
const FILE: &str = "settings.json";
/// The class of a group that nobody gave one.
const CLASS: &str = "STANDARD";

/// What is said of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Days that its events are kept; no longer than the server keeps any.
    pub(super) retention_days: Option<u32>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) class: Option<String>,
}

impl Logs {
    /// Makes a group that has no lines yet.
    pub fn create_group(
        &self,
        scope: &LogScope,
        name: &str,
        class: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogsError> {
        let _one = lock(&self.managing);
        check_tags(&tags)?;
        if !matches!(class.as_deref(), None | Some(CLASS | "INFREQUENT_ACCESS" | "DELIVERY")) {
            return Err(LogsError::Invalid("logGroupClass is STANDARD, INFREQUENT_ACCESS or DELIVERY.".into()));
        }
        if self.has_group(scope, name) {
            return Err(LogsError::GroupExists);
        }
        let made = std::fs::read_dir(place::scope_dir(self.writer.dir(), scope)).map_or(0, Iterator::count);
        if made >= GROUPS_MAX {
            return Err(LogsError::TooMany(format!("An account has at most {GROUPS_MAX} log groups in a region.")));
        }
        let dir = place::group_dir(self.writer.dir(), scope, name);
        place::make(&dir, name, self.writer.now())?;
        Ok(write(&dir, &Settings { retention_days: None, tags, class })?)
    }

    /// Removes a group with all that it holds. Lines that come later make it anew.
    pub fn delete_group(&self, scope: &LogScope, name: &str) -> Result<(), LogsError> {
        let _one = lock(&self.managing);
        if !self.has_group(scope, name) {
            return Err(LogsError::GroupNotFound);
        }
        let group = self.group(scope.clone(), name);
        self.writer.flush(&group);
        Ok(group.remove()?)
    }

    /// Keeps a group's events for so many days; `None`: as long as the server keeps any.
    pub fn set_retention(&self, scope: &LogScope, name: &str, days: Option<u32>) -> Result<(), LogsError> {
        if days.is_some_and(|days| days == 0 || !RETENTIONS.contains(&days)) {
            let all: Vec<_> = RETENTIONS.iter().filter(|days| **days > 0).map(ToString::to_string).collect();
            return Err(LogsError::Invalid(format!("retentionInDays must be one of {}.", all.join(", "))));
        }
        self.edit_group(scope, name, |settings| {
            settings.retention_days = days;
            Ok(())
        })
    }

    /// Changes a group's tags.
    pub fn retag_group(
        &self,
        scope: &LogScope,
        name: &str,
        add: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<(), LogsError> {
        self.edit_group(scope, name, |settings| {
            settings.tags.extend(add);
            settings.tags.retain(|key, _| !remove.contains(key));
            check_tags(&settings.tags)
        })
    }

    /// A group's tags.
    pub fn group_tags(&self, scope: &LogScope, name: &str) -> Result<BTreeMap<String, String>, LogsError> {
        if !self.has_group(scope, name) {
            return Err(LogsError::GroupNotFound);
        }
        let dir = place::group_dir(self.writer.dir(), scope, name);
        Ok(read(&dir).map(|settings| settings.tags).unwrap_or_default())
    }

    fn edit_group(
        &self,
        scope: &LogScope,
        name: &str,
        edit: impl FnOnce(&mut Settings) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let _one = lock(&self.managing);
        if !self.has_group(scope, name) {
            return Err(LogsError::GroupNotFound);
        }
        let dir = place::group_dir(self.writer.dir(), scope, name);
        // One whose first lines are still in memory has no folder yet.
        place::make(&dir, name, self.writer.now())?;
        let mut settings = read(&dir).unwrap_or_default();
        edit(&mut settings)?;
        Ok(write(&dir, &settings)?)
    }

    fn has_group(&self, scope: &LogScope, name: &str) -> bool {
        let dir = place::group_dir(self.writer.dir(), scope, name);
        let open = || self.open_groups().get(&(scope.clone(), name.to_owned())).cloned();
        place::read(&dir).is_some() || open().is_some_and(|group: std::sync::Arc<Group>| group.in_memory().is_some())
    }
}

impl Settings {
    pub(super) fn class(&self) -> String {
        self.class.clone().unwrap_or_else(|| CLASS.to_owned())
    }

    /// The time before which events are to go, where the group says so.
    pub(super) fn oldest(&self, now: Timestamp) -> Option<Timestamp> {
        let days = u64::from(self.retention_days?);
        Some(Timestamp(now.0.saturating_sub(days * 86_400_000)))
    }
}

/// What is said of the group in this folder, if anything.
pub(super) fn read(dir: &Path) -> Option<Settings> {
    let bytes = std::fs::read(dir.join(FILE)).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::error!(dir = %dir.display(), %error, "a log group's settings cannot be read"))
        .ok()
}

/// On the disk when this returns.
fn write(dir: &Path, settings: &Settings) -> io::Result<()> {
    let unfinished = dir.join("settings.unfinished");
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec(settings)?)?;
    file.sync_all()?;
    std::fs::rename(unfinished, dir.join(FILE))?;
    std::fs::File::open(dir)?.sync_all()
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), LogsError> {
    let fits =
        |(key, value): (&String, &String)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    if tags.len() > TAGS_MAX {
        return Err(LogsError::TooMany(format!("A log group has at most {TAGS_MAX} tags.")));
    }
    if tags.iter().all(fits) {
        return Ok(());
    }
    Err(LogsError::Invalid("A tag's key has 1 to 128 characters, its value up to 256.".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{GROUP, Room, scope};
    use super::super::{EventsQuery, GroupQuery, LogsError, StreamQuery};
    use super::*;
    use crate::LogOptions;

    fn shown(room: &Room) -> Vec<(String, Option<u64>)> {
        let page = room.logs().describe_groups(&scope(), &GroupQuery::default()).unwrap();
        page.items.into_iter().map(|group| (group.name, group.retention_days)).collect()
    }

    #[test]
    fn a_group_is_made_ahead_kept_over_a_restart_and_removed() {
        let mut room = Room::new(LogOptions::default());
        let tags = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
        room.logs().create_group(&scope(), "/aws/lambda/ahead", None, tags.clone()).unwrap();
        let again = room.logs().create_group(&scope(), "/aws/lambda/ahead", None, BTreeMap::new());
        assert!(matches!(again, Err(LogsError::GroupExists)));
        assert_eq!(shown(&room), [("/aws/lambda/ahead".to_owned(), None)]);
        let query = StreamQuery { group: "/aws/lambda/ahead".into(), ..StreamQuery::default() };
        assert_eq!(room.logs().describe_streams(&scope(), &query).unwrap().items, []);
        room.logs().set_retention(&scope(), "/aws/lambda/ahead", Some(7)).unwrap();
        for days in [0, 2, 4_000] {
            assert!(room.logs().set_retention(&scope(), "/aws/lambda/ahead", Some(days)).is_err(), "{days}");
        }
        room.reopen();
        assert_eq!(shown(&room), [("/aws/lambda/ahead".to_owned(), Some(7))]);
        assert_eq!(room.logs().group_tags(&scope(), "/aws/lambda/ahead").unwrap(), tags);
        room.logs().retag_group(&scope(), "/aws/lambda/ahead", BTreeMap::new(), &["team".to_owned()]).unwrap();
        assert!(room.logs().group_tags(&scope(), "/aws/lambda/ahead").unwrap().is_empty());
        room.logs().set_retention(&scope(), "/aws/lambda/ahead", None).unwrap();
        room.logs().delete_group(&scope(), "/aws/lambda/ahead").unwrap();
        assert_eq!(shown(&room), []);
        for gone in [
            room.logs().delete_group(&scope(), "/aws/lambda/ahead"),
            room.logs().set_retention(&scope(), "/aws/lambda/ahead", Some(1)),
            room.logs().group_tags(&scope(), "/aws/lambda/ahead").map(drop),
        ] {
            assert!(matches!(gone, Err(LogsError::GroupNotFound)));
        }
    }

    #[test]
    fn a_stream_that_writes_on_makes_a_removed_group_anew() {
        let room = Room::new(LogOptions::default());
        let stream = room.stream();
        room.say(&stream, "before");
        room.logs().flush();
        room.say(&stream, "still in memory");
        room.logs().delete_group(&scope(), GROUP).unwrap();
        let gone = room.logs().get_events(&scope(), &EventsQuery { group: GROUP.into(), ..EventsQuery::default() });
        assert!(matches!(gone, Err(LogsError::GroupNotFound)), "{gone:?}");
        room.say(&stream, "after");
        assert_eq!(room.all(), ["after"]);
        room.logs().flush();
        assert_eq!(room.all(), ["after"]);
        assert_eq!(shown(&room).len(), 1);
    }

    #[test]
    fn a_group_lets_go_of_what_is_older_than_it_keeps() {
        let room = Room::new(LogOptions::default());
        let (day, dir) = (86_400_000, place::group_dir(room.logs().writer.dir(), &scope(), GROUP));
        let stream = room.stream();
        room.say(&stream, "old");
        room.logs().flush();
        let later = Timestamp(room.logs().writer.now().0 + 2 * day);
        let sweep = || super::super::retention::sweep(room.logs().writer.dir(), &LogOptions::default(), later).unwrap();
        sweep();
        assert_eq!(room.all(), ["old"]);
        room.logs().set_retention(&scope(), GROUP, Some(1)).unwrap();
        sweep();
        assert_eq!(super::super::segment::list(&dir).unwrap().len(), 0);
    }
}
