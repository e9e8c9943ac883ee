//! What the figures were taken on.

use std::fs;
use std::process::Command;

/// One line for each fact; what cannot be read is left out.
pub fn facts() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    vec![
        format!("processor  {} x {cores}", field(&processor, "model name")),
        format!("memory     {}", field(&memory, "MemTotal")),
        format!("kernel     {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("load       {} (should be near 0)", read("/proc/loadavg").split(' ').next().unwrap_or_default()),
        format!("python     {}", version("/usr/bin/python3").unwrap_or_else(|| "none".into())),
        format!("node       {}", version("node").unwrap_or_else(|| "none".into())),
    ]
}

/// What `program --version` prints.
pub fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
