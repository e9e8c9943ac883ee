//! What queries answer.

use super::*;

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
