//! The examples run, and do what they say.

use std::path::PathBuf;
use std::process::Command;

/// Examples are built beside the tests, one folder up.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "no {}: build the examples first",
        path.display()
    );
    Command::new(path)
}

#[test]
fn timers() {
    let output = example("timers")
        .args(["--count", "1000"])
        .output()
        .expect("an output");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.starts_with("1000 timers fired, 1000 cancelled, in "),
        "{stdout}"
    );
}

#[test]
fn work_queue() {
    let output = example("work_queue")
        .args(["--threads", "3", "--jobs", "1000"])
        .output()
        .expect("an output");
    assert!(output.status.success());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let sum: u64 = (0..1000).map(|number| number * number).sum();
    assert!(stdout.starts_with("3000 jobs done in "), "{stdout}");
    assert!(
        stdout.ends_with(&format!("the sums are [{sum}, {sum}, {sum}]\n")),
        "{stdout}"
    );
}

#[test]
fn timers_with_nonsense() {
    let output = example("timers")
        .arg("--nonsense")
        .output()
        .expect("an output");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}
