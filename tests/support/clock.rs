//! A clock of a process's own, which is off.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    process::Command,
};

use crate::folder::Folder;

/// What stands in front of the system's clock.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/support/clock_off.c");

/// A clock. Lives as long as the process that reads it.
#[derive(Debug)]
pub struct Clock {
    off_seconds: File,
    variables: [(&'static str, String); 2],
    _folder: Folder,
}

impl Clock {
    /// One that is ahead by so many seconds, or behind.
    pub fn off_by(seconds: i64) -> Self {
        let folder = Folder::new();
        let (library, file) = (folder.join("clock_off.so"), folder.join("seconds"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let output = compiler.arg(&library).arg(SOURCE).output().expect("a C compiler");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{SOURCE}: {said}");
        // Never truncated: it is mapped by whoever reads it.
        let mut options = OpenOptions::new();
        let off_seconds = options.write(true).create_new(true).open(&file).expect("a new file");
        let text = |path: &std::path::Path| path.to_str().expect("a path of ours").to_owned();
        let variables = [("LD_PRELOAD", text(&library)), ("CLOCK_OFF_FILE", text(&file))];
        let clock = Self { off_seconds, variables, _folder: folder };
        clock.set_off_by(seconds);
        clock
    }

    /// From now on it is off by so much; 0 is right.
    pub fn set_off_by(&self, seconds: i64) {
        self.off_seconds.write_all_at(&seconds.to_ne_bytes(), 0).expect("our own file");
    }

    /// What a process must be started with to read it.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
