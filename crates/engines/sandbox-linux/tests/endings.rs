//! Every way in which a function can end, in real sandboxes.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, InitEnding, Outcome};
use std::time::Duration;
use support::{House, Lines, can_test, python_bootstrap, run};

const SHORT: Duration = Duration::from_secs(5);

fn answer(outcome: &Outcome) -> String {
    match &outcome.ending {
        Ending::Answer(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Ending::Failed(error) => format!("{}: {}", error.kind, String::from_utf8_lossy(&error.payload)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_runtime_answers_and_its_lines_arrive_before_the_answer() {
    if !can_test() {
        return;
    }
    let house = House::open();
    let lines = Lines::default();
    let function = house.function(
        "echo",
        &python_bootstrap("def handle(event):\n    print('seen', event, flush=True)\n    return b'<' + event + b'>'"),
    );
    let mut started = house.start(&function, &lines).await;
    assert_eq!(started.init.ending, InitEnding::Ready, "{}", lines.text());
    for payload in ["1", "2"] {
        let outcome = run(&mut started, &function, payload, SHORT).await;
        assert_eq!(answer(&outcome), format!("<{payload}>"));
        assert!(outcome.usable && outcome.memory_peak_bytes > 0 && outcome.cpu > Duration::ZERO, "{outcome:?}");
        assert!(lines.text().contains(&format!("seen b'{payload}'")), "{}", lines.text());
    }
    eprintln!("{:?} {:?}", started.phases, started.init);
    drop(started);
    house.driver.all_ended().await;
}
