//! A future that is polled again at once when it was woken while it was being polled.
//!
//! hyper wakes its own connection whenever a handler asks for a body. The scheduler takes that for a task that gives
//! way: it goes to the end of the queue, and another thread is woken to take it up. On a machine with nothing else to
//! do that is a futex call, a turn of epoll and a change of processor in every call; under load it is a second wait
//! in the queue.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// How often it is polled before it gives way after all, so that it starves no other.
const TURNS_MAX: usize = 8;

/// Nobody polls: who wakes calls the scheduler.
const QUIET: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It is being polled and was woken meanwhile.
const RUNG: u8 = 2;

pub(crate) struct Prompt<F> {
    future: Pin<Box<F>>,
    bell: Option<(Arc<Bell>, Waker)>,
}

struct Bell {
    state: AtomicU8,
    scheduler: Waker,
}

impl<F: Future> Prompt<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), bell: None }
    }
}

impl<F: Future> Future for Prompt<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, bell } = &mut *self;
        if bell.as_ref().is_some_and(|(bell, _)| !bell.scheduler.will_wake(context.waker())) {
            *bell = None;
        }
        let (bell, waker) = bell.get_or_insert_with(|| {
            let bell = Arc::new(Bell { state: AtomicU8::new(QUIET), scheduler: context.waker().clone() });
            (Arc::clone(&bell), Waker::from(bell))
        });
        for _ in 0..TURNS_MAX {
            bell.state.store(POLLED, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(output);
            }
            if bell.state.compare_exchange(POLLED, QUIET, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return Poll::Pending;
            }
        }
        bell.state.store(QUIET, Ordering::SeqCst);
        bell.scheduler.wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.state.compare_exchange(POLLED, RUNG, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(RUNG) => {}
            Err(_) => self.scheduler.wake_by_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls, once, a future that wakes itself in its first `rings` polls and is ready after as many; says how often
    /// the scheduler was called.
    fn poll(rings: usize) -> (Poll<()>, usize) {
        let calls = Arc::new(Calls::default());
        let mut left = rings;
        let future = std::future::poll_fn(move |context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        let waker = Waker::from(Arc::clone(&calls));
        let polled = Pin::new(&mut Prompt::new(future)).poll(&mut Context::from_waker(&waker));
        (polled, calls.0.load(Ordering::SeqCst))
    }

    #[test]
    fn what_wakes_itself_goes_on_without_the_scheduler_until_it_has_had_its_turns() {
        assert_eq!(poll(0), (Poll::Ready(()), 0));
        assert_eq!(poll(TURNS_MAX - 1), (Poll::Ready(()), 0));
        assert_eq!(poll(TURNS_MAX), (Poll::Pending, 1));
    }

    #[test]
    fn what_is_woken_while_it_rests_calls_the_scheduler_once() {
        let calls = Arc::new(Calls::default());
        let waker = Waker::from(Arc::clone(&calls));
        let mut kept = None;
        let mut prompt = Prompt::new(std::future::poll_fn(|context| {
            kept = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        assert!(Pin::new(&mut prompt).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(prompt);
        kept.into_iter().for_each(Waker::wake);
        assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    }
}
