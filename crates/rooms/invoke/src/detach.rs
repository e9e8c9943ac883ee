//! A future that outlives whoever waited for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs in place while it is awaited. When it is dropped before its end it moves to a task of its own, so the
/// common case costs no task and no hop, and an abandoned one still reaches its end.
pub(crate) struct Detached<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Detached<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Detached<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.0.as_mut() else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Detached<F> {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn an_abandoned_future_still_reaches_its_end() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (its_go, its_done) = (Arc::clone(&go), Arc::clone(&done));
        let mut detached = Box::pin(Detached::new(async move {
            its_go.notified().await;
            its_done.notify_one();
        }));
        let pending = std::future::poll_fn(|context| Poll::Ready(detached.as_mut().poll(context).is_pending())).await;
        assert!(pending);
        drop(detached);
        go.notify_one();
        done.notified().await;
    }
}
