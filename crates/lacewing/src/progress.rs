//! What moves while a command waits: a spinner or a bar on stderr, and nothing at all without a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(80);

/// A spinner beside `text`; hidden where nobody watches.
pub fn spinner(text: String) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.set_message(text);
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar over `steps` steps; hidden where nobody watches.
pub fn steps(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), target());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
