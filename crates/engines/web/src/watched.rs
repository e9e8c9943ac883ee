//! A request's body that remembers whether it broke off: what a connection says of it then depends on where it was.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use lacewing_sandbox::{BodyLost, WebBody};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Tells whether a body broke off.
#[derive(Clone, Default)]
pub(crate) struct Lost(Arc<AtomicBool>);

impl Lost {
    pub(crate) fn is_lost(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Watches `body`.
    pub(crate) fn watch(&self, body: WebBody) -> WebBody {
        Box::pin(Watched { body, lost: self.clone() })
    }
}

struct Watched {
    body: WebBody,
    lost: Lost,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyLost;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyLost>>> {
        let frame = self.body.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Err(_))) = &frame {
            self.lost.0.store(true, Ordering::Release);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
