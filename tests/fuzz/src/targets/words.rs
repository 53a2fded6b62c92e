//! What users type.

use libkern::args::{CommandLine, LogFilter, MAX_LEN};
use log::{Level, LevelFilter};

/// A kernel command line.
pub fn command_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut buffer = [0; MAX_LEN];
    let line = CommandLine::split(&text, &mut buffer);
    let args: Vec<_> = line.args().collect();
    assert!(args.iter().map(|arg| arg.len() + 1).sum::<usize>() <= MAX_LEN);
    assert!(!args.iter().any(|arg| arg.contains('\0')));
    let options = line.options();
    assert!(options.log.max_level() <= LevelFilter::Trace);
    for problem in line.problems() {
        assert!(!problem.to_string().is_empty());
    }
    // Protecting every character of every argument brings back the arguments.
    let protect = |arg: &&str| {
        let escaped: String = arg.chars().flat_map(|c| ['\\', c]).collect();
        if arg.is_empty() { "\"\"".to_owned() } else { escaped }
    };
    let again = format!("-- {}", args.iter().map(protect).collect::<Vec<_>>().join(" "));
    let mut buffer = vec![0; again.len() + 1];
    assert_eq!(CommandLine::split(&again, &mut buffer).args().collect::<Vec<_>>(), args);
}

/// A log filter.
pub fn log_filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut filter = LogFilter::new();
    if let Err(piece) = filter.add(&text) {
        assert!(text.contains(piece));
    }
    let targets = text.split([',', '=']).chain(["", "libkern", "libkern::mem", "::"]);
    for target in targets {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            let enabled = filter.enabled(level, target);
            assert!(!enabled || level <= filter.max_level(), "{target} has more than the most");
        }
    }
}
