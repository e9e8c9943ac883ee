//! What isolation is in force, wall by wall, and what mends what is missing.

use crate::cgroup::Layout;
use crate::options::LinuxOptions;
use crate::protocol::Standing;
use lacewing_sandbox::{IsolationReport, Strength, Wall};

/// Landlock's version with the rights and scopes that we use. Source: landlock(7).
const LANDLOCK_FULL: i32 = 6;

/// The walls of every sandbox that a spawner with this standing makes.
pub(crate) fn isolation(standing: &Standing, options: &LinuxOptions) -> IsolationReport {
    let always = |name, detail: &str| Wall { name, strength: Strength::Full, detail: detail.to_owned() };
    let mut walls = vec![
        always("user namespace", "own, with one user in it"),
        always("pid namespace", "own: no other process can be seen or signalled"),
        always("mount namespace", "own: nothing of the host but a read-only /usr"),
        always("network namespace", "own: loopback only"),
        always("ipc namespace", "own"),
        always("uts namespace", "own"),
        cgroup_namespace(standing),
        always("read-only root", "only /tmp and /dev/shm can be written"),
        always("system call filter", "seccomp allow-list"),
        always("no new privileges", "set"),
        always("capabilities", "none, in every set"),
        landlock(standing),
    ];
    for (name, controller) in [("memory limit", "memory"), ("processor limit", "cpu"), ("process limit", "pids")] {
        walls.push(limit(standing, name, controller, options));
    }
    walls.push(own_uid(standing));
    walls.push(egress(standing));
    IsolationReport { driver: "linux", walls }
}

/// The walls that are not full, in one line.
pub(crate) fn weaknesses(report: &IsolationReport) -> String {
    let weak = report.walls.iter().filter(|wall| wall.strength != Strength::Full);
    weak.map(|wall| format!("{} ({})", wall.name, wall.detail)).collect::<Vec<_>>().join("; ")
}

fn cgroup_namespace(standing: &Standing) -> Wall {
    let (strength, detail) = match (&standing.cgroups, standing.cgroups_quick) {
        (Layout::Absent, _) => (Strength::Weaker, "own, but there is no cgroup of its own to root it in: run as root"),
        (_, true) => (Strength::Full, "own"),
        (_, false) => (
            Strength::Full,
            "own; starts are up to 10 ms slower when the machine is idle: mount -o remount,favordynmods /sys/fs/cgroup",
        ),
    };
    Wall { name: "cgroup namespace", strength, detail: detail.to_owned() }
}

fn landlock(standing: &Standing) -> Wall {
    let (strength, detail) = match standing.landlock {
        0 => (
            Strength::Missing,
            "this kernel has none: boot with lsm=landlock,... (CONFIG_SECURITY_LANDLOCK)".to_owned(),
        ),
        version if version < LANDLOCK_FULL => (
            Strength::Weaker,
            format!("version {version}: scopes for signals and sockets need {LANDLOCK_FULL} (Linux 6.12)"),
        ),
        version => (Strength::Full, format!("version {version}")),
    };
    Wall { name: "landlock", strength, detail }
}

fn limit(standing: &Standing, name: &'static str, controller: &str, options: &LinuxOptions) -> Wall {
    let there = standing.cgroups.controller(controller).is_some();
    let version = if matches!(standing.cgroups, Layout::V2 { .. }) { "v2" } else { "v1" };
    let (strength, detail) = match (there, controller) {
        (true, "cpu") if options.hard_cpu_quota => {
            (Strength::Full, format!("cgroup {version}: weight and quota by memory"))
        }
        (true, "cpu") => (Strength::Full, format!("cgroup {version}: weight by memory; idle processors may be used")),
        (true, "pids") => {
            (Strength::Full, format!("cgroup {version}: {} processes and threads", options.limits.sandbox_pids_max))
        }
        (true, _) => (Strength::Full, format!("cgroup {version}: the function's memory, /tmp apart")),
        (false, "pids") => (
            Strength::Weaker,
            "by rlimit of the sandbox's user only; run as root, or delegate the pids controller".to_owned(),
        ),
        (false, _) => (
            Strength::Missing,
            format!(
                "no cgroup: run as root, or let systemd delegate one: systemd-run --user --scope -p Delegate={controller} lacewing serve"
            ),
        ),
    };
    Wall { name, strength, detail }
}

fn own_uid(standing: &Standing) -> Wall {
    let (strength, detail) = if standing.privileged {
        (Strength::Full, "a host uid for each sandbox")
    } else {
        (Strength::Weaker, "every sandbox runs as the server's own user on the host: run as root")
    };
    Wall { name: "own uid", strength, detail: detail.to_owned() }
}

fn egress(standing: &Standing) -> Wall {
    let (strength, detail) = if standing.egress_fault.is_empty() {
        (Strength::Full, "by the server's proxy; never to the host, link-local or metadata addresses".to_owned())
    } else {
        (Strength::Weaker, format!("functions have no way out: {}", standing.egress_fault))
    };
    Wall { name: "egress", strength, detail }
}
