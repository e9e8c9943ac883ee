//! The trace header that every invocation carries.

use lacewing_model::{RequestId, Timestamp};

/// Longest trace header that is passed on.
const TRACE_BYTES_MAX: usize = 1_024;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_root_is_kept_and_anything_else_replaced() {
        let given = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".to_owned();
        assert_eq!(trace_id(Some(given.clone()), Timestamp(0)), given);
        let made = trace_id(Some("Root=\r\nX: y".into()), Timestamp(1_000));
        assert!(made.starts_with("Root=1-00000001-") && made.len() == 74, "{made}");
    }
}
