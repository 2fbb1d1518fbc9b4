//! The demo's output: a line for each job, then a summary. In colour on a terminal.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use super::finished_job::FinishedJob;

/// Characters of an id that are shown: enough to tell jobs apart. Never the tag.
const ID_SHOWN: usize = 14;

/// The colours are of the 16 that every terminal has, so that they suit the reader's theme.
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// The demo's printer.
#[derive(Debug)]
pub(super) struct Table<W> {
    out: W,
}

impl Table<AutoStream<io::Stdout>> {
    /// Creates a table on standard output, in colour where that is a terminal and neither
    /// `NO_COLOR` nor `TERM=dumb` is set.
    pub(super) fn standard() -> Self {
        Self { out: anstream::stdout() }
    }
}

impl<W: Write> Table<W> {
    /// Prints what the demo does, and the head of the table.
    pub(super) fn head(&mut self, jobs: u32, concurrency: usize) -> io::Result<()> {
        let name = paint(BOLD, "取号 quhao");
        let version = paint(DIM, env!("CARGO_PKG_VERSION"));
        let what = format!(
            "One process: producer, worker, an SQLite file, and a simulated WeChat that takes\n  \
             60 to 120 ms a call and is busy now and then. {jobs} guests tap, {concurrency} at a time."
        );
        let columns = format!(
            "{:<15}  {:<15}{:>10}{:>10}{:>10}",
            "job", "phone number", "accepted", "worked", "total"
        );
        let columns = paint(DIM, &columns);
        write!(self.out, "\n  {name} {version}\n\n  {what}\n\n  {columns}\n")?;
        self.out.flush()
    }

    /// Prints one job.
    pub(super) fn row(&mut self, job: &FinishedJob) -> io::Result<()> {
        let id = match &job.id {
            Some(id) => format!("{}…", id.get(..ID_SHOWN).unwrap_or(id)),
            None => "–".to_owned(),
        };
        let id = paint(DIM, &format!("{id:<15}"));
        let (phone, note) = match &job.end {
            Ok(phone) => (paint(GREEN, &format!("{phone:<15}")), retried(job)),
            Err(why) => (paint(RED, &format!("{:<15}", "failed")), paint(RED, why)),
        };
        let worked = job.worked.map_or_else(|| "–".to_owned(), shown);
        let (accepted, total) = (shown(job.accepted), shown(job.total));
        let line = format!("  {id}  {phone}{accepted:>10}{worked:>10}{total:>10}  {note}");
        writeln!(self.out, "{}", line.trim_end())?;
        self.out.flush()
    }

    /// Prints the summary of all jobs.
    pub(super) fn summary(&mut self, jobs: &[FinishedJob], took: Duration) -> io::Result<()> {
        let failures = jobs.iter().filter(|job| job.end.is_err()).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
        let rate = jobs.len() as f64 / took.as_secs_f64().max(0.001);
        let result = match failures {
            0 => paint(GREEN, "every job has the right number"),
            failed => paint(RED, &format!("{failed} failed")),
        };
        let count = paint(BOLD, &format!("{} jobs", jobs.len()));
        let columns = paint(DIM, &format!("{:<15}  {:>10}{:>10}", "", "p50", "p99"));
        write!(
            self.out,
            "\n  {count} in {}, {rate:.0} jobs/s: {result}\n\n  {columns}\n",
            shown(took)
        )?;
        let accepted = jobs.iter().filter(|job| job.id.is_some()).map(|job| job.accepted);
        self.quantiles("accepted", accepted, "POST sent → 202: stored on disk")?;
        let ended = || jobs.iter().filter(|job| job.end.is_ok());
        self.quantiles(
            "worked",
            ended().filter_map(|job| job.worked),
            "accepted → outcome known: queue and WeChat",
        )?;
        self.quantiles(
            "total",
            ended().map(|job| job.total),
            "POST sent → number in the client's hands",
        )?;
        self.out.flush()
    }

    fn quantiles(
        &mut self,
        stage: &str,
        times: impl Iterator<Item = Duration>,
        meaning: &str,
    ) -> io::Result<()> {
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        let at = |percent| quantile(&times, percent).map_or_else(|| "–".to_owned(), shown);
        let meaning = paint(DIM, meaning);
        writeln!(self.out, "  {stage:<15}  {:>10}{:>10}  {meaning}", at(50), at(99))
    }

    /// Prints what to do next. Each command works as it stands.
    pub(super) fn next(&mut self, page: &str, api: &str, api_key: &str) -> io::Result<()> {
        let link = paint(CYAN, page);
        let docs = paint(CYAN, &format!("{api}/openapi.json"));
        write!(
            self.out,
            "\n  Tap yourself    {link}\n  The API         {docs}\n\n  \
             Or be the ordering system: a new guest taps, and you submit it.\n\n\
             curl -s {page}/guest | curl -s {api}/v1/jobs \\\n  \
             -H 'Authorization: Bearer {api_key}' \\\n  \
             -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d @-\n\n  \
             {}\n\n",
            paint(DIM, "Ctrl-C ends the demo and removes all that it stored.")
        )?;
        self.out.flush()
    }
}

/// Returns the note for a job whose call was repeated.
fn retried(job: &FinishedJob) -> String {
    if job.calls > 1 { paint(YELLOW, "WeChat was busy: asked again") } else { String::new() }
}

/// Returns `text` in this style.
fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns the smallest time that `percent` of all do not exceed. `times` is sorted.
fn quantile(times: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied()
}

fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}
