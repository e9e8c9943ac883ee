//! Which crate may know which. Arrows point down only:
//!
//! ```text
//! lacewing -> node -> gateway -> rooms -> engines -> ground
//! lacewing -> simulate -> {rooms that decide, the sandbox seam, ground}
//! rooms:   triggers -> events -> invoke -> {catalog, pool, ledger};  scale -> {catalog, pool}
//! engines: sandbox-* -> {sandbox, runtime-api, web};  runtime-api, web -> sandbox
//! ```
//!
//! Rooms know the `sandbox` seam, never a driver. `testkit` is for tests only. Tools (`xtask`, `bench`,
//! `conformance`) stand outside: nothing knows them.

/// A crate of the workspace, as far as the rules look at it.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its package name.
    pub name: String,
    /// Its folder below the root: the storey that it lives in.
    pub folder: String,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// True for a dev-dependency.
    pub for_tests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storey<'a> {
    Binary,
    Simulate,
    Node,
    Gateway,
    Room(&'a str),
    Engine(&'a str),
    Ground(&'a str),
    Testkit,
    Tool,
}

/// Rooms that may know another room.
const ROOM_TO_ROOM: [(&str, &[&str]); 4] = [
    ("triggers", &["events"]),
    ("events", &["invoke"]),
    ("invoke", &["catalog", "pool", "ledger"]),
    ("scale", &["catalog", "pool"]),
];

/// Rooms that may know an engine, besides the `sandbox` seam that each may.
const ROOM_TO_ENGINE: [(&str, &[&str]); 5] = [
    ("access", &["store"]),
    ("catalog", &["store", "artifact", "objects", "images"]),
    ("ledger", &["store"]),
    ("events", &["store"]),
    ("triggers", &["store"]),
];

/// Engines that may know another engine.
const ENGINE_TO_ENGINE: [(&str, &[&str]); 5] = [
    ("sandbox-linux", &["sandbox", "runtime-api", "web"]),
    ("sandbox-wasm", &["sandbox"]),
    ("sandbox-oci", &["sandbox", "runtime-api"]),
    ("runtime-api", &["sandbox"]),
    ("web", &["sandbox"]),
];

/// Rooms whose decisions are played: nothing there does I/O where only its state is used.
const PLAYED: [&str; 3] = ["pool", "invoke", "catalog"];

/// What must be kept out of rooms and ground: HTTP, SQL and system calls.
const KEPT_OUT_OF_ROOMS: [&str; 9] =
    ["hyper", "hyper-util", "http", "http-body-util", "rusqlite", "libc", "rustix", "nix", "landlock"];

/// Every arrow that points where it must not, as a sentence.
pub fn broken(crates: &[Crate]) -> Vec<String> {
    let mut broken = Vec::new();
    for one in crates {
        let from = storey(&one.folder);
        for dependency in &one.dependencies {
            match crates.iter().find(|other| other.name == dependency.name) {
                Some(other) => {
                    let to = storey(&other.folder);
                    if !may_know(from, to, dependency.for_tests) {
                        broken.push(format!("{} must not depend on {}: {}", one.name, other.name, why(from, to)));
                    }
                }
                None => broken.extend(misplaced(one, from, dependency)),
            }
        }
    }
    broken
}

fn storey(folder: &str) -> Storey<'_> {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.as_slice() {
        ["crates", "lacewing"] => Storey::Binary,
        ["crates", "simulate"] => Storey::Simulate,
        ["crates", "node"] => Storey::Node,
        ["crates", "gateway"] => Storey::Gateway,
        ["crates", "testkit"] => Storey::Testkit,
        ["crates", "rooms", name] => Storey::Room(name),
        ["crates", "engines", name] => Storey::Engine(name),
        ["crates", "ground", name] => Storey::Ground(name),
        _ => Storey::Tool,
    }
}

fn may_know(from: Storey<'_>, to: Storey<'_>, for_tests: bool) -> bool {
    use Storey::{Binary, Engine, Gateway, Ground, Node, Room, Simulate, Testkit, Tool};
    match (from, to) {
        (_, Tool | Binary) => false,
        (_, Testkit) => for_tests && !matches!(from, Ground(_) | Testkit),
        (Tool, _) => true,
        (Ground(name), Ground(other)) => name != "model" && other == "model",
        (Ground(_), _) => false,
        (_, Ground(_)) => true,
        (Testkit, Engine(name)) => name == "sandbox",
        (Testkit, _) => false,
        (Binary, Node | Simulate) => true,
        (Binary, _) | (_, Simulate) => false,
        (Simulate, Room(name)) => PLAYED.contains(&name),
        (Simulate, Engine(name)) => name == "sandbox",
        (Node, Node) => false,
        (Node, _) => true,
        (Gateway, Room(_)) => true,
        (Gateway, Engine(name)) => name == "sandbox",
        (Room(name), Room(other)) => listed(&ROOM_TO_ROOM, name, other),
        (Room(_), Engine("sandbox")) => true,
        (Room(name), Engine(other)) => listed(&ROOM_TO_ENGINE, name, other),
        (Engine(name), Engine(other)) => listed(&ENGINE_TO_ENGINE, name, other),
        (_, Node | Gateway | Room(_)) => false,
    }
}

fn listed(table: &[(&str, &[&str])], from: &str, to: &str) -> bool {
    table.iter().any(|(name, known)| *name == from && known.contains(&to))
}

fn why(from: Storey<'_>, to: Storey<'_>) -> &'static str {
    match (from, to) {
        (_, Storey::Testkit) => "testkit is a dev-dependency only, and never of ground",
        (_, Storey::Tool) => "tools stand outside of the house",
        (Storey::Room(_), Storey::Room(_)) => "this pair of rooms does not know each other",
        (Storey::Room(_), Storey::Engine(_)) => "rooms know the sandbox seam, and store or artifact where it is theirs",
        (Storey::Engine(_), Storey::Engine(_)) => "engines know the seam, not each other",
        (Storey::Binary, _) => "the binary knows the node, the simulator and ground's words",
        (Storey::Simulate, _) => "the simulator knows the rooms that decide, the seam and ground: no engine, no door",
        _ => "arrows point down only",
    }
}

/// A package of others in a crate that must be kept free of it.
fn misplaced(one: &Crate, from: Storey<'_>, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let inside = matches!(from, Storey::Room(_) | Storey::Ground(_));
    if inside && !dependency.for_tests && KEPT_OUT_OF_ROOMS.contains(&name) {
        return Some(format!("{} must not depend on {name}: rooms know no HTTP, no SQL and no system call", one.name));
    }
    if name == "rusqlite" && from != Storey::Engine("store") && from != Storey::Tool {
        return Some(format!("{} must not depend on rusqlite: the only SQL is in store", one.name));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(from: &str, to: &str, for_tests: bool) -> bool {
        let name = |folder: &str| folder.rsplit('/').next().map(str::to_owned).unwrap_or_default();
        let dependencies = vec![Dependency { name: name(to), for_tests }];
        let graph = [
            Crate { name: name(from), folder: from.to_owned(), dependencies },
            Crate { name: name(to), folder: to.to_owned(), dependencies: Vec::new() },
        ];
        broken(&graph).is_empty()
    }

    #[test]
    fn arrows_point_down_only() {
        for (why, from, to, allowed) in [
            ("the binary starts a node", "crates/lacewing", "crates/node", true),
            ("the binary meets no room", "crates/lacewing", "crates/rooms/pool", false),
            ("the binary plays traces", "crates/lacewing", "crates/simulate", true),
            ("what is played are decisions", "crates/simulate", "crates/rooms/pool", true),
            ("a simulation starts nothing", "crates/simulate", "crates/engines/sandbox-linux", false),
            ("a simulation stores nothing", "crates/simulate", "crates/rooms/ledger", false),
            ("a node does not play", "crates/node", "crates/simulate", false),
            ("node wires engines", "crates/node", "crates/engines/sandbox-linux", true),
            ("a room never calls up", "crates/rooms/pool", "crates/gateway", false),
            ("an engine never calls up", "crates/engines/store", "crates/rooms/catalog", false),
            ("words stand on nothing", "crates/ground/model", "crates/ground/lambda-api", false),
            ("shapes use words", "crates/ground/lambda-api", "crates/ground/model", true),
            ("the corridor knows the pool", "crates/rooms/invoke", "crates/rooms/pool", true),
            ("the pool does not know the corridor", "crates/rooms/pool", "crates/rooms/invoke", false),
            ("catalog and ledger are strangers", "crates/rooms/catalog", "crates/rooms/ledger", false),
            ("a schedule reaches a call only through events", "crates/rooms/triggers", "crates/rooms/invoke", false),
            ("rooms know the seam", "crates/rooms/pool", "crates/engines/sandbox", true),
            ("rooms know no driver", "crates/rooms/pool", "crates/engines/sandbox-linux", false),
            ("functions are stored by catalog", "crates/rooms/catalog", "crates/engines/store", true),
            ("calls are not stored", "crates/rooms/invoke", "crates/engines/store", false),
            ("the gateway passes a guest's API calls", "crates/gateway", "crates/engines/sandbox", true),
            ("the gateway knows no driver", "crates/gateway", "crates/engines/sandbox-linux", false),
            ("nothing knows a tool", "crates/node", "xtask", false),
        ] {
            assert_eq!(known(from, to, false), allowed, "{why}");
        }
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert!(known("crates/rooms/pool", "crates/testkit", true));
        assert!(!known("crates/rooms/pool", "crates/testkit", false));
        assert!(!known("crates/ground/model", "crates/testkit", true));
        assert!(!known("crates/testkit", "crates/rooms/pool", false));
    }

    #[test]
    fn sql_and_http_stay_in_their_crates() {
        let uses = |folder: &str, name: &str| {
            let dependencies = vec![Dependency { name: name.into(), for_tests: false }];
            broken(&[Crate { name: "one".into(), folder: folder.into(), dependencies }]).is_empty()
        };
        assert!(uses("crates/engines/store", "rusqlite"));
        assert!(!uses("crates/node", "rusqlite"));
        assert!(!uses("crates/rooms/access", "http"));
        assert!(!uses("crates/ground/model", "libc"));
        assert!(uses("crates/gateway", "hyper"));
    }
}
