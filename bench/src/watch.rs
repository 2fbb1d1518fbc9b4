//! What a stretch of work cost: processor time, memory, commits and confirms.

use std::time::Duration;

use quhao_tests::metrics::Metrics;

use crate::{
    ceiling::per,
    figure::{Measured, Unit, float},
    machine::Machine,
    processes::{Role, Watched},
    subject::Subject,
};

/// The beginning of a stretch.
pub(crate) struct Watch {
    /// The processes that there were, and what they had used.
    before: Vec<(Watched, Option<Duration>)>,
    servers: Vec<Watched>,
    metrics: Option<Metrics>,
}

impl Watch {
    /// Begins a stretch now.
    pub(crate) async fn begin(subject: &Subject, machine: &Machine) -> Self {
        let servers = if subject.is_distributed() { machine.servers.clone() } else { Vec::new() };
        let metrics = subject.metrics().await;
        // Last, so that asking is not counted.
        let before = processes(subject, &servers).map(|one| (one, one.cpu_time())).collect();
        Self { before, servers, metrics }
    }

    /// Ends the stretch and records what each of `jobs` jobs cost. A process that was started
    /// meanwhile counts from its start.
    pub(crate) async fn end(self, subject: &Subject, jobs: u64, measured: &mut Measured) {
        let had_used = |now: Watched| {
            let found = self.before.iter().find(|(one, _)| *one == now);
            found.map_or(Some(Duration::ZERO), |(_, used)| *used)
        };
        let used: Vec<(Role, Option<Duration>)> = processes(subject, &self.servers)
            .map(|one| {
                let used = one.cpu_time().zip(had_used(one));
                (one.role, used.map(|(now, then)| now.saturating_sub(then)))
            })
            .collect();
        put_cpu(measured, &used, jobs);
        put_memory(measured, processes(subject, &self.servers));
        let metrics = subject.metrics().await.zip(self.metrics);
        if let Some((now, then)) = metrics {
            put_metrics(measured, &now.since(&then), jobs);
        }
    }
}

fn processes(subject: &Subject, servers: &[Watched]) -> impl Iterator<Item = Watched> {
    let own = subject.processes().into_iter();
    own.chain(servers.to_vec()).chain([Watched::ourselves()])
}

fn put_cpu(measured: &mut Measured, used: &[(Role, Option<Duration>)], jobs: u64) {
    // One that cannot be seen makes the sum unknown.
    let of = |role: Role| {
        let mut of_role = used.iter().filter(|(one, _)| *one == role).peekable();
        of_role.peek()?;
        of_role.map(|(_, used)| *used).sum::<Option<Duration>>().map(|used| per(used, jobs))
    };
    let roles =
        [Role::Producer, Role::Worker, Role::Embedded, Role::Broker, Role::Store, Role::Bench];
    for role in roles {
        let name = format!("cpu {}", role.name());
        measured.put_some(&name, Unit::MicrosecondsPerJob, of(role));
    }
    let both = of(Role::Producer).zip(of(Role::Worker)).map(|(producer, worker)| producer + worker);
    measured.put_some("cpu producer + worker", Unit::MicrosecondsPerJob, both);
}

/// Records the most memory that any process of a role of the subject's own has held. Those of
/// servers and of the load say nothing about this stretch.
fn put_memory(measured: &mut Measured, processes: impl Iterator<Item = Watched>) {
    let own = [Role::Producer, Role::Worker, Role::Embedded];
    let peaks: Vec<(Role, Option<u64>)> =
        processes.map(|one| (one.role, one.peak_bytes())).collect();
    for role in own {
        let of_role = peaks.iter().filter(|(one, _)| *one == role);
        let most = of_role.filter_map(|(_, bytes)| *bytes).max();
        let name = format!("peak memory {}", role.name());
        measured.put_some(&name, Unit::Mebibytes, most.map(mebibytes));
    }
}

fn put_metrics(measured: &mut Measured, metrics: &Metrics, jobs: u64) {
    if let Some(commits) = metrics.distribution("quhao_commit_seconds") {
        measured.put("commits", Unit::PerJob, commits.count / float(jobs.max(1)));
    }
    let times = [("confirm", "quhao_publish_confirm_seconds"), ("commit", "quhao_commit_seconds")];
    for (name, metric) in times {
        let Some(times) = metrics.distribution(metric) else { continue };
        let p50 = times.quantile(0.5).map(|seconds| seconds * 1e3);
        measured.put_some(&format!("{name} p50"), Unit::Milliseconds, p50);
        measured.put(format!("{name} mean"), Unit::Milliseconds, times.mean() * 1e3);
    }
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_role_are_counted_together() {
        let micros = Duration::from_micros;
        let used = [
            (Role::Producer, Some(micros(1000))),
            (Role::Worker, Some(micros(2000))),
            (Role::Worker, Some(micros(4000))),
            (Role::Broker, None),
        ];
        let mut measured = Measured::of("quhao");
        put_cpu(&mut measured, &used, 100);
        assert_eq!(measured.value("cpu worker"), Some(60.0));
        assert_eq!(measured.value("cpu producer + worker"), Some(70.0));
        // Unknown is not zero.
        assert_eq!(measured.value("cpu broker"), None);
        assert_eq!(measured.value("cpu store"), None);
    }

    #[test]
    fn commits_and_confirms_are_read_from_the_metrics() {
        let page = "quhao_commit_seconds_bucket{le=\"0.01\"} 4\n\
            quhao_commit_seconds_bucket{le=\"+Inf\"} 4\n\
            quhao_commit_seconds_sum 0.02\nquhao_commit_seconds_count 4\n";
        let mut measured = Measured::of("quhao");
        put_metrics(&mut measured, &Metrics::parse(page), 400);
        assert_eq!(measured.value("commits"), Some(0.01));
        assert!((measured.value("commit p50").unwrap() - 5.0).abs() < 1e-9);
        assert!((measured.value("commit mean").unwrap() - 5.0).abs() < 1e-9);
        assert_eq!(measured.value("confirm p50"), None);
    }

    const EARLIER: &str = "# TYPE jobs_total counter\n\
        jobs_total{outcome=\"succeeded\"} 5\n\
        commit_seconds_bucket{le=\"0.001\"} 1\n\
        commit_seconds_bucket{le=\"0.01\"} 1\n\
        commit_seconds_bucket{le=\"+Inf\"} 1\n\
        commit_seconds_sum 0.0005\n\
        commit_seconds_count 1\n";
    const LATER: &str = "jobs_total{outcome=\"succeeded\"} 8\n\
        jobs_total{outcome=\"code used\"} 2\n\
        commit_seconds_bucket{le=\"0.001\"} 2\n\
        commit_seconds_bucket{le=\"0.01\"} 4\n\
        commit_seconds_bucket{le=\"+Inf\"} 5\n\
        commit_seconds_sum 0.1005\n\
        commit_seconds_count 5\n";

    fn between() -> Metrics {
        Metrics::parse(LATER).since(&Metrics::parse(EARLIER))
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn counters_are_summed_over_their_labels() {
        near(between().sum("jobs_total"), 5.0);
        near(between().sum("jobs"), 0.0);
    }

    #[test]
    fn a_distribution_is_what_happened_in_between() {
        let commits = between().distribution("commit_seconds").unwrap();
        near(commits.mean(), 0.025);
        // One below a millisecond, two up to ten, one beyond all bounds.
        near(commits.quantile(0.25).unwrap(), 0.001);
        near(commits.quantile(0.5).unwrap(), 0.0055);
        assert_eq!(commits.quantile(0.9), None);
        assert_eq!(between().distribution("other_seconds"), None);
    }

    #[test]
    fn processes_are_counted_together() {
        let mut both = between();
        both.add(&between());
        near(both.distribution("commit_seconds").unwrap().count, 8.0);
    }
}
