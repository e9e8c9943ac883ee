//! The room's logs as a whole: written by streams, read by queries.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::LogOptions;
use lacewing_model::{
    Architecture, Clock, Egress, EphemeralMib, FunctionConfig, LogFormat, LogLevel, LoggingConfig, ManualClock,
    MemoryMib, RequestId, RevisionId, Timeout, Timestamp, TracingMode, VersionNumber,
};
use lacewing_sandbox::{LogLine, LogSink, LogSource};
use std::collections::BTreeSet;
use std::time::Duration;

const GROUP: &str = "/aws/lambda/hello";
const NOW: Timestamp = Timestamp(1_795_489_200_000);

struct Room {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    options: LogOptions,
    logs: Option<Logs>,
}

impl Room {
    fn new(options: LogOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut room = Self { dir, clock: Arc::new(ManualClock::at(NOW)), options, logs: None };
        room.reopen();
        room
    }

    fn reopen(&mut self) {
        self.logs = None;
        let clock: Arc<dyn Clock> = self.clock.clone();
        let options = LedgerOptions { logs: self.options.clone(), ..LedgerOptions::new(self.dir.path().into(), clock) };
        self.logs = Some(Logs::open(options).unwrap());
    }

    fn logs(&self) -> &Logs {
        self.logs.as_ref().unwrap()
    }

    fn stream(&self) -> Arc<LogStream> {
        self.logs().stream(&version(LogFormat::Text), SandboxId::random())
    }

    fn say(&self, stream: &LogStream, text: &str) {
        stream.write(line(self.clock.now(), text));
    }

    fn filter(&self, query: FilterQuery) -> FilterPage {
        self.logs().filter_events(&scope(), &FilterQuery { group: GROUP.into(), ..query }).unwrap()
    }

    fn all(&self) -> Vec<String> {
        texts(&self.filter(FilterQuery::default()).events)
    }
}

fn scope() -> LogScope {
    LogScope { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() }
}

fn line(time: Timestamp, text: &str) -> LogLine {
    LogLine { time, source: LogSource::Function, request_id: None, level: None, text: text.to_owned() }
}

fn texts(events: &[LogEvent]) -> Vec<String> {
    events.iter().map(|event| event.message.trim_end().to_owned()).collect()
}

fn version(format: LogFormat) -> Version {
    Version {
        account: scope().account,
        region: scope().region,
        name: "hello".parse().unwrap(),
        number: VersionNumber::Latest,
        config: FunctionConfig {
            runtime: "provided.al2023".parse().unwrap(),
            handler: "h".parse().unwrap(),
            role: "arn:aws:iam::123456789012:role/r".parse().unwrap(),
            description: String::new(),
            timeout: Timeout::default(),
            memory: MemoryMib::default(),
            ephemeral: EphemeralMib::default(),
            environment: Default::default(),
            architecture: Architecture::X86,
            logging: LoggingConfig { format, application_level: None, system_level: None, group: GROUP.into() },
            tracing: TracingMode::default(),
            egress: Egress::default(),
        },
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        code_bytes: 1,
        revision: RevisionId::random(),
        generation: RevisionId::random(),
        last_modified: NOW,
    }
}

#[test]
fn lines_are_read_from_memory_and_from_disk_alike_and_after_a_restart() {
    let mut room = Room::new(LogOptions::default());
    let stream = room.stream();
    room.say(&stream, "one");
    let before = room.filter(FilterQuery::default()).events;
    room.logs().flush();
    assert_eq!(room.filter(FilterQuery::default()).events, before, "same ids, times and texts");
    assert_eq!(before[0].message, "one\n");
    room.say(&stream, "two");
    assert_eq!(room.all(), ["one", "two"]);
    drop(stream);
    room.reopen();
    assert_eq!(room.all(), ["one", "two"], "dropping the room writes what is left");
    let stream = room.stream();
    room.say(&stream, "three");
    assert_eq!(room.all(), ["one", "two", "three"]);
    let events = room.filter(FilterQuery::default()).events;
    assert_eq!(events.iter().map(|event| &event.id).collect::<BTreeSet<_>>().len(), 3, "ids go on after a restart");
}

#[test]
fn a_crash_loses_only_what_was_in_memory() {
    let mut room = Room::new(LogOptions::default());
    let stream = room.stream();
    room.say(&stream, "kept");
    room.logs().flush();
    let dir = place::group_dir(room.logs().writer.dir(), &scope(), GROUP);
    let segment = segment::list(&dir).unwrap().remove(0);
    drop(stream);
    room.logs = None;
    // Half of a batch, as a crash in the middle of a write leaves it.
    let whole = std::fs::read(&segment.path).unwrap();
    std::fs::write(&segment.path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    room.reopen();
    assert_eq!(room.all(), ["kept"]);
    let stream = room.stream();
    room.say(&stream, "more");
    room.logs().flush();
    assert_eq!(room.all(), ["kept", "more"]);
}

#[test]
fn lines_reach_the_disk_without_being_asked_to() {
    let room = Room::new(LogOptions { flush_every: Duration::ZERO, ..LogOptions::default() });
    let stream = room.stream();
    room.say(&stream, "x");
    let dir = place::group_dir(room.logs().writer.dir(), &scope(), GROUP);
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while segment::list(&dir).unwrap().iter().all(|segment| segment.bytes() == 0) {
        assert!(std::time::Instant::now() < patience, "the writer is asleep");
        std::thread::yield_now();
    }
}

#[test]
fn many_writers_and_a_reader_lose_and_repeat_nothing() {
    let options = LogOptions {
        flush_every: Duration::ZERO,
        segment_bytes_max: 20_000,
        group_buffer_bytes: 1_000,
        ..LogOptions::default()
    };
    let room = Room::new(options);
    let read = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (room, stream) = (&room, room.stream());
                scope.spawn(move || (0..500).for_each(|number| room.say(&stream, &format!("{writer}:{number}"))))
            })
            .collect();
        let mut read = Vec::new();
        let mut after = None;
        loop {
            let done = writers.iter().all(|writer| writer.is_finished());
            // Before the first line there is no group yet.
            let query = FilterQuery { group: GROUP.into(), token: after.clone(), ..FilterQuery::default() };
            let page = room.logs().filter_events(&self::scope(), &query);
            let events = page.map(|page| page.events).unwrap_or_default();
            after = events.last().map(|last| last.id.clone()).or(after);
            read.extend(texts(&events));
            if done && events.is_empty() {
                break read;
            }
        }
    });
    assert_eq!(read.len(), 2_000);
    for writer in 0..4 {
        let own: Vec<&String> = read.iter().filter(|text| text.starts_with(&format!("{writer}:"))).collect();
        assert!(own.iter().enumerate().all(|(number, text)| **text == format!("{writer}:{number}")), "in order");
    }
}

#[test]
fn times_never_fall_within_a_group_and_never_lie_ahead() {
    let room = Room::new(LogOptions::default());
    let (a, b) = (room.stream(), room.stream());
    a.write(line(Timestamp(NOW.0 + 99_999), "from the future"));
    b.write(line(Timestamp(NOW.0 - 5), "late"));
    let times: Vec<u64> = room.filter(FilterQuery::default()).events.iter().map(|event| event.time.0).collect();
    assert_eq!(times, [NOW.0, NOW.0]);
}

#[test]
fn a_follower_by_time_meets_each_event_once() {
    let room = Room::new(LogOptions { segment_bytes_max: 2_000, ..LogOptions::default() });
    let streams = [room.stream(), room.stream(), room.stream()];
    // What `aws logs tail --follow` does: go on at the newest time seen, drop the ids seen at that time.
    let (mut start, mut seen, mut got) = (None, BTreeSet::new(), Vec::new());
    for turn in 0..60_u64 {
        for (index, stream) in streams.iter().enumerate() {
            stream.write(line(Timestamp(NOW.0 + turn * 3 - index as u64 * 7), &format!("{turn}/{index}")));
        }
        if turn % 7 == 0 {
            room.logs().flush();
        }
        room.clock.advance(Duration::from_millis(turn % 4));
        let mut token = None;
        loop {
            let page = room.filter(FilterQuery { start, limit: Some(2), token, ..FilterQuery::default() });
            for event in page.events {
                if start != Some(event.time) {
                    seen.clear();
                }
                start = Some(event.time);
                if seen.insert(event.id.clone()) {
                    got.push(event.message.trim_end().to_owned());
                }
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
    }
    let want: Vec<String> = (0..60).flat_map(|turn| (0..3).map(move |index| format!("{turn}/{index}"))).collect();
    assert_eq!(got, want);
}

#[test]
fn get_events_goes_both_ways_and_tokens_stand_still_at_the_ends() {
    let room = Room::new(LogOptions { segment_bytes_max: 300, ..LogOptions::default() });
    let (stream, other) = (room.stream(), room.stream());
    for number in 0..10 {
        room.say(&stream, &format!("{number}"));
        room.say(&other, "other");
        if number % 3 == 0 {
            room.logs().flush();
        }
        room.clock.advance(Duration::from_millis(10));
    }
    let get = |from_head, limit, token: Option<String>| {
        let query = EventsQuery {
            group: GROUP.into(),
            stream: stream.name().into(),
            from_head,
            limit: Some(limit),
            token,
            ..EventsQuery::default()
        };
        room.logs().get_events(&scope(), &query).unwrap()
    };
    let head = get(true, 4, None);
    assert_eq!(texts(&head.events), ["0", "1", "2", "3"]);
    let second = get(true, 4, Some(head.forward.clone()));
    assert_eq!(texts(&second.events), ["4", "5", "6", "7"]);
    let back = get(true, 4, Some(second.backward.clone()));
    assert_eq!(texts(&back.events), ["0", "1", "2", "3"]);
    assert_eq!(get(true, 4, Some(back.backward.clone())).backward, back.backward, "no more before");

    let tail = get(false, 3, None);
    assert_eq!(texts(&tail.events), ["7", "8", "9"]);
    let end = get(false, 3, Some(tail.forward.clone()));
    assert_eq!((texts(&end.events), &end.forward), (vec![], &tail.forward), "no more yet");
    room.say(&stream, "new");
    assert_eq!(texts(&get(false, 3, Some(end.forward)).events), ["new"]);

    let during = EventsQuery {
        group: GROUP.into(),
        stream: stream.name().into(),
        start: Some(Timestamp(NOW.0 + 20)),
        end: Some(Timestamp(NOW.0 + 40)),
        ..EventsQuery::default()
    };
    let events = room.logs().get_events(&scope(), &during).unwrap().events;
    assert_eq!(texts(&events), ["2", "3"], "the end is not included");
}

#[test]
fn an_empty_page_from_the_end_misses_nothing_that_comes() {
    let room = Room::new(LogOptions::default());
    let stream = room.stream();
    room.say(&stream, "old");
    room.clock.advance(Duration::from_secs(1));
    let query = EventsQuery {
        group: GROUP.into(),
        stream: stream.name().into(),
        start: Some(room.clock.now()),
        ..EventsQuery::default()
    };
    let page = room.logs().get_events(&scope(), &query).unwrap();
    assert!(page.events.is_empty());
    room.say(&stream, "new");
    let page = room.logs().get_events(&scope(), &EventsQuery { token: Some(page.forward), ..query }).unwrap();
    assert_eq!(texts(&page.events), ["new"]);
}

#[test]
fn filters_choose_streams_times_and_patterns() {
    let room = Room::new(LogOptions::default());
    let (a, b) = (room.stream(), room.stream());
    for (stream, text) in [(&a, "a ERROR 1"), (&b, "b INFO 2"), (&b, "b ERROR 3")] {
        room.say(stream, text);
        room.clock.advance(Duration::from_millis(10));
    }
    let at = |ms| Some(Timestamp(NOW.0 + ms));
    for (query, want) in [
        (FilterQuery { pattern: "ERROR".into(), ..FilterQuery::default() }, vec!["a ERROR 1", "b ERROR 3"]),
        (FilterQuery { streams: vec![b.name().into()], ..FilterQuery::default() }, vec!["b INFO 2", "b ERROR 3"]),
        (
            FilterQuery { stream_prefix: Some("2026/11/24".into()), ..FilterQuery::default() },
            vec!["a ERROR 1", "b INFO 2", "b ERROR 3"],
        ),
        (FilterQuery { stream_prefix: Some("1999".into()), ..FilterQuery::default() }, vec![]),
        (FilterQuery { start: at(10), end: at(20), ..FilterQuery::default() }, vec!["b INFO 2", "b ERROR 3"]),
        (FilterQuery { end: at(0), ..FilterQuery::default() }, vec!["a ERROR 1"]),
    ] {
        assert_eq!(texts(&room.filter(query.clone()).events), want, "{query:?}");
    }
}

#[test]
fn a_long_search_answers_in_parts() {
    let room = Room::new(LogOptions { segment_bytes_max: 2_000, scan_bytes_max: 5_000, ..LogOptions::default() });
    let stream = room.stream();
    for number in 0..200 {
        room.say(&stream, &format!("line {number}"));
        room.logs().flush();
    }
    let (mut pages, mut found, mut token) = (0, Vec::new(), None);
    loop {
        let page = room.filter(FilterQuery { pattern: "\"line 199\"".into(), token, ..FilterQuery::default() });
        found.extend(texts(&page.events));
        pages += 1;
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["line 199"]);
    assert!(pages > 2, "{pages}");
}

#[test]
fn groups_and_streams_are_described_page_by_page() {
    let room = Room::new(LogOptions::default());
    let mut names = Vec::new();
    for number in 0..5 {
        let stream = room.stream();
        room.say(&stream, "x");
        names.push(stream.name().to_owned());
        room.clock.advance(Duration::from_millis(10));
        if number == 2 {
            room.logs().flush();
        }
    }
    let describe = |order, descending, token| {
        let query =
            StreamQuery { group: GROUP.into(), order, descending, limit: Some(2), token, ..StreamQuery::default() };
        room.logs().describe_streams(&scope(), &query).unwrap()
    };
    for (order, descending) in
        [(StreamOrder::Name, false), (StreamOrder::Name, true), (StreamOrder::LastEventTime, true)]
    {
        let (mut got, mut token) = (Vec::new(), None);
        loop {
            let page = describe(order, descending, token);
            got.extend(page.items.into_iter().map(|stream| stream.name));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        let mut want = names.clone();
        if order == StreamOrder::Name {
            want.sort();
            if descending {
                want.reverse();
            }
        } else {
            want.reverse();
        }
        assert_eq!(got, want, "{order:?} {descending}");
    }
    let groups = room.logs().describe_groups(&scope(), &GroupQuery::default()).unwrap().items;
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].name.as_str(), groups[0].created), (GROUP, NOW));
    assert!(groups[0].stored_bytes > 0);
    let none = GroupQuery { prefix: Some("/other".into()), ..GroupQuery::default() };
    assert!(room.logs().describe_groups(&scope(), &none).unwrap().items.is_empty());
}

#[test]
fn groups_of_other_accounts_and_regions_are_not_there() {
    let room = Room::new(LogOptions::default());
    room.say(&room.stream(), "secret");
    room.logs().flush();
    let other = LogScope { account: "999999999999".parse().unwrap(), ..scope() };
    let elsewhere = LogScope { region: "eu-west-1".parse().unwrap(), ..scope() };
    for scope in [other, elsewhere] {
        assert!(room.logs().describe_groups(&scope, &GroupQuery::default()).unwrap().items.is_empty());
        let query = FilterQuery { group: GROUP.into(), ..FilterQuery::default() };
        assert!(matches!(room.logs().filter_events(&scope, &query), Err(LogsError::GroupNotFound)));
        let sneaky = FilterQuery { group: format!("../../123456789012/us-east-1/{GROUP}"), ..FilterQuery::default() };
        assert!(matches!(room.logs().filter_events(&scope, &sneaky), Err(LogsError::GroupNotFound)));
    }
}

#[test]
fn what_does_not_exist_or_is_no_token_is_said_so() {
    let room = Room::new(LogOptions::default());
    room.say(&room.stream(), "x");
    let query = EventsQuery { group: GROUP.into(), stream: "none".into(), ..EventsQuery::default() };
    assert!(matches!(room.logs().get_events(&scope(), &query), Err(LogsError::StreamNotFound)));
    let query = EventsQuery { token: Some("x".into()), ..query };
    assert!(matches!(room.logs().get_events(&scope(), &query), Err(LogsError::Invalid(_))));
    let query = FilterQuery { group: GROUP.into(), limit: Some(10_001), ..FilterQuery::default() };
    assert!(matches!(room.logs().filter_events(&scope(), &query), Err(LogsError::Invalid(_))));
}

#[test]
fn endless_output_is_cut_to_its_budget_and_said_so() {
    let options = LogOptions { stream_bytes_per_second: 1_000, stream_burst_bytes: 2_000, ..LogOptions::default() };
    let room = Room::new(options);
    let stream = room.stream();
    stream.begin(RequestId::random(), true);
    stream.platform("START");
    for _ in 0..100 {
        room.say(&stream, &"x".repeat(68));
    }
    stream.platform("END");
    let tail = stream.end().unwrap();
    assert_eq!(tail.len(), 4_096);
    let all = room.all();
    assert_eq!(all.len(), 1 + 20 + 1 + 1, "{all:?}");
    assert_eq!((all[0].as_str(), all[21].as_str()), ("START", "END"), "the platform's lines are not counted");
    assert!(all[22].starts_with("LOGS_DROPPED RequestId: ") && all[22].contains("Dropped Records: 80"), "{}", all[22]);
    room.clock.advance(Duration::from_secs(1));
    room.say(&stream, "again");
    assert_eq!(room.all()[23], "again");
}

#[test]
fn memory_is_bounded_and_the_platform_is_heard_to_the_end() {
    // No thread writes here before the end: the batch stays below what wakes it, and a second does not pass.
    let options =
        LogOptions { buffer_bytes_max: 1_000, flush_every: Duration::from_secs(3_600), ..LogOptions::default() };
    let room = Room::new(options);
    let stream = room.stream();
    for _ in 0..100 {
        room.say(&stream, &"x".repeat(90));
    }
    stream.platform("REPORT");
    let all = room.all();
    assert!(all.len() < 12, "{}", all.len());
    assert_eq!(all.last().unwrap(), "REPORT");
}

#[test]
fn a_tail_is_kept_only_for_who_asks() {
    let room = Room::new(LogOptions::default());
    let stream = room.stream();
    room.say(&stream, "before");
    stream.begin(RequestId::random(), true);
    stream.platform("START\n");
    room.say(&stream, "hello");
    assert_eq!(stream.end().unwrap(), b"START\nhello\n");
    stream.begin(RequestId::random(), false);
    room.say(&stream, "hello");
    assert_eq!(stream.end(), None);
    assert_eq!(room.all(), ["before", "START", "hello", "hello"]);
}

#[test]
fn json_functions_are_filtered_by_level() {
    let room = Room::new(LogOptions::default());
    let mut version = version(LogFormat::Json);
    version.config.logging.application_level = Some(LogLevel::Warn);
    let stream = room.logs().stream(&version, SandboxId::random());
    for text in [r#"{"level":"info"}"#, r#"{"level":"ERROR"}"#, "plain"] {
        room.say(&stream, text);
    }
    stream.platform("{}");
    assert_eq!(room.all(), [r#"{"level":"ERROR"}"#, "{}"]);
}

#[test]
fn a_group_keeps_to_its_size() {
    let options = LogOptions { segment_bytes_max: 1_000, group_bytes_max: 3_000, ..LogOptions::default() };
    let room = Room::new(options);
    let stream = room.stream();
    for number in 0..100 {
        room.say(&stream, &format!("{number:0100}"));
        room.logs().flush();
    }
    let all = room.all();
    assert!((10..40).contains(&all.len()), "{}", all.len());
    assert_eq!(all.last().unwrap(), &format!("{:0100}", 99), "the newest stay");
}

#[test]
fn group_handles_are_bounded() {
    let room = Room::new(LogOptions { open_groups_max: 3, ..LogOptions::default() });
    for number in 0..10 {
        let mut version = version(LogFormat::Text);
        version.config.logging.group = format!("/aws/lambda/f{number}");
        let stream = room.logs().stream(&version, SandboxId::random());
        room.say(&stream, "x");
        room.logs().flush();
    }
    // The writer may still hold those it heard of last.
    assert!(room.logs().open_groups().len() <= 10);
    assert_eq!(room.logs().describe_groups(&scope(), &GroupQuery::default()).unwrap().items.len(), 10);
}
