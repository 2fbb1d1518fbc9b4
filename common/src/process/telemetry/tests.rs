use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

/// A writer that keeps what it gets.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what `act` logs under `filter`.
fn logged(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = subscriber(format, parse_filter(filter).unwrap(), move || writer.clone());
    tracing::subscriber::with_default(subscriber, act);
    lines.text()
}

macro_rules! at_every_level {
    ($($target:literal),*) => {$(
        tracing::trace!(target: $target, "{}-trace", $target);
        tracing::debug!(target: $target, "{}-debug", $target);
        tracing::info!(target: $target, "{}-info", $target);
        tracing::warn!(target: $target, "{}-warn", $target);
        tracing::error!(target: $target, "{}-error", $target);
    )*};
}

#[test]
fn no_filter_lifts_the_ceiling_of_a_library() {
    for filter in ["trace", "trace,lapin=trace,sqlx=trace,hyper=trace,sqlx::postgres::notice=trace"]
    {
        let text = logged(LogFormat::Text, filter, || {
            at_every_level!("quhao_backend::queue", "lapin::channel", "sqlx::query");
            at_every_level!("sqlx::postgres::notice", "sqlx_postgres::options::parse");
            at_every_level!("tower_http::catch_panic", "hyper_util::client", "some_library");
        });
        let most = [
            ("quhao_backend::queue", Some("trace")),
            ("lapin::channel", Some("error")),
            ("sqlx::query", Some("warn")),
            ("sqlx::postgres::notice", None),
            ("sqlx_postgres::options::parse", None),
            ("tower_http::catch_panic", None),
            ("hyper_util::client", Some("warn")),
            ("some_library", Some("info")),
        ];
        for (target, most) in most {
            let levels = ["trace", "debug", "info", "warn", "error"];
            let first =
                most.map_or(levels.len(), |most| levels.iter().position(|l| *l == most).unwrap());
            for (at, level) in levels.iter().enumerate() {
                let seen = text.contains(&format!("{target}-{level}\n"));
                assert_eq!(seen, at >= first, "{target} at {level} under {filter}\n{text}");
            }
        }
    }
}

#[test]
fn spans_of_libraries_have_the_same_ceiling() {
    let text = logged(LogFormat::Text, "trace", || {
        let span = tracing::debug_span!(target: "tower_http::trace", "request", uri = "/c4n4ry");
        let _entered = span.enter();
        tracing::info!(target: "quhao_producer", "answered");
    });
    assert!(text.contains("answered") && !text.contains("c4n4ry"), "{text}");
}

#[test]
fn filter_holds_below_the_ceiling() {
    let text = logged(LogFormat::Text, "warn,quhao_worker=debug", || {
        at_every_level!("quhao_common", "quhao_worker::job::pipeline", "some_library");
    });
    for seen in ["quhao_common-warn", "quhao_worker::job::pipeline-debug", "some_library-warn"] {
        assert!(text.contains(seen), "{text}");
    }
    for hidden in ["quhao_common-info", "quhao_worker::job::pipeline-trace", "some_library-info"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn json_is_an_object_a_line() {
    let text = logged(LogFormat::Json, "info", || {
        tracing::info!(target: "quhao_worker", job = "job_1", "one\ntwo");
        tracing::warn!(target: "quhao_worker", "three");
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["message"], &lines[0]["job"]), (&"one\ntwo".into(), &"job_1".into()));
}
