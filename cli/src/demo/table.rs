//! What the demo prints: a line for each job, then a summary.
//!
//! On a terminal with colour, elsewhere plain; the words are the same.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use super::run::Finished;

/// Characters of an id that are shown: enough to tell jobs apart. Never the tag.
const ID_SHOWN: usize = 14;

/// Where the demo prints, and whether in colour.
#[derive(Debug)]
pub(super) struct Table<W> {
    out: W,
    colour: bool,
}

/// A colour of the 16 that every terminal has, so that it suits the reader's theme.
#[derive(Debug, Clone, Copy)]
enum Paint {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Cyan => "36",
        }
    }
}

impl Table<io::Stdout> {
    /// On standard output; in colour if that is a terminal and nobody objects.
    pub(super) fn standard() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let out = io::stdout();
        let colour = out.is_terminal() && !set("NO_COLOR") && !dumb;
        Self { out, colour }
    }
}

impl<W: Write> Table<W> {
    /// What this is, and the head of the table.
    pub(super) fn head(&mut self, jobs: u32, at_once: usize) -> io::Result<()> {
        let name = self.paint(Paint::Bold, "取号 quhao");
        let version = self.paint(Paint::Dim, env!("CARGO_PKG_VERSION"));
        let what = format!(
            "One process: producer, worker, an SQLite file, and a simulated WeChat that takes\n  \
             60 to 120 ms a call and is busy now and then. {jobs} guests tap, {at_once} at a time."
        );
        let columns = format!(
            "{:<15}  {:<15}{:>10}{:>10}{:>10}",
            "job", "phone number", "accepted", "worked", "total"
        );
        let columns = self.paint(Paint::Dim, &columns);
        write!(self.out, "\n  {name} {version}\n\n  {what}\n\n  {columns}\n")?;
        self.out.flush()
    }

    /// One job.
    pub(super) fn row(&mut self, job: &Finished) -> io::Result<()> {
        let id = match &job.id {
            Some(id) => format!("{}…", id.get(..ID_SHOWN).unwrap_or(id)),
            None => "–".to_owned(),
        };
        let id = self.paint(Paint::Dim, &format!("{id:<15}"));
        let (phone, note) = match &job.end {
            Ok(phone) => (self.paint(Paint::Green, &format!("{phone:<15}")), self.retried(job)),
            Err(why) => {
                (self.paint(Paint::Red, &format!("{:<15}", "failed")), self.paint(Paint::Red, why))
            }
        };
        let worked = job.worked.map_or_else(|| "–".to_owned(), shown);
        let (accepted, total) = (shown(job.accepted), shown(job.total));
        let line = format!("  {id}  {phone}{accepted:>10}{worked:>10}{total:>10}  {note}");
        writeln!(self.out, "{}", line.trim_end())?;
        self.out.flush()
    }

    fn retried(&self, job: &Finished) -> String {
        if job.calls > 1 {
            self.paint(Paint::Yellow, "WeChat was busy: asked again")
        } else {
            String::new()
        }
    }

    /// All jobs.
    pub(super) fn summary(&mut self, jobs: &[Finished], took: Duration) -> io::Result<()> {
        let failures = jobs.iter().filter(|job| job.end.is_err()).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
        let rate = jobs.len() as f64 / took.as_secs_f64().max(0.001);
        let verdict = match failures {
            0 => self.paint(Paint::Green, "every job has the right number"),
            failed => self.paint(Paint::Red, &format!("{failed} failed")),
        };
        let count = self.paint(Paint::Bold, &format!("{} jobs", jobs.len()));
        let columns = self.paint(Paint::Dim, &format!("{:<15}  {:>10}{:>10}", "", "p50", "p99"));
        write!(
            self.out,
            "\n  {count} in {}, {rate:.0} jobs/s: {verdict}\n\n  {columns}\n",
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
        let meaning = self.paint(Paint::Dim, meaning);
        writeln!(self.out, "  {stage:<15}  {:>10}{:>10}  {meaning}", at(50), at(99))
    }

    /// What to do next. Each command works as it stands.
    pub(super) fn next(&mut self, page: &str, api: &str, api_key: &str) -> io::Result<()> {
        let link = self.paint(Paint::Cyan, page);
        let docs = self.paint(Paint::Cyan, &format!("{api}/openapi.json"));
        write!(
            self.out,
            "\n  Tap yourself    {link}\n  The interface   {docs}\n\n  \
             Or be the ordering system: a new guest taps, and you submit it.\n\n\
             curl -s {page}/guest | curl -s {api}/v1/jobs \\\n  \
             -H 'Authorization: Bearer {api_key}' \\\n  \
             -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d @-\n\n  \
             {}\n\n",
            self.paint(Paint::Dim, "Ctrl-C ends the demo and removes all that it stored.")
        )?;
        self.out.flush()
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    }
}

/// The smallest time that `percent` of all do not exceed. `times` is sorted.
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
