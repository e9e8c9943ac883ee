//! Fakes for tests of rooms: a driver whose sandboxes run in the test, and versions to feed them.

mod driver;
mod version;

pub use driver::{FakeDriver, FakePassage, FakeStart, QuietSink};
pub use version::version_named;
