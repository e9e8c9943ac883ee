//! What becomes of lines.

use super::*;

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
fn times_never_fall_within_a_group_and_never_lie_ahead() {
    let room = Room::new(LogOptions::default());
    let (a, b) = (room.stream(), room.stream());
    a.write(line(Timestamp(NOW.0 + 99_999), "from the future"));
    b.write(line(Timestamp(NOW.0 - 5), "late"));
    let times: Vec<u64> = room.filter(FilterQuery::default()).events.iter().map(|event| event.time.0).collect();
    assert_eq!(times, [NOW.0, NOW.0]);
}

#[test]
fn endless_output_is_cut_to_its_budget_and_said_so() {
    let options = LogOptions { stream_bytes_per_second: 1_000, stream_burst_bytes: 2_000, ..LogOptions::default() };
    let room = Room::new(options);
    let stream = room.stream();
    let id = RequestId::random();
    stream.begin(id, true);
    stream.platform("START");
    for _ in 0..100 {
        room.say(&stream, &"x".repeat(68));
    }
    stream.platform("END");
    let tail = stream.end(id).unwrap();
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
    let id = RequestId::random();
    stream.begin(id, true);
    stream.platform("START\n");
    room.say(&stream, "hello");
    assert_eq!(stream.end(id).unwrap(), b"START\nhello\n");
    stream.begin(id, false);
    room.say(&stream, "hello");
    assert_eq!(stream.end(id), None);
    assert_eq!(room.all(), ["before", "START", "hello", "hello"]);
}

#[test]
fn json_functions_are_filtered_by_level() {
    let room = Room::new(LogOptions::default());
    let mut version = version(LogFormat::Json);
    Arc::make_mut(&mut version.config).logging.application_level = Some(LogLevel::Warn);
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
        Arc::make_mut(&mut version.config).logging.group = format!("/aws/lambda/f{number}");
        let stream = room.logs().stream(&version, SandboxId::random());
        room.say(&stream, "x");
        room.logs().flush();
    }
    // The writer may still hold those it heard of last.
    assert!(room.logs().open_groups().len() <= 10);
    assert_eq!(room.logs().describe_groups(&scope(), &GroupQuery::default()).unwrap().items.len(), 10);
}
