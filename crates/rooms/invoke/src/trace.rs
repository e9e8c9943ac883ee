//! The trace header that every invocation carries, and what it tells of calls that go in circles.
//!
//! ```text
//! Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a87bd80c:1|68fd508a:5
//! ```
//!
//! Its lineage counts how often each function is in the chain of calls. SDKs inside functions pass the header on, and so
//! do destinations. Source: X-Ray documentation, "Tracing header"; Lambda developer guide, "Recursive loop detection".

use lacewing_model::{RequestId, Timestamp, Version};

/// Longest trace header that is passed on.
const TRACE_BYTES_MAX: usize = 1_024;

/// The part of a header with the lineage.
const LINEAGE: &str = "Lineage=";
/// How often a function may be in one chain of calls. Source: "Recursive loop detection": about 16.
const TIMES_MAX: u32 = 16;

/// What the function sees: the caller's header where it names a root, else a new, unsampled one.
/// Source: X-Ray documentation, "Tracing header".
#[must_use]
pub fn trace_id(from_caller: Option<String>, now: Timestamp) -> String {
    let fits = |header: &String| {
        header.len() <= TRACE_BYTES_MAX
            && header.contains("Root=")
            && header.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    };
    from_caller.filter(fits).unwrap_or_else(|| {
        let random = RequestId::random().as_u128();
        let parent = u64::try_from(RequestId::random().as_u128() >> 64).unwrap_or_default();
        format!("Root=1-{:08x}-{:024x};Parent={parent:016x};Sampled=0", now.0 / 1_000, random & ((1 << 96) - 1))
    })
}

/// A header on its way through a function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// With the function in its lineage once more.
    pub(crate) header: String,
    /// True when it was there as often as a function may be.
    pub(crate) circles: bool,
}

/// Adds a function to the lineage of a header from [`trace_id`]. Where it would become too long, the functions that
/// came first are forgotten.
pub(crate) fn step(header: &str, version: &Version) -> Step {
    let own = number_of(version);
    if !header.contains(LINEAGE) {
        // Nearly every call: nothing to read, and one text to write.
        let header = format!("{};{LINEAGE}{own:08x}:1", header.trim_end_matches(';'));
        return Step { header, circles: false };
    }
    let (rest, lineage) = split(header);
    let mut counts = read(lineage);
    let before = counts.iter().position(|(number, _)| *number == own).map_or(0, |at| counts.remove(at).1);
    counts.push((own, before.saturating_add(1)));
    let write = |(number, times): &(u32, u32)| format!("{number:08x}:{times}");
    let mut written: Vec<String> = counts.iter().map(write).collect();
    let room = TRACE_BYTES_MAX.saturating_sub(rest.len() + 1 + LINEAGE.len());
    while written.len() > 1 && written.iter().map(|item| item.len() + 1).sum::<usize>() > room {
        written.remove(0);
    }
    Step { header: format!("{rest};{LINEAGE}{}", written.join("|")), circles: before >= TIMES_MAX }
}

/// True when a function of this account is in the lineage of a header.
#[must_use]
pub fn has_passed(header: &str, account: &str, region: &str, function: &str) -> bool {
    let own = number(account, region, function);
    read(split(header).1).iter().any(|(number, _)| *number == own)
}

/// The header without its lineage, and the lineage.
fn split(header: &str) -> (String, &str) {
    let lineage = header.split(';').find_map(|part| part.trim().strip_prefix(LINEAGE)).unwrap_or_default();
    let rest = header.split(';').filter(|part| !part.trim().starts_with(LINEAGE) && !part.trim().is_empty());
    (rest.collect::<Vec<_>>().join(";"), lineage)
}

/// The functions of a lineage, and how often each was there. Python's SDK writes the bar between two as `%7C`.
fn read(lineage: &str) -> Vec<(u32, u32)> {
    let item = |item: &str| {
        let (number, times) = item.split_once(':')?;
        Some((u32::from_str_radix(number, 16).ok()?, times.parse().ok()?))
    };
    lineage.replace("%7C", "|").split('|').filter_map(item).collect()
}

fn number_of(version: &Version) -> u32 {
    number(version.account.as_str(), version.region.as_str(), version.name.as_str())
}

/// A function's number in lineages: FNV-1a of what it is called. Two with one number end a circle too early; that takes
/// somebody who wants it, and hits nobody else's functions.
fn number(account: &str, region: &str, function: &str) -> u32 {
    const START: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let bytes = [account, region, function].into_iter().flat_map(|word| word.bytes().chain([b':']));
    bytes.fold(START, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_testkit::version_named as version;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_function_is_counted_until_it_goes_in_circles() {
        let (one, two) = (version("one"), version("two"));
        let mut header = ROOT.to_owned();
        for turn in 1..=TIMES_MAX {
            let step_one = step(&header, &one);
            assert!(!step_one.circles, "turn {turn}");
            assert!(step_one.header.starts_with(ROOT) && step_one.header.ends_with(&format!(":{turn}")));
            header = step(&step_one.header, &two).header;
        }
        assert!(step(&header, &one).circles && step(&header, &two).circles);
        assert!(!step(&header, &version("three")).circles);
        assert!(!step(ROOT, &one).circles);
    }

    #[test]
    fn an_encoded_bar_is_a_bar() {
        let header = format!("{ROOT};Lineage=00000001:3%7C00000002:4");
        let Step { header, .. } = step(&header, &version("one"));
        assert!(header.contains(";Lineage=00000001:3|00000002:4|"), "{header}");
    }

    #[test]
    fn a_lineage_knows_whom_it_has_passed() {
        let one = version("one");
        let header = step(ROOT, &one).header;
        let passed = |name: &str| has_passed(&header, one.account.as_str(), one.region.as_str(), name);
        assert!(passed("one") && !passed("two"));
    }

    #[test]
    fn what_strangers_wrote_into_a_lineage_does_no_harm() {
        let one = version("one");
        for strange in
            ["Lineage=", "Lineage=|||", "Lineage=x:y|:|1:", "Lineage=ffffffff:4294967295", " Lineage=0:1;Lineage=1:1"]
        {
            let header = format!("{ROOT};{strange};");
            let Step { header, circles } = step(&header, &one);
            assert!(!circles && header.ends_with(":1") && header.matches(LINEAGE).count() == 1, "{header}");
        }
        let mut header = ROOT.to_owned();
        for name in 0..200 {
            header = step(&header, &version(&format!("f{name}"))).header;
            assert!(header.len() <= TRACE_BYTES_MAX && trace_id(Some(header.clone()), Timestamp(0)) == header);
        }
    }

    #[test]
    fn a_callers_root_is_kept_and_anything_else_replaced() {
        let given = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".to_owned();
        assert_eq!(trace_id(Some(given.clone()), Timestamp(0)), given);
        let made = trace_id(Some("Root=\r\nX: y".into()), Timestamp(1_000));
        assert!(made.starts_with("Root=1-00000001-") && made.len() == 74, "{made}");
    }
}
