//! Collects the body of a request, never more of it than its limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// What is thrown away of a body over the limit, so that its sender gets to read the refusal.
const DRAINED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What came of a body.
pub(crate) enum Collected {
    Whole(Bytes),
    TooLarge,
    CutShort,
}

/// Reads `body` to its end or its limit, whichever comes first.
pub(crate) async fn collect<B>(body: &mut B, bytes_max: u64) -> Collected
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > bytes_max {
        return Collected::TooLarge;
    }
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut total: u64 = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Collected::CutShort };
        // Trailers are nothing to a whole body.
        if let Ok(data) = frame.into_data() {
            total += data.len() as u64;
            if total > bytes_max {
                return Collected::TooLarge;
            }
            if first.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    more.reserve(
                        usize::try_from(body.size_hint().lower()).unwrap_or_default() + first.len() + data.len(),
                    );
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&data);
            }
        }
    }
    Collected::Whole(if more.is_empty() { first } else { more.freeze() })
}

/// Throws the rest away, up to a bound.
pub(crate) async fn drain<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut total: u64 = 0;
    while let Some(Ok(frame)) = body.frame().await {
        total += frame.data_ref().map_or(0, |data| data.len() as u64);
        if total > DRAINED_BYTES_MAX {
            return;
        }
    }
}
