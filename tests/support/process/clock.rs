//! A clock for one process, which is off.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    process::Command,
};

use tempfile::TempDir;

/// The library that replaces the system's clock.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/support/clock_off.c");

/// A clock. It must live as long as the process that reads it.
#[derive(Debug)]
pub struct Clock {
    off_seconds: File,
    variables: [(&'static str, String); 2],
    _folder: TempDir,
}

impl Clock {
    /// Creates a clock that is ahead by so many seconds, or behind.
    pub fn off_by(seconds: i64) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (library, file) = (folder.path().join("clock_off.so"), folder.path().join("seconds"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let output = compiler.arg(&library).arg(SOURCE).output().expect("a C compiler");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{SOURCE}: {errors}");
        // Never truncated: the process that reads it maps it.
        let mut options = OpenOptions::new();
        let off_seconds = options.write(true).create_new(true).open(&file).expect("a new file");
        let text = |path: &std::path::Path| path.to_str().expect("a path of ours").to_owned();
        let variables = [("LD_PRELOAD", text(&library)), ("CLOCK_OFF_FILE", text(&file))];
        let clock = Self { off_seconds, variables, _folder: folder };
        clock.set_off_by(seconds);
        clock
    }

    /// Sets by how many seconds it is off; 0 is right.
    pub fn set_off_by(&self, seconds: i64) {
        self.off_seconds.write_all_at(&seconds.to_ne_bytes(), 0).expect("our own file");
    }

    /// Returns the environment variables with which a process reads it.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
