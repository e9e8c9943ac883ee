//! Layers lie in `/opt`: read-only, and good for a runtime too.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_sandbox::{Ending, Outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::{House, Lines, can_test, python_bootstrap, run, write_executable};

const SHORT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_are_seen_in_opt_and_cannot_be_changed() {
    if !can_test() {
        return;
    }
    let (house, lines) = (House::open(), Lines::default());
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let word = folder.path().join("word");
    fs::write(&word, "from a layer").unwrap();
    fs::set_permissions(&word, fs::Permissions::from_mode(0o666)).unwrap();
    let script = python_bootstrap(
        "def handle(event):\n    try: open('/opt/word', 'a')\n    except OSError: return \
         (open('/opt/word').read() + ', not to be changed').encode()",
    );
    let mut function = house.function("f", &script);
    function.layers = Some(folder.path().to_owned());
    let mut started = house.start(&function, &lines).await;
    assert_eq!(answer(&run(&mut started, &function, "1", SHORT).await), "from a layer, not to be changed");

    // The runtime itself may come from a layer.
    write_executable(&folder.path().join("bootstrap"), script.as_bytes());
    fs::remove_file(function.code.join("bootstrap")).unwrap();
    let mut started = house.start(&function, &lines).await;
    assert_eq!(answer(&run(&mut started, &function, "1", SHORT).await), "from a layer, not to be changed");
}

fn answer(outcome: &Outcome) -> String {
    match &outcome.ending {
        Ending::Answer(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Ending::Failed(error) => panic!("{error:?}"),
    }
}
